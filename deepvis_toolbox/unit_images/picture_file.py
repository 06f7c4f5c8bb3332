"""One picture file of the store: read with its size checked before it is decoded, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from deepvis_toolbox.atomic_files import write_bytes
from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.regular_file import open_regular
from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.picture_process import PictureNotDecoded, decode_apart
from deepvis_toolbox.words.images import RGBImage

JPEG_QUALITY = 88
_JPEG = b"\xff\xd8\xff"
_MARKER = b"\xff\xfe"


def _comment(text: bytes) -> bytes:
    """Return the segment of a JPEG file that is a comment."""
    return _MARKER + (len(text) + 2).to_bytes(2, "big") + text


_SIGNATURE = _comment(b"deepvis-toolbox")
"""A JPEG comment in every picture that is written here; it tells them from an archive's, which nothing may replace."""
_HEAD_BYTES = 256
MOST_SAID = 100
"""Characters of the second comment: what is said of the picture."""


def read_picture(path: Path) -> RGBImage:
    """Return the picture, RGB uint8 H×W×3. `ToolboxError` where it is missing, unreadable, no picture or too large."""
    try:
        return decode_apart(path)
    except PictureNotDecoded:  # nothing is wrong with it
        raise
    except UnreadablePicture as error:
        raise ToolboxError(f'cannot read the picture "{path}": {error.reason}; remove it and make it again') from error


def problem_with(error: Exception) -> str:
    """Return a sentence about what kept somebody from reading pictures."""
    if isinstance(error, OSError) and error.strerror:
        return f'cannot read "{error.filename}": {error.strerror}'
    return sentence_of(error)


def write_picture(path: Path, image: RGBImage, said: str = "") -> None:
    """Write an RGB uint8 H×W×3 picture as its suffix says (.jpg or .png). `ToolboxError` where that is impossible.

    `said`: what `said_in` gives back of a JPEG file, at most `MOST_SAID` ASCII characters.
    """
    suffix = path.suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in (".jpg", ".jpeg") else []
    written, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)
    if not written:
        raise ToolboxError(f'cannot write "{path}": the picture does not fit the format {suffix}')
    write_bytes(path, _signed(data.tobytes(), said) if options else data.tobytes())


def is_published(path: Path) -> bool:
    """Return whether this is a JPEG file that `write_picture` did not write: one of an archive."""
    head = _head(path)
    return head.startswith(_JPEG) and _SIGNATURE not in head


def said_in(path: Path) -> str:
    """Return what `write_picture` was told to say of this JPEG file; empty where that is nothing."""
    _, _, behind = _head(path).partition(_SIGNATURE + _MARKER)
    length = int.from_bytes(behind[:2], "big") - 2
    if not 0 < length <= MOST_SAID:
        return ""
    said = behind[2 : 2 + length].decode("latin-1")
    return said if said.isascii() and said.isprintable() else ""


def _head(path: Path) -> bytes:
    """Return how a file begins; nothing where it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _signed(jpeg: bytes, said: str) -> bytes:
    """Return the JPEG file with the comments behind its first segment, where every decoder expects them."""
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    comments = _SIGNATURE + (_comment(said.encode("ascii")) if said else b"")
    return jpeg[:end] + comments + jpeg[end:]
