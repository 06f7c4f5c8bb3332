"""Where the program's own files lie: in a checkout, or in an installed package."""

from __future__ import annotations

import os
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

MODELS_OF_THE_USER = "DEEPVIS_MODELS"


def models_folders() -> tuple[Path, ...]:
    """Return the folders with one folder a model: the program's, then those that DEEPVIS_MODELS lists, as PATH does."""
    listed = os.environ.get(MODELS_OF_THE_USER, "").split(os.pathsep)
    return (MODELS, *(Path(folder).expanduser() for folder in listed if folder))


def pip_install(requirement: str) -> str:
    """Return the command that installs a package for the Python that runs this program, as a shell reads it."""
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(requirement)}"
