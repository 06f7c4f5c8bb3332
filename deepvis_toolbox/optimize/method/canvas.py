"""The image that is made: as large as the network's input, or larger where only parts of it are seen at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import cv2
import numpy as np

from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.words.images import Floats


def canvas_of(settings: AscentSettings, preprocessing: Preprocessing) -> Preprocessing:
    """Return the network's preprocessing at the size of the image that is made; a mean picture is resized."""
    return at_side(preprocessing, int(settings.size))


def at_side(preprocessing: Preprocessing, side: int) -> Preprocessing:
    """Return the preprocessing for square images of that side; as it is where they have that size, or for 0."""
    if not side or preprocessing.size == (side, side):
        return preprocessing
    mean = cast(Floats, preprocessing.mean)
    if mean.ndim == 3:
        mean = np.stack([cv2.resize(channel, (side, side), interpolation=cv2.INTER_LINEAR) for channel in mean])
    return replace(preprocessing, size=(side, side), mean=mean)
