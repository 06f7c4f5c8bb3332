"""The doors of the installed programs, which import nothing that takes its time."""

from __future__ import annotations

import os
import sys
import threading

import deepvis_toolbox.early_signals  # noqa: F401 - before all else
from deepvis_toolbox.command_line.ending import run_program

TYPE_CHECKING = False  # as that of `typing`, which takes its time to import
if TYPE_CHECKING:
    from typing import NoReturn


def window() -> NoReturn:
    """Run `deepvis` and `python run_toolbox.py`."""
    status = run_program("deepvis_toolbox.web.window_command")
    if threading.active_count() > 1:
        # A thread deep in a long computation, or in importing torch, is not waited for: Python's own way out would pull
        # the ground from under it.
        for decoded in ("picture", "film"):
            if decoding := sys.modules.get(f"deepvis_toolbox.sources.{decoded}_process"):
                decoding.end()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def optimize() -> NoReturn:
    """Run `deepvis-optimize` and `python optimize_image.py`."""
    sys.exit(run_program("deepvis_toolbox.optimize.cli.optimize_command"))


def scan() -> NoReturn:
    """Run `deepvis-scan` and `python find_maxes/find_max_acts.py`."""
    sys.exit(run_program("deepvis_toolbox.scan.cli.scan_command"))


def crop() -> NoReturn:
    """Run `deepvis-crop` and `python find_maxes/crop_max_patches.py`."""
    sys.exit(run_program("deepvis_toolbox.scan.cli.crop_command"))


def merge() -> NoReturn:
    """Run `deepvis-merge` and `python find_maxes/merge.py`."""
    sys.exit(run_program("deepvis_toolbox.scan.cli.merge_command"))


def pipeline() -> NoReturn:
    """Run `deepvis-pipeline` and `python -m deepvis_toolbox.pipeline`."""
    sys.exit(run_program("deepvis_toolbox.pipeline.pipeline_command"))


def atlas() -> NoReturn:
    """Run `deepvis-atlas` and `python -m deepvis_toolbox.atlas`."""
    sys.exit(run_program("deepvis_toolbox.atlas.atlas_command"))


def factorize() -> NoReturn:
    """Run `deepvis-factorize` and `python -m deepvis_toolbox.factorize`."""
    sys.exit(run_program("deepvis_toolbox.factorize.factorize_command"))


def paper() -> NoReturn:
    """Run `deepvis-paper` and `python -m deepvis_toolbox.paper`."""
    sys.exit(run_program("deepvis_toolbox.paper.paper_command"))


def settings() -> NoReturn:
    """Run `deepvis-settings` and `python settings.py`."""
    sys.exit(run_program("deepvis_toolbox.settings.settings_command"))
