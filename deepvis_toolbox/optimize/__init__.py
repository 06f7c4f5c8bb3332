"""Preferred images: regularized gradient ascent in image space."""

from deepvis_toolbox.optimize.preferred import preferred_images
from deepvis_toolbox.optimize.result import AscentResult
from deepvis_toolbox.optimize.settings import AscentSettings
from deepvis_toolbox.optimize.targets import Direction, LikePicture

__all__ = ["AscentResult", "AscentSettings", "Direction", "LikePicture", "preferred_images"]
