"""Frames cut, resized and turned grey, whatever their number of bands."""

from __future__ import annotations

from typing import TypeVar, cast

import cv2
import numpy as np

from deepvis_toolbox.words.images import Frame

AnyFrame = TypeVar("AnyFrame", bound=Frame)


def resized(frame: AnyFrame, size: tuple[int, int], method: int) -> AnyFrame:
    """Return a frame in another size (H, W); OpenCV averages areas of four bands at most."""
    bands = [frame[..., first : first + 3] for first in range(0, frame.shape[2], 3)]
    parts = [cv2.resize(part, size[::-1], interpolation=method).reshape(*size, -1) for part in bands]
    return cast(AnyFrame, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2))


def grey(rgb: Frame) -> Frame:
    """Return an RGB picture H×W×3 as grey H×W×1."""
    return cast(Frame, cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY))[..., None]


def centre_crop(frame: AnyFrame, size: tuple[int, int], fraction: float = 1.0) -> AnyFrame:
    """Return a view of a frame's centre, H×W×bands: `fraction` of the largest rectangle with the aspect of `size`
    (H, W)."""
    height, width = frame.shape[:2]
    unit = min(height / size[0], width / size[1]) * fraction
    rows, columns = max(1, round(size[0] * unit)), max(1, round(size[1] * unit))
    top, left = (height - rows) // 2, (width - columns) // 2
    return cast(AnyFrame, frame[top : top + rows, left : left + columns])
