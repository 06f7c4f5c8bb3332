"""Reads the samples of a TIFF themselves where Pillow would cut 16 bits to 8 or does not know the arrangement."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from deepvis_toolbox.sources.tiff_differences import DIFFERENCES, FLOAT_DIFFERENCES, floats_of

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_PREDICTOR, _COLOUR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 317, 320, 322, 323, 324, 325
_EXTRA_SAMPLES, _SAMPLE_FORMAT = 338, 339

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _LAB: 3}
_PREMULTIPLIED, _APART = 1, 2
_TRANSPARENCY = {1, 2}
_WITH_PREDICTOR = (5, 8, 32946, 34925, 50000)
"""LZW, both deflates, LZMA, Zstandard; the others do not know predictors."""
_COMPRESSIONS = (1, 32773, *_WITH_PREDICTOR)
_MOST_SAMPLES = 16
_MOST_BANDS = 512
_FLOATS = 3
MOST_VALUES = 360_000_000
"""Four to a pixel of the largest pictures; a file that claims more is not decoded here."""
_BIG_BACKWARDS = b"MM\0+"

Samples = NDArray[Any]
"""uint8, uint16, or of bands float32."""


@dataclass(frozen=True)
class TiffColours:
    """Decoded rows of a TIFF: `colours` (rows, W, 3) and, where there is transparency, `alpha` (rows, W, 1) of the same
    dtype."""

    colours: Samples
    alpha: Samples | None
    premultiplied: bool
    """Whether the colours were multiplied by `alpha` before they were stored."""


_reading_plain_chroma = threading.Lock()


@dataclass(frozen=True)
class _Layout:
    tags: Any
    """Of the first picture, by number."""
    byte_order: str
    width: int
    height: int
    bits: int
    photometric: int
    samples: int
    apart: bool
    """Whether each sample has a plane of its own."""
    extra: tuple[int, ...]
    is_float: bool = False


def is_tiff(data: bytes) -> bool:
    """Return whether the file begins as a TIFF does."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", _BIG_BACKWARDS)


def is_known_tiff(data: bytes) -> bool:
    """Return whether its directory can be read: BigTIFF with the higher byte first cannot, by Pillow."""
    return data[:4] != _BIG_BACKWARDS


def read_tags(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Return the tags of a TIFF's first picture. Raises nearly anything where they are damaged."""
    file = io.BytesIO(data)
    head = file.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(head if 42 in head[2:4] else head + file.read(8))
    file.seek(tags.next)
    tags.load(file)
    return tags


def opened_tiff(data: bytes, tags: Any, formats: tuple[str, ...]) -> Image.Image:
    """Return a TIFF as Pillow opens it.

    Luma and chroma are left to libtiff also where they are not compressed: Pillow's own decoder knows neither chroma of
    fewer pixels nor ranges.
    """
    if tags.get(_PHOTOMETRIC) != _YCBCR:
        return Image.open(io.BytesIO(data), formats=formats)
    with _reading_plain_chroma:  # the switch is one for all threads
        TiffImagePlugin.READ_LIBTIFF = True
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            TiffImagePlugin.READ_LIBTIFF = False


def tiff_colours(data: bytes, tags: Any) -> Callable[[int, int], TiffColours] | None:
    """Return what gives rows, from one number up to another one, as RGB of 8 or 16 bits; None for the arrangements
    that Pillow reads as they are meant.

    Taken on here: 16 bits, planes apart, and samples beyond the colours, without or with a lossless compression.
    """
    layout = _layout(data, tags)
    if layout is None:
        return None
    pictures = _grey_pictures(data, layout)
    return lambda top, bottom: _colours(_samples(pictures, layout, top, bottom), layout)


def _colours(samples: Samples, layout: _Layout) -> TiffColours:
    count = _COLOURS[layout.photometric]
    alpha_at = next((count + index for index, kind in enumerate(layout.extra) if kind in (1, 2, 999)), None)
    alpha = None if alpha_at is None else samples[:, :, alpha_at : alpha_at + 1]
    premultiplied = alpha_at is not None and layout.extra[alpha_at - count] == _PREMULTIPLIED
    colours = samples[:, :, :count]
    if alpha is not None and premultiplied and layout.photometric in (_WHITE_IS_ZERO, _CMYK):
        colours, premultiplied = _divided(colours, alpha), False  # what was multiplied is ink, not light
    return TiffColours(_rgb(colours, layout), alpha, premultiplied)


def tiff_bands(data: bytes, tags: Any) -> Samples | None:
    """Return all samples of a TIFF, uint8, uint16 or float32 (H, W, C), whose samples beyond grey, or beyond red, green
    and blue, are no transparency; None for the others, and for arrangements that are not known here."""
    layout = _layout(data, tags, _MOST_BANDS, may_be_float=True)
    if layout is None or layout.photometric not in (_BLACK_IS_ZERO, _RGB) or layout.samples in (1, 3):
        return None
    if _TRANSPARENCY & {*layout.extra}:
        return None
    return _samples(_grey_pictures(data, layout), layout, 0, layout.height)


def _layout(data: bytes, tags: Any, most_samples: int = _MOST_SAMPLES, *, may_be_float: bool = False) -> _Layout | None:
    width, height, bits = int(tags[_WIDTH]), int(tags[_HEIGHT]), _several(tags.get(_BITS, 1))
    photometric, samples = tags.get(_PHOTOMETRIC), int(tags.get(_SAMPLES, 1))
    kinds = {*_several(tags.get(_SAMPLE_FORMAT, 1))}
    is_float = may_be_float and kinds == {_FLOATS} and tags.get(_PREDICTOR, 1) in (1, FLOAT_DIFFERENCES)
    is_known = photometric in _COLOURS and (is_float or kinds <= {1, 4})
    if not is_known or not _COLOURS[photometric] <= samples <= most_samples:
        return None
    depths = ({32},) if is_float else ({8},) if photometric == _LAB else ({8}, {16})
    if set(bits) not in depths or len(bits) not in (1, samples) or tags.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        return None
    if tags.get(_FILL_ORDER, 1) != 1 or samples * width * height * (4 if is_float else 1) > MOST_VALUES:
        return None
    extra = _several(tags.get(_EXTRA_SAMPLES, ()))
    beyond = samples - _COLOURS[photometric]
    if not extra and beyond == 1 and photometric == _RGB and not is_float:
        extra = (2,)  # four samples and no word about the fourth: by custom it is transparency
    apart = samples > 1 and tags.get(_PLANAR, 1) == _APART
    if bits[0] == 8 and not apart and not beyond:
        return None
    order = "<" if data[:2] == b"II" else ">"
    return _Layout(tags, order, width, height, bits[0], photometric, samples, apart, extra[:beyond], is_float)


def _several(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _grey_pictures(data: bytes, layout: _Layout) -> list[Image.Image]:
    """Return each plane as a grey picture; a single one, with all samples side by side, where they are not apart. Of
    floats, all bytes lie side by side."""
    width = layout.width * (4 if layout.is_float else 1)
    if not layout.apart:
        return [_grey(data, layout, width * layout.samples, 0, 1)]
    return [_grey(data, layout, width, index, layout.samples) for index in range(layout.samples)]


def _grey(data: bytes, layout: _Layout, width: int, plane: int, planes: int) -> Image.Image:
    """Return one plane of `planes`, or all samples side by side, as Pillow decodes a grey picture that is told of
    them."""
    picture = TiffImagePlugin.TiffImageFile(io.BytesIO(_with_directory(data, layout, width, plane, planes)))
    picture.load()
    if picture.size != (width, layout.height):
        raise ValueError("the samples do not fill the picture")
    return picture


def _samples(pictures: list[Image.Image], layout: _Layout, top: int, bottom: int) -> Samples:
    """Return all samples of some rows, (rows, W, S)."""
    dtype = np.uint16 if layout.bits == 16 else np.uint8
    planes: list[Samples] = [
        np.asarray(picture.crop((0, top, picture.width, bottom))).astype(dtype) for picture in pictures
    ]
    if not layout.apart:
        return _undo_predictor(planes[0], layout, layout.samples).reshape(bottom - top, layout.width, layout.samples)
    return np.stack([_undo_predictor(plane, layout, 1).reshape(plane.shape[0], -1) for plane in planes], axis=-1)


def _with_directory(data: bytes, layout: _Layout, width: int, plane: int, planes: int) -> bytes:
    """Return the same file with a directory that describes its samples as grey values; the old one is left where it
    is."""
    tags = layout.tags
    told: dict[int, tuple[int, ...]] = {
        _WIDTH: (width,),
        _HEIGHT: (layout.height,),
        _BITS: (8 if layout.is_float else layout.bits,),
        _COMPRESSION: (int(tags.get(_COMPRESSION, 1)),),
        _PHOTOMETRIC: (_BLACK_IS_ZERO,),
        _SAMPLES: (1,),
        _PLANAR: (1,),
    }
    for name in (_ROWS_PER_STRIP, _TILE_HEIGHT):
        if name in tags:
            told[name] = (int(tags[name]),)
    if _TILE_WIDTH in tags:
        told[_TILE_WIDTH] = (int(tags[_TILE_WIDTH]) * (width // layout.width),)
    for name in (_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES):
        if name in tags:
            places = _several(tags[name])
            share = len(places) // planes
            told[name] = places[plane * share : (plane + 1) * share]
    start = len(data) + len(data) % 2
    head = data[:2] + struct.pack(layout.byte_order + "HI", 42, start)
    return head + data[8:].ljust(start - 8, b"\0") + _directory(told, layout.byte_order, start)


def _directory(told: dict[int, tuple[int, ...]], byte_order: str, start: int) -> bytes:
    """Return a TIFF directory of 32-bit numbers, to lie at `start`."""
    entries, behind = b"", b""
    behind_start = start + 2 + 12 * len(told) + 4
    for tag, numbers in sorted(told.items()):
        packed = struct.pack(f"{byte_order}{len(numbers)}I", *numbers)
        place = packed if len(numbers) == 1 else struct.pack(byte_order + "I", behind_start + len(behind))
        entries += struct.pack(byte_order + "HHI", tag, 4, len(numbers)) + place
        behind += b"" if len(numbers) == 1 else packed
    return struct.pack(byte_order + "H", len(told)) + entries + bytes(4) + behind


def _undo_predictor(pixels: Samples, layout: _Layout, samples: int) -> Samples:
    """Add up what was stored as differences to the sample on the left, within each tile; floats come as their bytes."""
    predictor = layout.tags.get(_PREDICTOR, 1) if layout.tags.get(_COMPRESSION, 1) in _WITH_PREDICTOR else 1
    step = int(layout.tags.get(_TILE_WIDTH, layout.width))
    rows = pixels.reshape(-1, layout.width, samples * (4 if layout.is_float else 1))
    if layout.is_float:
        parts = [rows[:, left : left + step] for left in range(0, layout.width, step)]
        are_differences = predictor == FLOAT_DIFFERENCES
        return np.concatenate([floats_of(part, layout.byte_order, are_differences) for part in parts], axis=1)
    for left in range(0, layout.width if predictor == DIFFERENCES else 0, step):
        np.cumsum(rows[:, left : left + step], axis=1, dtype=pixels.dtype, out=rows[:, left : left + step])
    return rows.reshape(pixels.shape)


def _divided(samples: Samples, alpha: Samples) -> Samples:
    most = int(np.iinfo(samples.dtype).max)
    whole = np.minimum(samples, alpha).astype(np.uint32) * most // np.maximum(alpha, 1)
    return whole.astype(samples.dtype)


def _rgb(samples: Samples, layout: _Layout) -> Samples:
    most = (1 << layout.bits) - 1
    if layout.photometric == _RGB:
        return samples
    if layout.photometric == _CMYK:
        inks = samples.astype(np.uint64)
        return (((most - inks[:, :, :3]) * (most - inks[:, :, 3:]) + most // 2) // most).astype(samples.dtype)
    if layout.photometric == _LAB:
        data = np.ascontiguousarray(samples).tobytes()
        return rgb_of_lab(Image.frombytes("LAB", (layout.width, len(samples)), data, "raw", "LAB"))
    if layout.photometric == _PALETTE:
        return _palette_colours(samples[:, :, 0], layout)
    grey = most - samples if layout.photometric == _WHITE_IS_ZERO else samples
    return np.repeat(grey, 3, axis=2)


def rgb_of_lab(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a picture in CIELab as RGB uint8 (H, W, 3)."""
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB"))


def colour_map(tags: Any) -> NDArray[np.uint16] | None:
    """Return a TIFF's palette, uint16 (N, 3); None where it has none. Old programs wrote 0–255: its largest value
    tells."""
    if _COLOUR_MAP not in tags:
        return None
    values = np.array(tags[_COLOUR_MAP], np.uint32).reshape(3, -1).T
    return (values * 257 if values.max() < 256 else values).astype(np.uint16)


def _palette_colours(indices: Samples, layout: _Layout) -> Samples:
    palette = colour_map(layout.tags)
    if palette is None or len(palette) <= indices.max():
        raise ValueError("its palette is missing or too short")
    colours = palette[indices]
    return colours if layout.bits == 16 else (colours >> 8).astype(np.uint8)
