"""The ways to look at what a backward pass brought to the input. A new one is one function, registered here."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Palette
from deepvis_toolbox.registry import Registry
from deepvis_toolbox.words.backward import BACKWARD_VIEWS

_OUTLIERS = 0.2
"""Per cent of values left to saturate: a few extreme ones would make the rest invisible."""
_SAMPLE = 20_000
"""So many values are enough to find them."""

ViewFunction = Callable[[NDArray[np.float32], float], NDArray[np.uint8]]
"""view(values (H, W, channels), all finite, blur radius in pixels) -> a picture, (H, W, 3) in RGB or (H, W) in gray."""

VIEWS: Registry[ViewFunction] = Registry("backward view", words=BACKWARD_VIEWS)


def register_backward_view(name: str) -> Callable[[ViewFunction], ViewFunction]:
    """Return a decorator that makes a function a backward view; its docstring's first line tells what it shows."""
    return VIEWS.register(name)


def backward_picture(values: NDArray[np.float32], view: str, blur_radius: float = 4.0) -> NDArray[np.uint8]:
    """Return `values`, float32 (H, W, channels), as an RGB picture, uint8 (H, W, 3); `view` is one of `BACKWARD_VIEWS`.

    Raw and gray are signed: zero is mid gray, and both signs have the same scale. The norms (over channels) start at
    black. `blur_radius` is the standard deviation of the blur's Gaussian, in input pixels. Values that are not finite
    count as zero.
    """
    if not np.isfinite(values.sum(dtype=np.float64)):
        values = np.where(np.isfinite(values), values, np.float32(0))
    picture = VIEWS[view](values, blur_radius)
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)


@register_backward_view("raw")
def _raw(values: NDArray[np.float32], blur_radius: float) -> NDArray[np.uint8]:
    if values.shape[2] >= 3:
        return _around_gray(values[:, :, :3])
    return _gray(values, blur_radius)


@register_backward_view("gray")
def _gray(values: NDArray[np.float32], _: float) -> NDArray[np.uint8]:
    return _around_gray(values.mean(axis=2))


@register_backward_view("norm")
def _norm(values: NDArray[np.float32], _: float) -> NDArray[np.uint8]:
    return _from_black(_channel_norm(values))


@register_backward_view("norm blurred")
def _norm_blurred(values: NDArray[np.float32], blur_radius: float) -> NDArray[np.uint8]:
    norm = _channel_norm(values)
    blurred = cv2.GaussianBlur(norm, (0, 0), blur_radius, borderType=cv2.BORDER_REFLECT)
    return _from_black(np.asarray(blurred, np.float32))


def _channel_norm(values: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = np.float32(np.abs(values).max(initial=0)) or np.float32(1)  # squares of tiny or huge values would vanish
    scaled = values / largest
    return np.sqrt(np.einsum("hwc,hwc->hw", scaled, scaled)) * largest


def _around_gray(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    scaled = values * np.float32(127 / _top(values))
    scaled += np.float32(127.5)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def _from_black(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    scaled = values * np.float32(255 / _top(values))
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def _top(values: NDArray[np.float32]) -> float:
    """Return the size that gets full brightness: all but the outliers stay below. Any number will do where all are
    zero."""
    flat = values.ravel()
    sample = np.abs(flat[:: 1 + flat.size // _SAMPLE])
    top = float(np.percentile(sample, 100 - _OUTLIERS)) if sample.size else 0.0
    return max(top or float(np.abs(flat).max(initial=0)), 1e-30)


SMOOTHING = 2.0
"""Standard deviation of the Gaussian over contributions, in input pixels."""
_CONTRIBUTIONS_BELOW = 99.5
"""Per cent of the contributions that stay below the full colours."""


def smoothed_contributions(contributions: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return contributions, float32 (H, W), behind a small Gaussian, and the size that gets the full colours: 99.5 %
    of them are smaller. Values that are not finite count as zero."""
    finite = np.nan_to_num(contributions, nan=0.0, posinf=0.0, neginf=0.0)
    smooth = np.asarray(cv2.GaussianBlur(finite, (0, 0), SMOOTHING, borderType=cv2.BORDER_REFLECT), np.float32)
    sizes = np.abs(smooth)
    return smooth, float(np.percentile(sizes, _CONTRIBUTIONS_BELOW)) or float(sizes.max(initial=0))


def contributions_picture(smooth: NDArray[np.float32], full: float, palette: Palette) -> NDArray[np.uint8]:
    """Return contributions, float32 (H, W), in a palette's two colours, uint8 (H, W, 3): the darkest at 0, the full
    ones at plus and minus `full`."""
    shares = np.clip(smooth / np.float32(max(full, 1e-30)), -1, 1)
    return np.asarray(cv2.applyColorMap((128.5 + 127 * shares).astype(np.uint8), palette), np.uint8)
