"""Pictures with more than 8 bits a channel, and what their transparency means; TIFF has a module of its own."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepvis_toolbox.sources.bands import Rows

_TIFF_BITS_PER_SAMPLE = 258
_PNG_DEPTH = slice(24, 25)  # of the IHDR chunk


def eight_bits(values: NDArray[np.generic], most: int = 65535) -> NDArray[np.uint8]:
    """Scale 0–`most` to uint8 0–255, in the same shape, both ends exact, rounded to the nearest."""
    return ((values.astype(np.uint32) * 255 + most // 2) // most).astype(np.uint8)


def deep_rows(picture: Image.Image, data: bytes) -> Rows | None:
    """Return what gives the rows, uint8 (rows, W, 3 or 4), of a picture with more than 8 bits a channel; None for the
    others."""
    if picture.mode.startswith("I"):
        return _deep_grey(picture)
    if picture.format != "PNG" or data[_PNG_DEPTH] != b"\x10":
        return None
    with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
        again.load()  # Pillow notices damage that OpenCV paints over; OpenCV keeps the 16 bits that Pillow cuts
    del again
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return lambda top, bottom: eight_bits(pixels[top:bottom, :, order])


def _deep_grey(picture: Image.Image) -> Rows:
    most = 65535
    if picture.format == "TIFF":
        (bits, *_) = picture.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (16,))  # type: ignore[attr-defined]
        most = (1 << bits) - 1
    picture.load()
    hidden = picture.info.get("transparency")

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        values = np.asarray(picture.crop((0, top, picture.width, bottom)))
        grey = np.stack([eight_bits(values, most)] * 3, axis=-1)
        if not isinstance(hidden, int):
            return grey
        return np.dstack([grey, np.where(values == hidden, 0, 255).astype(np.uint8)])

    return rows


def grey_level(picture: Image.Image, data: bytes) -> int | None:
    """Return the transparent grey of a PNG of 2 or 4 bits, 0–255, which Pillow leaves on the file's scale; None
    elsewhere."""
    hidden = picture.info.get("transparency")
    depth = data[_PNG_DEPTH]
    if picture.format != "PNG" or picture.mode != "L" or not isinstance(hidden, int) or depth not in (b"\2", b"\4"):
        return None
    return hidden * 255 // ((1 << depth[0]) - 1)
