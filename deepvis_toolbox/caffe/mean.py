"""Reads mean images: `.npy` and `.binaryproto`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.caffe.stored_blob import stored_blob
from deepvis_toolbox.caffe.wire import WireError
from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of

MAX_VALUES = 64 << 20
_NPY_MAGIC = b"\x93NUMPY"


def read_mean(path: Path) -> NDArray[np.float32]:
    """The mean image, float32 (C, H, W) in the file's channel order; (C, 1, 1) where it is one value per channel.

    Raises `ToolboxError` that names the file where it is no mean: wrong format, shape or size, or values not finite.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_NPY_MAGIC))
        values = _read_npy(path) if magic == _NPY_MAGIC else _read_binaryproto(path)
    except OSError as error:
        raise ToolboxError(f"{path}: cannot be read ({os_reason_of(error)})") from None
    mean = values.reshape(_image_shape(path, values.shape))
    if not np.isfinite(mean).all():
        raise ToolboxError(f"{path}: the mean has values that are not finite")
    return mean


def _read_npy(path: Path) -> NDArray[np.float32]:
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a broken header makes NumPy fail in ways that it does not document
        raise ToolboxError(f"{path}: is a broken .npy file ({reason_of(error)})") from None
    if stored.dtype.kind not in "fiu" or stored.size > MAX_VALUES:
        raise ToolboxError(f"{path}: holds {stored.dtype} of the shape {stored.shape}; a mean image was expected")
    return np.array(stored, np.float32)


def _read_binaryproto(path: Path) -> NDArray[np.float32]:
    if path.stat().st_size > 8 * MAX_VALUES:
        raise ToolboxError(f"{path}: is too large for a mean image")
    content = path.read_bytes()
    try:
        blob = stored_blob(content, 0, len(content))
    except WireError as error:
        raise ToolboxError(
            f"{path}: is neither a .npy nor a .binaryproto mean, or is cut off ({reason_of(error)})"
        ) from None
    return blob.read()


def _image_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 1:
        shape = (*shape, 1, 1)
    if len(shape) != 3 or 0 in shape:
        raise ToolboxError(f"{path}: a mean has the shape (channels, height, width); this one has {shape}")
    return shape[0], shape[1], shape[2]
