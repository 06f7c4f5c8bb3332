"""Where the program's own files lie: in a checkout, or in an installed package."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

CHECKOUT: Path | None = PACKAGE.parent if (PACKAGE.parent / "run_toolbox.py").is_file() else None
"""The folder of the checkout that the program runs from; None where it was installed."""

MODELS = PACKAGE.parent / "models" if CHECKOUT else PACKAGE / "models"
"""The folder with one folder a model."""

MODELS_OF_THE_USER = "DEEPVIS_MODELS"


def models_folders() -> tuple[Path, ...]:
    """Return the folders with one folder a model: the program's, then those that DEEPVIS_MODELS lists, as PATH does."""
    listed = os.environ.get(MODELS_OF_THE_USER, "").split(os.pathsep)
    return (MODELS, *(Path(folder).expanduser() for folder in listed if folder))
