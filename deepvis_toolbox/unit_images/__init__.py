"""The store of unit images on disk, its layout and cache."""

from deepvis_toolbox.unit_images.cache import LOADING, Loading, Missing, UnitImageCache
from deepvis_toolbox.unit_images.file_names import file_name_of, layer_name_of
from deepvis_toolbox.unit_images.layer_tiles import LayerTiles
from deepvis_toolbox.unit_images.montage import montage3x3
from deepvis_toolbox.unit_images.store import UnitImageStore

__all__ = [
    "LOADING",
    "LayerTiles",
    "Loading",
    "Missing",
    "UnitImageCache",
    "UnitImageStore",
    "file_name_of",
    "layer_name_of",
    "montage3x3",
]
