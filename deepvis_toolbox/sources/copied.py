"""Reads the picture that was copied last from the clipboard, through the programs that systems have for that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageGrab

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.sources.file_kind import file_kind
from deepvis_toolbox.sources.picture_budget import MAX_FILE_BYTES, MAX_PIXELS
from deepvis_toolbox.sources.picture_process import decode_apart

SECONDS = 3.0
"""How long whoever holds the clipboard has for an answer."""
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/tiff", "image/gif")
"""What is asked for, the best first."""
_FILES = "text/uri-list"
_MOST_KINDS = 1 << 16


def copied_picture() -> NDArray[np.uint8] | None:
    """Return the picture in the clipboard, RGB uint8 H×W×3, or that of the first picture file that was copied there.

    None where it holds neither. `ToolboxError` where it cannot be read, or holds what is no sound picture.
    """
    return _from_programs() if sys.platform.startswith("linux") else _from_the_system()


def _from_programs() -> NDArray[np.uint8] | None:
    kinds, content = _programs()
    offered = _answer(kinds, _MOST_KINDS).decode(errors="replace").split()
    picture = next((kind for kind in _PICTURES if kind in offered), None)
    if picture:
        data = _answer([*content, picture], MAX_FILE_BYTES)
        return decode_apart(data) if data else None
    if _FILES not in offered:
        return None
    addresses = _answer([*content, _FILES], _MOST_KINDS).decode(errors="replace").split()
    return _of_files([unquote(urlsplit(each).path) for each in addresses if each.startswith("file:///")])


def _from_the_system() -> NDArray[np.uint8] | None:
    try:
        found = ImageGrab.grabclipboard()
        if not isinstance(found, Image.Image):
            return _of_files(found or [])
        if found.width * found.height > MAX_PIXELS:
            raise ToolboxError(f"what was copied is too large: {found.width}×{found.height} pixels")
        return np.array(found.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ToolboxError(f"what was copied cannot be read: {sentence_of(error)}") from None


def _of_files(names: Sequence[str]) -> NDArray[np.uint8] | None:
    path = next((Path(name) for name in names if file_kind(Path(name)) == "picture"), None)
    return decode_apart(path) if path else None


def _programs() -> tuple[list[str], list[str]]:
    """Return the commands that list the kinds which the clipboard offers, and that give one (its name comes last)."""
    if os.environ.get("WAYLAND_DISPLAY") and (program := shutil.which("wl-paste")):
        return [program, "--list-types"], [program, "--no-newline", "--type"]
    if os.environ.get("DISPLAY") and (program := shutil.which("xclip")):
        ask = [program, "-selection", "clipboard", "-out", "-target"]
        return [*ask, "TARGETS"], ask
    if not (os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")):
        raise ToolboxError("the input clipboard needs a desktop, and neither DISPLAY nor WAYLAND_DISPLAY names one")
    package = "wl-clipboard" if os.environ.get("WAYLAND_DISPLAY") else "xclip"
    raise ToolboxError(f"the clipboard is read through {package}; install it: sudo apt-get install {package}")


def _answer(command: Sequence[str], most_bytes: int) -> bytes:
    """Return what a program writes, nothing where the clipboard does not hold that. `ToolboxError` where it is more, or
    whoever holds the clipboard does not answer."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdout is not None
        began = time.monotonic()
        timer = threading.Timer(SECONDS, program.kill)
        timer.start()
        try:
            data = program.stdout.read(most_bytes + 1)
        finally:
            timer.cancel()
            program.kill()
    if time.monotonic() - began >= SECONDS:
        raise ToolboxError("whoever holds the clipboard does not answer; copy the picture again")
    if len(data) > most_bytes:
        raise ToolboxError(f"what was copied is larger than {most_bytes >> 20} MiB")
    return data
