"""Carries out a perturbation on a picture."""

from __future__ import annotations

import cv2
import numpy as np

from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.perturbation import Perturbation


def perturbed(image: RGBImage, how: Perturbation, number: int = 0) -> RGBImage:
    """Return a changed copy of an RGB picture, uint8 H×W×3. `number`: of the frame; the same one has the same noise."""
    found = image
    if steps := round(how.shift * image.shape[1]):
        found = found[:, np.clip(np.arange(image.shape[1]) - steps, 0, image.shape[1] - 1)]
    values = found.astype(np.float32) + np.float32(how.brightness)
    if how.blur:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), how.blur, borderType=cv2.BORDER_REPLICATE), np.float32)
    if how.noise:
        values += np.random.default_rng(number).normal(0, how.noise, values.shape).astype(np.float32)
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
