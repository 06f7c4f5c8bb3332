"""Top images: for every unit, the pictures of a data set that excite it most, and crops of them.

The public names are imported on first use: the processes that only decode pictures do without torch's start-up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from find_maxes.picture_list import PictureList, list_pictures
    from find_maxes.scanning import scan
    from find_maxes.top_images import TopImages

_HOMES = {
    "PictureList": "find_maxes.picture_list",
    "TopImages": "find_maxes.top_images",
    "list_pictures": "find_maxes.picture_list",
    "scan": "find_maxes.scanning",
}

__all__ = ["PictureList", "TopImages", "list_pictures", "scan"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
