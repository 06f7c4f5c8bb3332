"""Optimized images as pictures to look at: the part that the unit sees, scaled as the original program does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.result import PixelImage
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Rect


def seen_part(net: Network, target: Target, settings: AscentSettings | None = None) -> Rect:
    """Return the unit's receptive field inside the image; in a dimension where it exceeds the image, all of it.

    Where the unit sees many parts of the image, all of the image.
    """
    if settings is not None and settings.views:
        return Rect(0, 0, *canvas_of(settings, net.preprocessing).size)
    height, width = net.input_shape[1:]
    place = getattr(target, "place", None)
    if not isinstance(place, tuple):
        return Rect(0, 0, height, width)
    field = net.receptive_field(target.layer, place)
    top, bottom = _inside(field.top, field.bottom, height)
    left, right = _inside(field.left, field.right, width)
    return Rect(top, left, bottom, right)


def centred(image: PixelImage, part: Rect, preprocessing: Preprocessing) -> RGBImage:
    """Return the original's `X` picture: zero is middle grey, and the value farthest from it black or white.

    `image`: float32 (C, H, W), zero-centred pixels; the picture is RGB uint8 (h, w, 3) of its `part`.
    """
    shown = _cut(image, part, preprocessing)
    return _as_picture(shown / (2 * np.abs(shown).max() + 1e-10) + 0.5)


def with_mean(image: PixelImage, part: Rect, preprocessing: Preprocessing, percentile: float = 0.0) -> RGBImage:
    """Return the original's `Xpm` picture: the mean added, then from the smallest value, black, to the largest, white.

    With a `percentile`, so many percent of the values are black, and as many white. A picture of one value is shown as
    it is. `image`: float32 (C, H, W), zero-centred pixels; the picture is RGB uint8 (h, w, 3) of its `part`.
    """
    shown = _cut(image + preprocessing.mean_map, part, preprocessing)
    low, high = np.percentile(shown, [percentile, 100 - percentile]) if percentile else (shown.min(), shown.max())
    return _as_picture((shown - low) / (high - low) if high > low else shown / 255)


def true_colours(image: PixelImage, part: Rect, preprocessing: Preprocessing) -> RGBImage:
    """Return the picture with the mean added and nothing scaled: 0 is black and 255 white. Arrays as in `centred`."""
    return preprocessing.rgb_from_zero_centred(image)[part.top : part.bottom, part.left : part.right]


def shown(net: Network, target: Target, settings: AscentSettings, image: PixelImage) -> RGBImage:
    """Return the picture of an ascent with these settings that people look at: `with_mean` of the part that is seen."""
    part, canvas = seen_part(net, target, settings), canvas_of(settings, net.preprocessing)
    return with_mean(image, part, canvas, settings.shown_percentile)


def _inside(first: int, end: int, size: int) -> tuple[int, int]:
    if end - first > size or end <= 0 or first >= size:
        return 0, size
    return max(first, 0), min(end, size)


def _cut(image: PixelImage, part: Rect, preprocessing: Preprocessing) -> PixelImage:
    return preprocessing.shown_of(image)[:, part.top : part.bottom, part.left : part.right]


def _as_picture(values: NDArray[np.floating]) -> RGBImage:
    """Return values of 0 to 1, (3, H, W) or (1, H, W), as a picture."""
    pixels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)
