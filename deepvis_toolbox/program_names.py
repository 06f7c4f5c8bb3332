"""What starts a command: the scripts and modules of a checkout, or the installed programs."""

from __future__ import annotations

import shlex
from pathlib import Path

from deepvis_toolbox import installation

SCRIPTS = {
    "deepvis": "run_toolbox.py",
    "deepvis-optimize": "optimize_image.py",
    "deepvis-scan": "find_maxes/find_max_acts.py",
    "deepvis-crop": "find_maxes/crop_max_patches.py",
    "deepvis-merge": "find_maxes/merge.py",
    "deepvis-settings": "settings.py",
}
"""The scripts of a checkout, by the names of the installed programs."""

MODULES = {
    "deepvis-pipeline": "deepvis_toolbox.pipeline",
    "deepvis-atlas": "deepvis_toolbox.atlas",
    "deepvis-factorize": "deepvis_toolbox.factorize",
    "deepvis-paper": "deepvis_toolbox.paper",
    "search": "deepvis_toolbox.optimize.search",
    "judge": "deepvis_toolbox.optimize.judge",
    "pack": "deepvis_toolbox.pipeline.pack",
}
"""Commands that a checkout starts with `python -m`."""

INSTALLED = (*SCRIPTS, "deepvis-pipeline", "deepvis-atlas", "deepvis-factorize", "deepvis-paper")
"""The programs that an installed package brings."""


def command_words(command: str) -> list[str]:
    """Return the words that start `command` (a key of `SCRIPTS` or `MODULES`) from the working directory."""
    checkout = installation.CHECKOUT
    if checkout is None:
        return [command] if command in INSTALLED else ["python", "-m", MODULES[command]]
    here = _is_working_directory(checkout)
    if command in SCRIPTS:
        return ["python", SCRIPTS[command] if here else str(checkout / SCRIPTS[command])]
    found = [] if here else ["env", f"PYTHONPATH={checkout}"]
    return [*found, "python", "-m", MODULES[command]]


def command_line(command: str) -> str:
    """Return the same as a shell reads it."""
    return shlex.join(command_words(command))


def _is_working_directory(folder: Path) -> bool:
    try:
        return Path.cwd() == folder
    except OSError:  # it was removed
        return False
