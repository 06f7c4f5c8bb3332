"""Changes of NumPy's files: other shapes, types, orders and values, and headers that do not tell the truth."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.fuzz.mutations.plain_bytes import PLAIN

TYPES = ("<f2", "<f4", ">f4", "<f8", "<i1", "<i4", "<i8", "<u1", "<u8", "|b1", "<c8", "<U3", "|S5", "<M8[s]", "<m8[us]")
HEADERS = (
    *("|O", "|V8", "[('a', '<f4'), ('b', '<i2')]", "<f16", "|S0", "<f3", "<U99999999", "no type"),
    *("('<f4', (2, 2))", "[('a', [('b', '<f4')])]", "|V2147483647"),
)
SHAPES = ((), (0,), (1,), (0, 3), (-1,), (2**62,), (2**31, 2**31), (10**6, 10**6), (3, 10**9), (1,) * 40, (2**63, 0))
VALUES = (0, 1, -1, 2, 127, 2**31 - 1, -(2**31), float("nan"), float("inf"), -float("inf"), 1e-45, 1e38)


def npy(array: NDArray, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return the array as the file that `numpy.save` writes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=False)
    return file.getvalue()


def npy_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """An array with something else about it."""
    how = dice.choice([_retyped, _reshaped, _revalued, _revalued, _reordered, _with_false_header, _with_false_header])
    try:
        with np.errstate(all="ignore"):
            return how(np.load(io.BytesIO(content), allow_pickle=False), dice)
    except Exception:  # an array that is broken already, or cannot be changed so
        return dice.choice(PLAIN)(content, dice, donors)


def _retyped(array: NDArray, dice: random.Random) -> bytes:
    return npy(array.astype(dice.choice(TYPES)))


def _reshaped(array: NDArray, dice: random.Random) -> bytes:
    shapes = [array[None], array[..., None], array.reshape(-1), array.T]
    if array.ndim:
        shapes += [array[:0], array[:1], array[:-1], np.concatenate([array, array]), np.repeat(array, 2, axis=-1)]
    return npy(np.ascontiguousarray(dice.choice(shapes)))


def _revalued(array: NDArray, dice: random.Random) -> bytes:
    changed = np.array(array)
    if changed.size and changed.dtype.kind in "fiubc":
        places = np.array([dice.randrange(changed.size) for _ in range(dice.choice([1, 1, 5, changed.size]))])
        value = np.asarray(dice.choice(VALUES))
        changed.reshape(-1)[places] = value.astype(changed.dtype)
    return npy(changed)


def _reordered(array: NDArray, dice: random.Random) -> bytes:
    return npy(dice.choice([np.asfortranarray(array), array[::-1] if array.ndim else array, np.roll(array, 1)]))


def _with_false_header(array: NDArray, dice: random.Random) -> bytes:
    kind, shape, order = f"'{array.dtype.str}'", str(array.shape), "False"
    how = dice.randrange(4)
    if how == 0:
        written = dice.choice([*TYPES, *HEADERS])
        kind = written if written[0] in "[(" else f"'{written}'"
    elif how == 1:
        shape = dice.choice([*map(str, SHAPES), "3", "'a'", "(1.5,)", "(True,)", "None", f"({'9' * 5000},)"])
    elif how == 2:
        order = dice.choice(["True", "None", "1", "'x'"])
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}"
    if how == 3:
        header = dice.choice([header + " " * 20_000, "{" * 300, header.replace(",", ""), "None", header[:-4], ""])
    return with_header(header, array.tobytes() if not array.dtype.hasobject else b"")


def with_header(header: str, values: bytes) -> bytes:
    """Return a .npy file with this header, whatever is in it."""
    text = header.encode("latin-1") + b"\n"
    if len(text) < 65536:
        return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + values
    return b"\x93NUMPY\2\0" + struct.pack("<I", len(text)) + text + values


@cache
def zeros(megabytes: int) -> bytes:
    """Return an array of zeros: small once it is compressed."""
    return npy(np.zeros(megabytes << 18, np.float32))
