"""Mean images in files: NumPy's .npy, and Caffe's .binaryproto."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.configuration.yaml_file import shown_path
from deepvis_toolbox.errors import ToolboxError, reason_of

LARGEST_VALUES = 3 * 8192 * 8192


def read_mean(path: Path) -> NDArray[np.float32]:
    """A mean, float32 (C,) or (C, H, W), in the network's channel order and pixel units. Raises `ToolboxError`."""
    name = shown_path(path)
    if not path.is_file():
        raise ToolboxError(f"there is no mean file {name}")
    if path.suffix == ".binaryproto":
        from deepvis_toolbox.caffe.mean import read_mean as read_binaryproto

        return read_binaryproto(path)
    if path.suffix != ".npy":
        raise ToolboxError(f"{name} is no mean file; it must be .npy or .binaryproto")
    return _checked(_read_array(path), name)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        # Mapped, so that no memory is taken before the size is known.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError) as error:
        raise ToolboxError(f"{shown_path(path)} is not an array of NumPy: {reason_of(error)}") from None
    if not isinstance(array, np.ndarray):
        raise ToolboxError(f"{shown_path(path)} is not one array of NumPy")
    return array


def _checked(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim not in (1, 3) or array.shape[0] not in (1, 3) or array.dtype.kind not in "fiu":
        shape = "×".join(map(str, array.shape))
        raise ToolboxError(f"{name} is {array.dtype} {shape}; a mean has the shape C or C×H×W, C being 1 or 3")
    if array.size > LARGEST_VALUES:
        raise ToolboxError(f"{name} holds {array.size} values; a mean image has at most {LARGEST_VALUES}")
    return np.asarray(array, np.float32)
