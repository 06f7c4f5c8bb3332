"""Where the program's own files lie: in a checkout, or in an installed package."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

_INSTALLED_MODELS = PACKAGE / "models"
"""In a wheel they are here; a checkout has them beside the package."""

CHECKOUT: Path | None = None if _INSTALLED_MODELS.is_dir() else PACKAGE.parent
"""The folder of the checkout that the program runs from; None where it was installed."""

MODELS = CHECKOUT / "models" if CHECKOUT else _INSTALLED_MODELS
"""The folder with one folder a model."""


def pip_install(requirement: str) -> str:
    """Return the command that installs a package for the Python that runs this program, as a shell reads it."""
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(requirement)}"
