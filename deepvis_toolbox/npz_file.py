"""Arrays in a `.npz` file, taken for what they have to be: names, types, shapes and sizes are compared before memory is
taken."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.regular_file import open_regular

WHOLE = "whole numbers"
_MOST_HEADER = 10_000
_MOST_MEMBERS = 100_000
_MOST_REASON = 200
"""Characters: Python's own may repeat a damaged name."""
DAMAGED_ZIP = (
    *(OSError, ValueError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""What reading a damaged zip raises; a RuntimeError, of members that want a password."""
_DAMAGE = (*DAMAGED_ZIP, TypeError, SyntaxError, tokenize.TokenError)
"""What reading a damaged file raises; the last two come from NumPy, which reads headers as Python's literals."""


@dataclass(frozen=True)
class ArrayForm:
    """What an array has to be. `dtype`: a type such as `float32`, in this machine's byte order; or `WHOLE`, integers of
    any size."""

    dtype: str
    shape: tuple[int, ...]

    def difference(self, dtype: np.dtype, shape: tuple[int, ...]) -> str:
        """Return in what an array is not of this form, in words; empty where it is."""
        fits = dtype.kind in "iu" and dtype.isnative if self.dtype == WHOLE else dtype == np.dtype(self.dtype)
        if not fits:
            return f"is of type {dtype}, not {self.dtype}"
        return "" if shape == self.shape else f"has the shape {shape}, not {self.shape}"


def read_arrays(path: Path, forms: Mapping[str, ArrayForm]) -> dict[str, NDArray]:
    """Return the arrays of these names, of the dtypes and shapes (…) of their forms; what else is in the file is left
    aside.

    `ToolboxError` where the file cannot be read, or an array is missing, of another form or damaged.
    """
    with _opened(path) as (archive, length):
        for name, form in forms.items():
            other = form.difference(*_stored(archive, name, length))
            if other:
                raise ValueError(f'the array "{name}" {other}')
        return {name: _read(archive, name) for name in forms}


def read_known(path: Path, names: Collection[str], most_bytes: int) -> dict[str, NDArray]:
    """Return those arrays of these names that are in the file, of any shape and of any dtype but objects.

    `ToolboxError` where the file cannot be read, or one of them is damaged or larger than `most_bytes`.
    """
    with _opened(path) as (archive, length):
        found = [name for name in names if f"{name}.npy" in archive.NameToInfo]
        for name in found:
            dtype, shape = _stored(archive, name, length)
            if dtype.hasobject or math.prod(shape) * dtype.itemsize > most_bytes:
                raise ValueError(f'the array "{name}" holds objects, or is larger than {most_bytes >> 20} MiB')
        return {name: _read(archive, name) for name in found}


def is_whole(path: Path, most_bytes: int) -> bool:
    """Return whether all arrays of the file, packed or not, are there and undamaged, and hold at most `most_bytes`."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                return False
            with zipfile.ZipFile(file) as archive:
                return sum(info.file_size for info in archive.infolist()) <= most_bytes and archive.testzip() is None
    except _DAMAGE:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """Give the archive and the bytes of its file. `ToolboxError` for whatever is raised by reading a damaged one."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > _MOST_MEMBERS:
                raise ValueError(f"it holds more than {_MOST_MEMBERS} arrays")
            yield archive, os.fstat(file.fileno()).st_size
    except _DAMAGE as error:
        raise ToolboxError(f'"{path}" is damaged or missing ({os_reason_of(error)[:_MOST_REASON]})') from error
    except MemoryError:
        raise ToolboxError(f'there is no memory for the arrays in "{path}"') from None


def _stored(archive: zipfile.ZipFile, name: str, length: int) -> tuple[np.dtype, tuple[int, ...]]:
    """Return an array's dtype and shape. `ValueError` where it is missing, packed, or, by what stands before its
    values, of another size than what is stored."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f'the array "{name}" is missing') from None
    if info.compress_type != zipfile.ZIP_STORED or not info.file_size == info.compress_size <= length:
        raise ValueError(f'the array "{name}" is not stored as it is, as numpy.savez does it')
    with archive.open(info) as member:
        dtype, shape = _header(member)
        behind = member.tell()
    if not dtype.hasobject and (
        min(shape, default=0) < 0 or info.file_size - behind != math.prod(shape) * dtype.itemsize
    ):
        raise ValueError(f'the array "{name}" is cut off')
    return dtype, shape


def _header(member: IO[bytes]) -> tuple[np.dtype, tuple[int, ...]]:
    version = np.lib.format.read_magic(member)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"an array is in the format {version} of NumPy, which is not known here")
    shape, _, dtype = read(member, max_header_size=_MOST_HEADER)
    return dtype, shape


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False, max_header_size=_MOST_HEADER)
