"""Start images: what the ascent begins with, the same for a seed on every device and in every batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.registry import Registry
from deepvis_toolbox.regular_file import open_regular
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.words.images import Floats

Start = Callable[[np.random.RandomState, tuple[int, int, int], Floats], NDArray[np.floating]]
"""(random state, shape (C, H, W), mean (C, 1, 1) or (C, H, W)) -> zero-centred pixels (C, H, W)."""

SIGMA = 10.0
"""Standard deviation of `mean_plus_rand`, in pixel units."""
IMAGE = "image:"
CLUSTERS = "clusters"
"""How records of pictures with `ClusterStarts` begin."""
STARTS: Registry[Start] = Registry("start image")


def register_start(name: str) -> Callable[[Start], Start]:
    """Return a decorator that makes a start image known by its name; its docstring's first line explains it."""
    return STARTS.register(name)


@register_start("mean_plus_rand")
def _noise(random: np.random.RandomState, shape: tuple[int, int, int], mean: Floats) -> NDArray[np.floating]:  # noqa: ARG001
    """The mean with a little normal noise."""  # noqa: D401 - it stands in lists
    return random.normal(0, SIGMA, shape)


@register_start("randu")
def _uniform(random: np.random.RandomState, shape: tuple[int, int, int], mean: Floats) -> NDArray[np.floating]:
    """Uniform noise over all pixel values."""
    return random.uniform(0, 255, shape) - mean


@register_start("mean")
def _mean(random: np.random.RandomState, shape: tuple[int, int, int], mean: Floats) -> NDArray[np.floating]:  # noqa: ARG001
    """The mean itself."""  # noqa: D401 - it stands in lists
    return np.zeros(shape)


@dataclass(frozen=True, eq=False)
class ClusterStarts:
    """Images of which each seed takes one to start from, in turn, with the noise of `mean_plus_rand`."""

    images: NDArray[np.float32]
    """float32 (K, C, H, W), zero-centred, in pixel units."""

    @property
    def key(self) -> str:
        """How many, and SHA-256 of all values."""
        return f"{CLUSTERS}:{len(self.images)}:{hashlib.sha256(self.images.tobytes()).hexdigest()}"

    def image_of(self, seed: int) -> NDArray[np.float32]:
        """Return the image that a seed takes, float32 (C, H, W)."""
        return self.images[seed % len(self.images)]

    def start(self, seed: int) -> NDArray[np.floating]:
        """Return a seed's start image, float64 (C, H, W), zero-centred, in pixel units."""
        image = self.image_of(seed)
        return image + np.random.RandomState(seed).normal(0, SIGMA, image.shape)


StartAt = str | NDArray[np.floating] | ClusterStarts


def is_picture(start_at: StartAt) -> bool:
    """Return whether somebody chose the image that is begun with: a picture or an array, the same for every seed."""
    return not isinstance(start_at, ClusterStarts) and (not isinstance(start_at, str) or start_at.startswith(IMAGE))


def start_image(start_at: StartAt, seed: int, preprocessing: Preprocessing) -> Floats:
    """Return the start image for a seed: float32 (C, H, W), zero-centred, pixel units, not yet clipped to 0-255.

    `start_at`: a name of `STARTS`, `image:PATH`, `ClusterStarts`, or an array (C, H, W). Raises `ToolboxError` for a
    picture that cannot be read, an array of the wrong shape or with values that are not finite, and a seed outside 0 to
    2**32 - 1.
    """
    shape = preprocessing.input_shape
    if isinstance(start_at, ClusterStarts):
        _check_seed(seed)
        return _checked(start_at.start(seed), shape)
    if not isinstance(start_at, str):
        return _checked(np.asarray(start_at), shape)
    if start_at.startswith(IMAGE):
        return preprocessing.to_pixels(preprocessing.to_input(decode_apart(Path(start_at.removeprefix(IMAGE)))))
    _check_seed(seed)
    return STARTS[start_at](np.random.RandomState(seed), shape, preprocessing.mean_map).astype(np.float32)


def file_hash(path: Path) -> str:
    """Return SHA-256 of a picture file. `ToolboxError` where it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ToolboxError(f'cannot read the picture "{path}": {os_reason_of(error)}') from error


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise ToolboxError(f"the seed {seed} is outside 0 to {2**32 - 1}")


def _checked(image: NDArray[np.floating], shape: tuple[int, int, int]) -> Floats:
    if image.shape != shape:
        raise ToolboxError(f"the start image has the shape {image.shape}; the network's input is {shape}")
    if not np.isfinite(image).all():
        raise ToolboxError("the start image has values that are not finite")
    return image.astype(np.float32)
