"""The program's version, from the installed package's metadata or, in a checkout, from pyproject.toml."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version

from deepvis_toolbox.installation import CHECKOUT


def _found() -> str:
    if CHECKOUT is not None:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
        return str(project["version"])
    try:
        return version("deepvis-toolbox")
    except PackageNotFoundError:  # copied somewhere by hand
        return "unknown"


__version__ = _found()
