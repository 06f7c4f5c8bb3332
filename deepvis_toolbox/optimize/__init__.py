"""Preferred images: regularized gradient ascent in image space."""

from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import preferred_images
from deepvis_toolbox.optimize.method.result import AscentResult
from deepvis_toolbox.optimize.method.targets import Direction, LikePicture

__all__ = ["AscentResult", "AscentSettings", "Direction", "LikePicture", "preferred_images"]
