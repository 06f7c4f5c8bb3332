"""Carries out a perturbation on a picture."""

from __future__ import annotations

import cv2
import numpy as np

from deepvis_toolbox.words.images import Frame
from deepvis_toolbox.words.perturbation import MIDDLE_GREY, Perturbation


def perturbed(image: Frame, how: Perturbation, number: int = 0) -> Frame:
    """Return a changed copy of a frame, uint8 or float32 H×W×bands, of its dtype. `number`: of the frame; the same one
    has the same noise."""
    found = image
    if steps := round(how.shift * image.shape[1]):
        found = found[:, np.clip(np.arange(image.shape[1]) - steps, 0, image.shape[1] - 1)]
    if how.region is None:
        return _changed(found, how, number)
    top, left, bottom, right = (max(0, edge) for edge in how.region)
    found = found.copy()
    found[top:bottom, left:right] = _changed(found, how, number)[top:bottom, left:right]
    return found


def _changed(image: Frame, how: Perturbation, number: int) -> Frame:
    """Return the picture with all but the shift done to it, everywhere."""
    values = np.full(image.shape, MIDDLE_GREY, np.float32) if how.grey else image.astype(np.float32)
    values += np.float32(how.brightness)
    if how.blur:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), how.blur, borderType=cv2.BORDER_REPLICATE), np.float32)
    if how.noise:
        values += np.random.default_rng(number).normal(0, how.noise, values.shape).astype(np.float32)
    return values if image.dtype == np.float32 else np.rint(np.clip(values, 0, 255)).astype(np.uint8)
