"""Two pictures that are shown to a network together, one behind the other in one frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.network.frames import centre_crop, resized

PAIR = "\t+\t"
"""Between the two names of a pair, where one text stands for both."""


def joined(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return two pictures, RGB uint8 H×W×3, as one frame H×W×6 of the first one's size; of a second one of another
    size its centre, in the first one's aspect."""
    size = first.shape[:2]
    if second.shape[:2] != size:
        cut = centre_crop(second, size)
        second = resized(cut, size, cv2.INTER_AREA if cut.shape[0] > size[0] else cv2.INTER_CUBIC)
    return np.concatenate([first, second], axis=2)
