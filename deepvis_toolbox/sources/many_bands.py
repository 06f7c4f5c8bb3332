"""Pictures of other bands than red, green and blue: arrays of NumPy, and TIFFs of more samples than colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.opening.array_file import array_in
from deepvis_toolbox.sources.picture_budget import MAX_PIXELS

ARRAY_SUFFIX = ".npy"
_MAGIC = b"\x93NUMPY"
_TYPES = (np.uint8, np.uint16, np.float32)


def is_array(data: bytes) -> bool:
    """Return whether the file begins as an array of NumPy does."""
    return data.startswith(_MAGIC)


def array_bands(data: bytes) -> NDArray[Any]:
    """Return the array in a .npy file as bands, uint8, uint16 or float32 (H, W, C); (H, W) is one band.

    `ToolboxError` where it is damaged, `ValueError` where it is no picture.
    """
    found = array_in(data)
    found = found[..., None] if found.ndim == 2 else found
    if found.ndim != 3 or not found.size:
        raise ValueError(f"its shape is {found.shape}, and a picture is (height, width, bands)")
    if found.dtype.kind == "f":
        found = found.astype(np.float32)
    found = found.astype(found.dtype.newbyteorder("="))
    if found.dtype not in _TYPES:
        raise ValueError(f"its values are {found.dtype}, and a picture's are uint8, uint16 or floats")
    if found.nbytes > 3 * MAX_PIXELS:
        raise ValueError(f"it is larger than {3 * MAX_PIXELS >> 20} MiB")
    if not np.isfinite(found).all():
        raise ValueError("it holds values that are not finite")
    return np.ascontiguousarray(found)


def first_band(bands: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the first of the bands (H, W, C) as a grey picture to look at, RGB uint8 H×W×3, from its darkest to its
    brightest value."""
    band = bands[..., :1].astype(np.float32)
    grey = (band - band.min()) * (255 / max(float(np.ptp(band)), 1e-30))
    return np.repeat(grey.astype(np.uint8), 3, axis=2)
