"""Arrays in NumPy's files, which may come from anybody: mapped, so that no memory is taken before they are checked."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of, shown_path
from deepvis_toolbox.regular_file import open_regular

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def mapped_array(path: Path) -> NDArray[Any]:
    """Return the array in a .npy file, of any shape and of any dtype but objects; its values are read when they are
    used.

    `ToolboxError` that names the file where it is missing, or not one array of NumPy.
    """
    name = shown_path(path)
    try:
        with open_regular(path) as file:
            _check_header(file, os.fstat(file.fileno()).st_size)
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError:
        raise ToolboxError(f"there is no file {name}") from None
    except OSError as error:
        raise ToolboxError(f"{name} cannot be read: {os_reason_of(error)}") from None
    except Exception as error:  # a broken header makes NumPy fail in ways that it does not document
        raise ToolboxError(f"{name} is not an array of NumPy: {reason_of(error)}") from None


def array_in(data: bytes) -> NDArray[Any]:
    """Return the array that the bytes of a .npy file hold, of any shape and of any dtype but objects.

    `ToolboxError`, without a name, where they are not one array of NumPy.
    """
    try:
        _check_header(io.BytesIO(data), len(data))
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except MemoryError:
        raise
    except Exception as error:  # a broken header makes NumPy fail in ways that it does not document
        raise ToolboxError(f"it is not an array of NumPy: {reason_of(error)}") from None


def _check_header(file: IO[bytes], size: int) -> None:
    """Raise nearly anything where the header of a file of so many bytes is broken, or claims what is not there, at
    which NumPy may crash."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"it is in the format {version} of NumPy, which is not known here")
    shape, dtype = _told(_READERS[version], file)
    left = size - file.tell()
    if dtype.hasobject or not dtype.itemsize or min(shape, default=1) < 0:
        raise ValueError(f"it cannot hold values of the type {dtype} in the shape {shape}")
    if math.prod(max(side, 1) for side in shape) * dtype.itemsize > max(left, dtype.itemsize):
        raise ValueError(f"it has fewer values than its shape {shape} says")


def _told(reader: Callable[..., Any], file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with suppress(MemoryError, RecursionError):  # what Python's parser says of a few hundred brackets
        shape, _, dtype = reader(file)
        return shape, dtype
    raise ValueError("its header is nested too deeply")
