"""Mean images in files: NumPy's .npy and Caffe's .binaryproto, told apart by what is in them."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of, shown_path
from deepvis_toolbox.opening.array_file import mapped_array
from deepvis_toolbox.regular_file import open_regular
from deepvis_toolbox.words.input_channels import MOST_CHANNELS

LARGEST_VALUES = 3 * 8192 * 8192
_NPY_MAGIC = b"\x93NUMPY"


def read_mean(path: Path) -> NDArray[np.float32]:
    """Return a mean, float32 (C,) or (C, H, W) with C 1 or 3, in the network's channel order and pixel units.

    Raises `ToolboxError` that names the file where it is missing or no mean: another format, shape or size, or values
    that are not finite.
    """
    name = shown_path(path)
    if not path.is_file():
        raise ToolboxError(f"there is no mean file {name}")
    try:
        with open_regular(path) as file:
            is_array = file.read(len(_NPY_MAGIC)) == _NPY_MAGIC or path.suffix == ".npy"
        stored = mapped_array(path) if is_array else _binaryproto(path, name)
    except OSError as error:
        raise ToolboxError(f"{name}: cannot be read ({os_reason_of(error)})") from None
    return _checked(stored, name)


def _binaryproto(path: Path, name: str) -> NDArray[Any]:
    from deepvis_toolbox.caffe.stored_blob import stored_blob  # Caffe's formats, which few means need
    from deepvis_toolbox.caffe.wire import FieldLimit, WireError

    if not 0 < path.stat().st_size <= 8 * LARGEST_VALUES:
        raise ToolboxError(f"{name} is no mean file; it must be .npy or .binaryproto")
    try:
        with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            blob = stored_blob(content, 0, len(content), FieldLimit())
            _check_count(math.prod(blob.shape), name)
            return blob.read()
    except WireError as error:
        raise ToolboxError(f"{name} is no mean file, neither .npy nor .binaryproto, or is cut off ({error})") from None


def _checked(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[1:] == (1, 1):
        array = array[:, 0, 0]
    if array.ndim not in (1, 3) or array.shape[0] > MOST_CHANNELS or 0 in array.shape or array.dtype.kind not in "fiu":
        shape = "×".join(map(str, array.shape))
        raise ToolboxError(f"{name} is {array.dtype} {shape}; a mean has the shape C or C×H×W")
    _check_count(array.size, name)
    mean = np.array(array, np.float32)
    if not np.isfinite(mean).all():
        raise ToolboxError(f"{name}: the mean has values that are not finite")
    return mean


def _check_count(values: int, name: str) -> None:
    if values > LARGEST_VALUES:
        raise ToolboxError(f"{name} holds {values} values; a mean image has at most {LARGEST_VALUES}")
