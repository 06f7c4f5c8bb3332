"""Top images: for every unit, the pictures of a data set that excite it most, and crops of them.

The public names are imported on first use: the processes that only decode pictures do without torch's start-up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepvis_toolbox.scan.pictures.picture_list import PictureList, list_pictures
    from deepvis_toolbox.scan.scanning import scan
    from deepvis_toolbox.scan.top_images import TopImages

_HOMES = {
    "PictureList": "deepvis_toolbox.scan.pictures.picture_list",
    "TopImages": "deepvis_toolbox.scan.top_images",
    "list_pictures": "deepvis_toolbox.scan.pictures.picture_list",
    "scan": "deepvis_toolbox.scan.scanning",
}

__all__ = ["PictureList", "TopImages", "list_pictures", "scan"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
