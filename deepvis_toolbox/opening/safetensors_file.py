"""Arrays in a `.safetensors` file, which may come from anybody: its table is checked before memory is taken.

The format: eight bytes, the length of a JSON table; the table, {name: {dtype, shape, data_offsets}} and texts under
`__metadata__`; then the values. Read here, since a few lines do what would else be one more dependency.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of, shown_path
from deepvis_toolbox.regular_file import json_in, open_regular

_LARGEST_TABLE = 16 << 20
_MOST_AXES = 8
_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
"""Of NumPy's, what is read; bfloat16 is the upper half of a float32."""


def read_safetensors(path: Path, names: Collection[str], most_bytes: int) -> tuple[dict[str, NDArray], dict[str, str]]:
    """Return those tensors of these names that are in the file, of any shape (…), as float64, float32 or float16, and
    the texts of its metadata.

    `ToolboxError` where the file cannot be read, is damaged, or one of them is larger than `most_bytes`, or holds other
    numbers than floats.
    """
    shown = shown_path(path)
    try:
        with open_regular(path) as file:
            table, start = _table(file)
            left = os.fstat(file.fileno()).st_size - start
            found = {name: _place(table[name], left, most_bytes) for name in names if name in table}
            return {name: _values(file, start, *place) for name, place in found.items()}, _texts(table)
    except OSError as error:
        raise ToolboxError(f'"{shown}" cannot be read: {os_reason_of(error)}') from None
    except MemoryError:
        raise ToolboxError(f'there is no memory for the tensors in "{shown}"') from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise ToolboxError(f'"{shown}" is no safetensors file that can be read ({reason_of(error)})') from None


def _table(file: IO[bytes]) -> tuple[Mapping[str, Any], int]:
    """Return the table, and where the values begin."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LARGEST_TABLE:
        raise ValueError(f"its table is larger than {_LARGEST_TABLE >> 20} MiB")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("its table is cut off")
    table = json_in(text.decode("utf-8"))
    if not isinstance(table, dict):
        raise ValueError("its table is none")
    return table, 8 + length


def _place(entry: Mapping[str, Any], left: int, most_bytes: int) -> tuple[str, tuple[int, ...], int]:
    """Return a tensor's type, its shape, and where it begins behind the table."""
    shape, (first, end) = entry["shape"], entry["data_offsets"]
    numbers = [*shape, first, end]
    if len(shape) > _MOST_AXES or not all(type(each) is int and 0 <= each < 1 << 40 for each in numbers):
        raise ValueError("a tensor has a shape or place that can be none")
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"a tensor holds {str(entry['dtype'])[:16]} numbers, not one of {', '.join(_DTYPES)}")
    size = math.prod(shape) * np.dtype(_DTYPES[entry["dtype"]]).itemsize
    if size != end - first or end > left:
        raise ValueError("a tensor is cut off")
    if size > most_bytes:
        raise ValueError(f"a tensor is larger than {most_bytes >> 20} MiB")
    return entry["dtype"], tuple(shape), first


def _values(file: IO[bytes], start: int, kind: str, shape: tuple[int, ...], first: int) -> NDArray:
    dtype = np.dtype(_DTYPES[kind]).newbyteorder("<")
    file.seek(start + first)
    read = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype)
    if kind == "BF16":
        read = (read.astype(np.uint32) << 16).view(np.float32)
    return read.reshape(shape)


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    written = table.get("__metadata__") or {}
    if not isinstance(written, dict):
        raise ValueError("its metadata is none")
    return {str(name): text for name, text in written.items() if isinstance(text, str)}
