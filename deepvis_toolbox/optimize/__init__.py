"""Preferred images: regularized gradient ascent in image space.

The public names are imported on first use: a command that is about to start does without torch until it has its door.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
    from deepvis_toolbox.optimize.method.preferred import preferred_images
    from deepvis_toolbox.optimize.method.result import AscentResult
    from deepvis_toolbox.optimize.method.targets import Direction, LikePicture

_HOMES = {
    "AscentResult": "result",
    "AscentSettings": "ascent_settings",
    "Direction": "targets",
    "LikePicture": "targets",
    "preferred_images": "preferred",
}

__all__ = ["AscentResult", "AscentSettings", "Direction", "LikePicture", "preferred_images"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.method.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
