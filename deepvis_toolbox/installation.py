"""Where the program's own files lie: in a checkout, or in an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

CHECKOUT: Path | None = PACKAGE.parent if (PACKAGE.parent / "run_toolbox.py").is_file() else None
"""The folder of the checkout that the program runs from; None where it was installed."""

MODELS = PACKAGE.parent / "models" if CHECKOUT else PACKAGE / "models"
"""The folder with one folder a model."""
