"""Keeps the state's unit pictures those of the selected unit: asks the cache, which never waits for the disk."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable

from deepvis_toolbox.live.loaded_network import LoadedNetwork
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.unit_pictures import PatternTiles, ShownPicture, UnitPictures
from deepvis_toolbox.unit_images.cache import Loading, Missing, UnitImageCache
from deepvis_toolbox.unit_images.store import KINDS, Kind, UnitImageStore

READING = ShownPicture(note="reading …")
OpenShelf = Callable[[LoadedNetwork], "PictureShelf"]


class PictureShelf:
    """The unit images of one network, for the main thread. A context manager."""

    def __init__(self, store: UnitImageStore, model: str, byte_limit: int) -> None:
        """`model`: as on a command line; it stands in the commands that make missing pictures."""
        self.store = store
        self._model = model
        self._news = threading.Event()
        self._cache = UnitImageCache(store, byte_limit, self._command_for, self._news.set)
        self._shown_for: tuple[object, ...] = ()

    def follow(self, state: State) -> bool:
        """Puts the selected unit's pictures (the layer's, in pattern mode) into the state; True if new."""
        if not state.layer:
            return False
        wanted = (state.layer.name, state.unit, state.show_unit_images, state.pattern, state.tile_size)
        if wanted == self._shown_for and not self._news.is_set():
            return False
        self._news.clear()
        self._shown_for = wanted
        if state.show_unit_images or state.zoom == "unit":
            shown: dict[str, ShownPicture] = {kind: self._shown(kind, state.layer.name, state.unit) for kind in KINDS}
            state.unit_pictures = UnitPictures(state.address, shown)
        state.pattern_tiles = self._pattern(state)
        return True

    def settle(self, state: State, seconds: float = 10.0) -> None:
        """As `follow`, and waits until all that the state wants is read: for headless runs."""
        deadline = time.monotonic() + seconds
        self.follow(state)
        while self._is_reading(state) and time.monotonic() < deadline:
            self._news.wait(0.1)
            self.follow(state)

    def _is_reading(self, state: State) -> bool:
        pictures, tiles = state.unit_pictures, state.pattern_tiles
        reading = pictures is not None and any(shown is READING for shown in pictures.shown.values())
        return reading or (state.pattern != "off" and (tiles is None or not tiles.done))

    def forget(self, layer: str, unit: int) -> None:
        """A unit's pictures have been made anew."""
        self._cache.forget(layer, unit)
        self._news.set()

    def close(self) -> None:
        self._cache.close()

    def __enter__(self) -> PictureShelf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shown(self, kind: Kind, layer: str, unit: int) -> ShownPicture:
        answer = self._cache.get(kind, layer, unit)
        if isinstance(answer, Loading):
            return READING
        if isinstance(answer, Missing):
            return ShownPicture(note=answer.reason, command=answer.command)
        return ShownPicture(answer)

    def _pattern(self, state: State) -> PatternTiles | None:
        if state.pattern == "off" or not state.layer or state.tile_size < 1:
            return None
        layer = state.layer
        tiles = self._cache.get_tiles(state.pattern, layer.name, layer.units, state.tile_size)
        if isinstance(tiles, Loading):
            return None
        return PatternTiles(layer.name, state.pattern, tiles.pixels, tiles.there, tiles.done)

    def _command_for(self, kind: Kind, layer: str, unit: int) -> str:
        address = shlex.quote(f"{self.store.owner(layer)}:{unit}")
        model = shlex.quote(self._model)
        if kind == "regularized_opt":
            return f"python optimize_image.py --model {model} --units {address}"
        return f"python -m deepvis_toolbox.pipeline --model {model} --images FOLDER --units {address}"


def open_shelf(loaded: LoadedNetwork, *, model: str, folder: str | None, byte_limit: int) -> PictureShelf:
    """The shelf for a loaded network.

    `folder`: the user's own choice, in place of the model.yaml's; its layout stays the model's.
    """
    store = UnitImageStore.for_network(loaded.model_settings, loaded.name, folder, loaded.identity)
    return PictureShelf(store, model, byte_limit)
