"""Makes pictures square, as most networks want them: the largest centred square, or everything, stretched."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

SquareFit = Literal["crop", "stretch"]


def fit_square(image: NDArray[np.uint8], how: SquareFit) -> NDArray[np.uint8]:
    """Return `image`, uint8 H×W×3, as uint8 S×S×3 with S = min(H, W): cropped around its centre, or stretched."""
    height, width = image.shape[:2]
    side = min(height, width)
    if height == width:
        return image
    if how == "stretch":
        return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(image[top : top + side, left : left + side])
