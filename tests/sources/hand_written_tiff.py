"""Writes TIFFs of every arrangement by hand, so that the tests lean on no writer's choices."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
REFERENCE_BLACK_WHITE = 532


def tiff(
    samples: np.ndarray,
    photometric: int,
    extra: Sequence[int] = (),
    apart: bool = False,
    byte_order: str = "<",
    deflated: bool = False,
    tags: dict[int, Sequence[int]] | None = None,
) -> bytes:
    """A TIFF of one strip a plane; `samples` (H, W, S), unsigned of 8 or 16 bits, or float32. `deflated`: with
    differences, of floats between their bytes."""
    height, width, count = samples.shape
    bits = samples.dtype.itemsize * 8
    planes = np.moveaxis(samples, -1, 0)[..., None] if apart else samples[None]
    is_float = samples.dtype.kind == "f"
    if deflated and not is_float:
        planes = np.diff(planes, axis=2, prepend=np.zeros_like(planes[:, :, :1]))
    strips = [plane.astype(plane.dtype.newbyteorder(byte_order)).tobytes() for plane in planes]
    if deflated and is_float:
        strips = [_differences_of_bytes(plane) for plane in planes]
    strips = [zlib.compress(strip) for strip in strips] if deflated else strips
    offsets = [8 + sum(map(len, strips[:index])) for index in range(len(strips))]
    told: dict[int, Sequence[int]] = {
        **{256: [width], 257: [height], 258: [bits] * count, 259: [8 if deflated else 1], 262: [photometric]},
        **{273: offsets, 277: [count], 278: [height], 279: list(map(len, strips)), 284: [2 if apart else 1]},
        **({317: [3 if is_float else 2]} if deflated else {}),
        **({339: [3] * count} if is_float else {}),
        **({338: extra} if extra else {}),
        **(tags or {}),
    }
    body = b"".join(strips)
    body += bytes(len(body) % 2)
    head = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(byte_order + "I", 8 + len(body))
    return head + body + _directory(told, byte_order, 8 + len(body))


def _differences_of_bytes(plane: np.ndarray) -> bytes:
    """Each row's highest bytes, then the next ones, less the bytes of the sample on the left."""
    rows, width, samples = plane.shape
    highest_first = np.frombuffer(plane.astype(">f4").tobytes(), np.uint8).reshape(rows, width * samples, 4)
    in_planes = highest_first.transpose(0, 2, 1).reshape(rows, 4 * width, samples)
    return np.diff(in_planes, axis=1, prepend=np.zeros_like(in_planes[:, :1])).tobytes()


def _directory(told: dict[int, Sequence[int]], byte_order: str, start: int) -> bytes:
    entries, behind = b"", b""
    for tag, numbers in sorted(told.items()):
        short = tag not in (273, 279)
        packed = struct.pack(f"{byte_order}{len(numbers)}{'H' if short else 'I'}", *numbers)
        if tag == REFERENCE_BLACK_WHITE:
            packed = struct.pack(f"{byte_order}12I", *(part for number in numbers for part in (number, 1)))
        if len(packed) > 4:
            place = struct.pack(byte_order + "I", start + 2 + 12 * len(told) + 4 + len(behind))
            behind += packed
        else:
            place = packed.ljust(4, b"\0")
        kind = 5 if tag == REFERENCE_BLACK_WHITE else 3 if short else 4
        entries += struct.pack(byte_order + "HHI", tag, kind, len(numbers)) + place
    return struct.pack(byte_order + "H", len(told)) + entries + bytes(4) + behind
