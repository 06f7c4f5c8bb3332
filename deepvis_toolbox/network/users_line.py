"""The line of a user's own code that made a node of a graph, or that stopped the tracing."""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from pathlib import Path
from types import FrameType

import torch
from torch import fx

_TRACING = str(Path(__file__).parent / "tracing.py")
_NOT_THE_USERS = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")

Line = tuple[str, int]
"""A file and the number of a line in it."""


def note_line(node: fx.Node) -> None:
    """Note on a node the line that is being traced."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        is_outside = frame.f_code.co_name == "trace" and frame.f_code.co_filename == _TRACING
        if frame.f_back is None or is_outside:  # beyond it nobody is in forward
            return
        frame = frame.f_back
    node.meta["line"] = (frame.f_code.co_filename, frame.f_lineno)


def line_of(node: fx.Node) -> Line | None:
    """Return the line that made a traced node; None where there is none to name."""
    found: Line | None = node.meta.get("line")
    return found


def line_in(trace: str | None) -> Line | None:
    """Return the innermost line of the user's in a traceback that torch.export keeps as text."""
    lines = re.findall(r'^\s*File "(.+)", line (\d+), in ', trace or "", re.MULTILINE)
    own = [(file, int(number)) for file, number in lines if not file.startswith(_NOT_THE_USERS)]
    return own[-1] if own else None


def line_of_error(error: BaseException) -> Line | None:
    """Return the innermost line of the user's that an error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_USERS)]
    return (own[-1].filename, own[-1].lineno or 0) if own else None


def code_of(line: Line) -> str:
    """Return what the line says."""
    return linecache.getline(*line).strip()


def told(node: fx.Node) -> str:
    """Return the name of a node's layer, with the line that made it."""
    line = line_of(node)
    name = f'"{node.meta.get("layer", node.name)}"'
    return f"{name} in {line[0]}:{line[1]}: `{code_of(line)}`" if line else name


def is_within(path: str | None) -> bool:
    """Return whether what runs now was called by code of this file."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back
    return frame is not None
