"""Start images: what the ascent begins with, the same for a seed on every device and in every batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.words.images import Floats

Start = Callable[[np.random.RandomState, tuple[int, int, int], Floats], NDArray[np.floating]]
"""(random state, shape (C, H, W), mean (C, 1, 1) or (C, H, W)) -> zero-centred pixels (C, H, W)."""

SIGMA = 10.0
"""Standard deviation of `mean_plus_rand`, in pixel units."""
MAX_PIXELS = 100_000_000
IMAGE = "image:"
STARTS: dict[str, Start] = {
    "mean_plus_rand": lambda random, shape, mean: random.normal(0, SIGMA, shape),  # noqa: ARG005
    "randu": lambda random, shape, mean: random.uniform(0, 255, shape) - mean,
    "mean": lambda random, shape, mean: np.zeros(shape),  # noqa: ARG005
}


def start_image(start_at: str | NDArray[np.floating], seed: int, preprocessing: Preprocessing) -> Floats:
    """The start image for a seed: float32 (C, H, W), zero-centred, pixel units, not yet clipped to 0-255.

    `start_at`: a name of `STARTS`, `image:PATH`, or an array (C, H, W). Raises `ToolboxError` for a picture that cannot
    be read, an array of the wrong shape or with values that are not finite, and a seed outside 0 to 2**32 - 1.
    """
    shape = preprocessing.input_shape
    if not isinstance(start_at, str):
        return _checked(np.asarray(start_at), shape)
    if start_at.startswith(IMAGE):
        return preprocessing.to_pixels(preprocessing.to_input(read_photograph(Path(start_at.removeprefix(IMAGE)))))
    if not 0 <= seed < 2**32:
        raise ToolboxError(f"the seed {seed} is outside 0 to {2**32 - 1}")
    return STARTS[start_at](np.random.RandomState(seed), shape, preprocessing.mean_map).astype(np.float32)


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """A user's picture, RGB uint8 H×W×3, turned as its EXIF data says. `ToolboxError` where it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ToolboxError(f'"{path}" has {image.width}×{image.height} pixels; at most {MAX_PIXELS:,} are read')
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    except FileNotFoundError as error:
        raise ToolboxError(f'there is no picture "{path}"') from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ToolboxError(f'cannot read the picture "{path}": {reason_of(error)}') from error


def file_hash(path: Path) -> str:
    """SHA-256 of a picture file. `ToolboxError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ToolboxError(f'cannot read the picture "{path}": {os_reason_of(error)}') from error


def _checked(image: NDArray[np.floating], shape: tuple[int, int, int]) -> Floats:
    if image.shape != shape:
        raise ToolboxError(f"the start image has the shape {image.shape}; the network's input is {shape}")
    if not np.isfinite(image).all():
        raise ToolboxError("the start image has values that are not finite")
    return image.astype(np.float32)
