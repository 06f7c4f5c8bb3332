"""The store of unit images: which file holds which unit's pictures, in our layout and in the authors' archives.

    <folder>/regularized_opt/<layer>/<layer>_<unit:04d>_montage.jpg    nine preferred images, 3×3
                                    /<layer>_<unit:04d>_<tag>.jpg|png  single ones
                                    /whole_layer.jpg                   one picture of each unit
    <folder>/max_im/<layer>/<layer>_<unit:04d>.jpg                     nine top images, 3×3 (and likewise singles, …)
    <folder>/max_deconv/<layer>/<layer>_<unit:04d>.jpg                 their deconvs

Units are written with at least four digits. `docs/unit-images.md` says more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.unit_images.claim import NetworkIdentity, check_claim, extend_claim, is_of, write_claim
from deepvis_toolbox.unit_images.file_names import file_name_of, layers_in, names_in
from deepvis_toolbox.unit_images.montage import (
    JPEG_TILE,
    as_lower_left_quarter,
    enlarged,
    lower_left_quarter,
    square_montage,
    tiles_of_3x3,
    tiles_of_whole_layer,
)
from deepvis_toolbox.unit_images.picture_file import is_published, read_picture, said_in, write_picture
from deepvis_toolbox.words.backward import PLAIN_DECONV, look_text
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import MONTAGE_LAYOUTS, UNIT_IMAGE_KINDS, MontageLayout, UnitImageKind

if TYPE_CHECKING:
    from deepvis_toolbox.network.description import ModelDescription
    from deepvis_toolbox.network.interface import Network

_Pieces = TypeVar("_Pieces")

SHIPPED = "unit_images"
"""The folder beside a model.yaml with the pictures that come with the model."""

COMPARED = "compare"
"""Tags that begin so are of pictures for looking at runs side by side, which are not the unit's own."""

_PICTURES = (".jpg", ".jpeg", ".png")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class UnitImageStore:
    """Unit images on disk. Holds no pictures and remembers nothing: every question looks at the disk.

    A unit's pictures are those of its channel; its place is left aside.

    `montage`: `2x2` where the `regularized_opt` montages are the authors' 2×2 of 3×3 (the lower-left one is shown).
    `shared`: {layer: the layer whose pictures it shows}, for example {"pool1": "conv1"}. `shipped`: a folder that is
    read where this store has no picture, and never written to. `network`: whose pictures are shown; those that were
    made from other weights are an error. Without it, all are shown. `views`: as `shared`, for layers that have no
    pictures of their own, here or shipped: probabilities show those of the values that they are made from.
    """

    def __init__(
        self,
        folder: str | Path,
        montage: MontageLayout = "1x1",
        shared: Mapping[str, str] | None = None,
        shipped: str | Path | None = None,
        network: Callable[[], NetworkIdentity] | None = None,
        views: Mapping[str, str] | None = None,
    ) -> None:
        if montage not in MONTAGE_LAYOUTS:
            raise ToolboxError(f'unit_images: montage is "1x1" or "2x2", not "{montage}"')
        self.folder = Path(folder)
        self.montage = montage
        self.shared = dict(shared or {})
        self.views = dict(views or {})
        self._shipped = UnitImageStore(shipped) if shipped is not None else None
        self._network = network

    @property
    def shipped(self) -> UnitImageStore | None:
        """The pictures that came with the model; None without any, and where they are of other weights."""
        is_whose = self._shipped is None or self._network is None or is_of(self._shipped.folder, self._network)
        return self._shipped if is_whose else None

    @classmethod
    def for_network(
        cls,
        description: ModelDescription,
        folder: str | None = None,
        network: Callable[[], NetworkIdentity] | None = None,
    ) -> UnitImageStore:
        """Return the store in `folder`, or else the one that the model.yaml names, or `unit_images/<name>` here."""
        chosen = user_path(folder).resolve() if folder is not None else description.unit_images.folder
        if chosen is None:
            chosen = Path.cwd() / "unit_images" / file_name_of(description.name)
        return cls._laid_out_as(description, chosen, network)

    @classmethod
    def _laid_out_as(
        cls, description: ModelDescription, folder: Path, network: Callable[[], NetworkIdentity] | None
    ) -> UnitImageStore:
        """Return a folder in the layout of the model; a folder `unit_images` beside its model.yaml came with the
        model."""
        shipped = description.folder / SHIPPED if description.folder else None
        came_with_it = shipped if shipped and shipped.is_dir() and shipped != folder else None
        layout = description.unit_images
        return cls(folder, layout.montage, layout.shared, came_with_it, network, layout.views)

    # -- where things are ---------------------------------------------------------------------------------------

    def owner(self, layer: str) -> str:
        """Return the layer whose pictures are shown for `layer`: itself, or the one it shares with, or is a view of."""
        if layer in self.views and layer not in self.shared and not self._has_layer(layer):
            return self.views[layer]
        return self.shared.get(layer, layer)

    def _has_layer(self, layer: str) -> bool:
        """Return whether the layer has pictures of its own, of any kind."""
        here = any(self.layer_folder(kind, layer).is_dir() for kind in UNIT_IMAGE_KINDS)
        return here or (self.shipped is not None and self.shipped._has_layer(layer))

    def owning_unit(self, unit: Unit) -> Unit:
        """Return the unit whose pictures are shown: itself, or the same channel of the layer it shares with."""
        owner = self.owner(unit.layer)
        return unit if owner == unit.layer else Unit(owner, unit.channel)

    def layer_folder(self, kind: UnitImageKind, layer: str) -> Path:
        """Return the folder of a layer's own pictures, sharing left aside."""
        return self.folder / kind / file_name_of(layer)

    def montage_path(self, kind: UnitImageKind, unit: Unit) -> Path:
        """Return where the unit's 3×3 montage is written."""
        ending = "_montage" if kind == "regularized_opt" else ""
        return self.layer_folder(kind, unit.layer) / f"{_stem(unit)}{ending}.jpg"

    def single_path(self, kind: UnitImageKind, unit: Unit, tag: str, suffix: str = ".jpg") -> Path:
        """Return where one picture of the unit is written. `tag`: letters, digits, `.`, `_`, `-`."""
        if not is_tag(tag):
            raise ValueError(f'"{tag}" cannot be part of a file name here')
        return self.layer_folder(kind, unit.layer) / f"{_stem(unit)}_{tag}{suffix}"

    def whole_layer_path(self, kind: UnitImageKind, layer: str) -> Path:
        """Return where the layer's one picture of all its units is written."""
        return self.layer_folder(kind, layer) / "whole_layer.jpg"

    def singles(self, kind: UnitImageKind, unit: Unit) -> list[Path]:
        """Return the unit's single pictures in this store's own folder, in the order of their names."""
        owner = self.owning_unit(unit)
        start = f"{_stem(owner)}_"
        paths = self.layer_folder(kind, owner.layer).glob(f"{start}*")
        single = [path for path in paths if path.suffix.lower() in _PICTURES and not path.stem.endswith("montage")]
        found = {path.stem: path for path in single if not path.stem.startswith(start + COMPARED)}
        # an image that is there in both of the original's scalings, X and Xpm, is one picture
        return sorted(path for stem, path in found.items() if f"{stem}pm" not in found)

    def has(self, kind: UnitImageKind, unit: Unit) -> bool:
        """Return whether there is a picture of the unit, its own, a shared or a shipped one."""
        here = self._montage_to_read(kind, unit).is_file() or bool(self.singles(kind, unit))
        return here or (self.shipped is not None and self.shipped.has(kind, self.owning_unit(unit)))

    def holds_published(self, kind: UnitImageKind, unit: Unit) -> bool:
        """Return whether the unit's montage here was made elsewhere: an archive's, which is never replaced."""
        return is_published(self._montage_to_read(kind, unit))

    def units(self, kind: UnitImageKind, layer: str) -> list[Unit]:
        """Return the units of a layer that have pictures, ascending."""
        return [Unit(layer, channel) for channel in sorted(self._channels(kind, self.owner(layer)))]

    def _channels(self, kind: UnitImageKind, layer: str) -> set[int]:
        channel, tag = re.escape(file_name_of(layer)) + r"_([0-9]{4,18})", rf"(?:_(?!{COMPARED}).+)?"
        pattern = re.compile(rf"{channel}{tag}\.(?:jpg|jpeg|png)", re.IGNORECASE)
        found = (pattern.fullmatch(name) for name in names_in(self.layer_folder(kind, layer)))
        shipped = self.shipped._channels(kind, layer) if self.shipped else set()
        return {int(match[1]) for match in found if match} | shipped

    def layers(self, kind: UnitImageKind) -> list[str]:
        """Return the names of the layers that have a folder of pictures, sharing left aside."""
        shipped = self.shipped.layers(kind) if self.shipped else []
        return sorted({*layers_in(self.folder / kind), *shipped})

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, kind: UnitImageKind, unit: Unit) -> RGBImage | None:
        """Return the unit's 3×3 montage as it is shown, RGB uint8; a square of its singles where no montage was
        written.

        None where there is no picture. `ToolboxError` where the file is damaged, or of a network with other weights.
        """
        self._check_shown()
        path = self._montage_to_read(kind, unit)
        if path.is_file():
            picture = read_picture(path)
            return _cut(path, lower_left_quarter, picture) if self._is_quartered(kind) else picture
        singles = self.singles(kind, unit)[:9]
        if singles:
            return square_montage([enlarged(read_picture(single), JPEG_TILE) for single in singles])
        return self.shipped.read(kind, self.owning_unit(unit)) if self.shipped else None

    def said(self, kind: UnitImageKind, unit: Unit) -> str:
        """Return what was written into the unit's montage of what it shows: the look of a `max_deconv`, `MODE:VIEW`.

        Empty where nothing was, as in montages of former versions. An archive's are deconvs, as their authors say.
        """
        path = self._montage_to_read(kind, unit)
        if path.is_file():
            if kind == "max_deconv" and is_published(path):
                return look_text(PLAIN_DECONV)
            return said_in(path)
        return self.shipped.said(kind, self.owning_unit(unit)) if self.shipped else ""

    def read_best(self, kind: UnitImageKind, unit: Unit) -> RGBImage | None:
        """Return the first picture of the unit's montage, RGB uint8 (H, W, 3), for a tile; None where there is none."""
        path = self._montage_to_read(kind, unit)
        if not path.is_file():
            self._check_shown()
            singles = self.singles(kind, unit)
            if singles:
                return read_picture(singles[0])
            return self.shipped.read_best(kind, self.owning_unit(unit)) if self.shipped else None
        montage = self.read(kind, unit)
        return None if montage is None else _cut(path, tiles_of_3x3, montage)[0]

    def read_whole_layer(self, kind: UnitImageKind, layer: str, units: int) -> RGBImage | None:
        """Return the tiles of the layer's `whole_layer.jpg`, (units, H, W, 3) RGB uint8; None where there is none."""
        self._check_shown()
        path = self.whole_layer_path(kind, self.owner(layer))
        if path.is_file():
            return _cut(path, partial(tiles_of_whole_layer, units=units), read_picture(path))
        return self.shipped.read_whole_layer(kind, self.owner(layer), units) if self.shipped else None

    def files(self, kind: UnitImageKind, unit: Unit) -> list[Path]:
        """Return the files that `read` shows: the unit's montage, or its singles, here or shipped."""
        path = self._montage_to_read(kind, unit)
        found = [path] if path.is_file() else self.singles(kind, unit)[:9]
        return found or (self.shipped.files(kind, self.owning_unit(unit)) if self.shipped else [])

    # -- writing ------------------------------------------------------------------------------------------------

    def check_network(self, net: Network) -> None:
        """Raise `ToolboxError` where the pictures here were made from other weights than this network's."""
        check_claim(self.folder, lambda: NetworkIdentity.of(net))

    def claim(self, net: Network) -> None:
        """Do as `check_network`; a folder without any pictures belongs to this network from now on."""
        self.check_network(net)
        extend_claim(self.folder, net)
        if not any((self.folder / kind).exists() for kind in UNIT_IMAGE_KINDS):
            write_claim(self.folder, lambda: NetworkIdentity.of(net))

    def write_montage(self, kind: UnitImageKind, unit: Unit, montage: RGBImage, said: str = "") -> Path:
        """Write a 3×3 montage (RGB uint8) so that `read` gives it back, and `said` what is said of it; return the
        path."""
        shown = as_lower_left_quarter(montage) if self._is_quartered(kind) else montage
        write_picture(path := self.montage_path(kind, unit), shown, said)
        return path

    def write_single(self, kind: UnitImageKind, unit: Unit, tag: str, image: RGBImage, suffix: str = ".jpg") -> Path:
        """Write one picture of the unit, RGB uint8 (H, W, 3); return the path."""
        write_picture(path := self.single_path(kind, unit, tag, suffix), image)
        return path

    def write_whole_layer(self, kind: UnitImageKind, layer: str, picture: RGBImage) -> Path:
        """Write the layer's one picture, RGB uint8 (H, W, 3), as `montage.whole_layer` makes it; return the path."""
        write_picture(path := self.whole_layer_path(kind, layer), picture)
        return path

    # -- inside -------------------------------------------------------------------------------------------------

    def _check_shown(self) -> None:
        if self._network is not None:
            check_claim(self.folder, self._network)

    def _is_quartered(self, kind: UnitImageKind) -> bool:
        return self.montage == "2x2" and kind == "regularized_opt"

    def _montage_to_read(self, kind: UnitImageKind, unit: Unit) -> Path:
        return self.montage_path(kind, self.owning_unit(unit))


def _stem(unit: Unit) -> str:
    """Return how the names of all of a unit's files begin."""
    return f"{file_name_of(unit.layer)}_{unit.channel:04d}"


def _cut(path: Path, cut: Callable[[RGBImage], _Pieces], picture: RGBImage) -> _Pieces:
    """Return a part of a file's picture; where it cannot be cut so, the error names the file."""
    try:
        return cut(picture)
    except ToolboxError as error:
        raise ToolboxError(f'"{path}": {error}; remove it and make it again') from error


def is_tag(text: str) -> bool:
    """Return whether a picture of a unit can be told from its others by this text."""
    return bool(_TAG.fullmatch(text)) and text != "montage"
