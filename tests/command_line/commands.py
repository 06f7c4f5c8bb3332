"""All commands by name, with their parsers."""

from __future__ import annotations

from collections.abc import Callable

from deepvis_toolbox.atlas import atlas_command
from deepvis_toolbox.command_line.parser import CommandParser
from deepvis_toolbox.factorize import factorize_command
from deepvis_toolbox.judging import judge_command
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.optimize.cli import optimize_flags, search_command
from deepvis_toolbox.paper import paper_command
from deepvis_toolbox.pipeline import pack, pipeline_command
from deepvis_toolbox.scan.cli import crop_command, merge_command, scan_command
from deepvis_toolbox.settings import settings_command

PARSERS: dict[str, Callable[[], CommandParser]] = {
    "deepvis": toolbox_command.parser,
    "deepvis-optimize": optimize_flags.make_parser,
    "deepvis-scan": scan_command.parser,
    "deepvis-crop": crop_command.parser,
    "deepvis-merge": merge_command.parser,
    "deepvis-pipeline": pipeline_command.parser,
    "deepvis-atlas": atlas_command.parser,
    "deepvis-factorize": factorize_command.parser,
    "deepvis-paper": paper_command.parser,
    "deepvis-settings": settings_command.parser,
    "search": search_command.parser,
    "judge": judge_command.parser,
    "pack": pack.parser,
}

OPENS_A_NETWORK = [
    "deepvis",
    "deepvis-optimize",
    "deepvis-scan",
    "deepvis-crop",
    "deepvis-pipeline",
    "deepvis-atlas",
    "deepvis-factorize",
    "deepvis-paper",
    "search",
    "judge",
]

REQUIRED = {
    "deepvis-scan": ["--images", "p", "--out", "o"],
    "deepvis-crop": ["--maxes", "m"],
    "deepvis-atlas": ["--out", "o"],
    "deepvis-factorize": ["--layer", "l", "--images", "p", "--out", "o.npz"],
    "deepvis-merge": ["part", "--out", "o"],
    "pack": ["a", "b"],
    "judge": ["--judge", "m"],
}
"""What cannot be left out."""
