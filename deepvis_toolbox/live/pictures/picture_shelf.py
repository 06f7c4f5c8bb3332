"""Keeps the state's unit pictures those of the selected unit: asks the cache, which never waits for the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
from deepvis_toolbox.live.pictures.unit_pictures import PatternTiles, ShownPicture, UnitPictures
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.request import GrowingPictures
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.unit_images.cache import SECONDS_UNTIL_LOOKING_AGAIN, Loading, Missing, UnitImageCache
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS, UnitImageKind

READING = ShownPicture(note="reading …")
Shown = dict[UnitImageKind, ShownPicture]
OpenShelf = Callable[[LoadedNetwork], "PictureShelf"]


class PictureShelf:
    """The unit images of one network, for the main thread. A context manager."""

    def __init__(
        self,
        store: UnitImageStore,
        commands: PictureCommands,
        byte_limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `commands`: how pictures that are missing are made."""
        self.store, self._commands = store, commands
        self._clock = clock
        self._news = threading.Event()
        self._cache = UnitImageCache(store, byte_limit, self._command_for, self._news.set, clock)
        self._shown_for: tuple[object, ...] = ()
        self._asked_at = 0.0

    def follow(self, state: State) -> bool:
        """Put the selected unit's pictures (the layer's, in pattern mode) into the state; True if new.

        Where some are missing, the cache is asked again from time to time: another program may have made them.
        """
        if not state.layer:
            return False
        enlarged = state.view.enlarged_pictures
        wanted = (
            state.layer.name,
            state.view.unit,
            state.view.show_unit_images,
            enlarged,
            state.view.pattern,
            state.facts.tile_size,
            hovered.unit if (hovered := state.facts.hovered) and hovered.with_pictures else None,
        )
        if wanted == self._shown_for and not self._news.is_set() and not self._should_look_again(state):
            return False
        self._news.clear()
        changed = wanted != self._shown_for
        self._shown_for, self._asked_at = wanted, self._clock()
        if state.view.show_unit_images or enlarged:
            unit = Unit(state.layer.name, state.view.unit)
            shown: Shown = {kind: self._shown(kind, unit) for kind in UNIT_IMAGE_KINDS}
            changed |= state.facts.unit_pictures is None or not _same(state.facts.unit_pictures.shown, shown)
            state.facts.unit_pictures = UnitPictures(state.address, shown, self._owner(unit))
        changed |= self._show_hovered(state)
        former, state.facts.pattern_tiles = state.facts.pattern_tiles, self._pattern(state)
        return changed or not _same_tiles(former, state.facts.pattern_tiles)

    def _show_hovered(self, state: State) -> bool:
        """Put the preferred images of the unit under the mouse into the state, where they are shown; True if new."""
        hovered, before = state.facts.hovered, state.facts.hovered_picture
        shown = self._shown("regularized_opt", hovered.unit) if hovered and hovered.with_pictures else None
        state.facts.hovered_picture = shown
        return (before.image if before else None) is not (shown.image if shown else None)

    def _owner(self, unit: Unit) -> str:
        owner = self.store.owning_unit(unit)
        return "" if owner == unit else str(owner)

    def _command_for(self, kind: UnitImageKind, unit: Unit) -> str:
        return self._commands.command_for(kind, self.store.owning_unit(unit))

    def _should_look_again(self, state: State) -> bool:
        return self._clock() - self._asked_at > SECONDS_UNTIL_LOOKING_AGAIN and _lacks_some(state)

    def settle(self, state: State, seconds: float = 10.0) -> None:
        """Do as `follow`, and wait until all that the state wants is read: for headless runs."""
        deadline = time.monotonic() + seconds
        self.follow(state)
        while self._is_reading(state) and time.monotonic() < deadline:
            self._news.wait(0.1)
            self.follow(state)

    def _is_reading(self, state: State) -> bool:
        pictures, tiles = state.facts.unit_pictures, state.facts.pattern_tiles
        reading = pictures is not None and any(shown is READING for shown in pictures.shown.values())
        return reading or (state.view.pattern != "off" and (tiles is None or not tiles.done))

    def forget(self, unit: Unit) -> None:
        """Forget a unit's pictures, which have been made anew."""
        self._cache.forget(unit)
        self._news.set()

    def close(self) -> None:
        """End the background thread that reads pictures."""
        self._cache.close()

    def __enter__(self) -> PictureShelf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shown(self, kind: UnitImageKind, unit: Unit) -> ShownPicture:
        answer = self._cache.get(kind, unit)
        if isinstance(answer, Loading):
            return READING
        if isinstance(answer, Missing):
            return ShownPicture(note=answer.reason, command=answer.command)
        return ShownPicture(answer, said=self._cache.said(kind, unit), numbers=self._cache.numbers(kind, unit))

    def _pattern(self, state: State) -> PatternTiles | None:
        if state.view.pattern == "off" or not state.layer or state.facts.tile_size < 1:
            return None
        layer = state.layer
        tiles = self._cache.get_tiles(state.view.pattern, layer.name, layer.channels, state.facts.tile_size)
        if isinstance(tiles, Loading):
            return None
        return PatternTiles(layer.name, state.view.pattern, tiles.pixels, tiles.there, tiles.done, tiles.problem)


def take_grown(state: State, snapshot: Snapshot, shelf: PictureShelf | None) -> bool:
    """Take in that pictures made on demand are done: from now on they are read from the store, like all others.

    Return whether some were.
    """
    unit = snapshot.request.growing
    growth = snapshot.answer(GrowingPictures(unit)) if unit else None
    if unit is None or growth is None or not growth.done or unit not in state.orders.grow:
        return False
    state.orders.grow -= {unit}
    state.facts.message = f"{unit}: {growth.note}"
    if shelf:
        shelf.forget(unit)
    return True


def _lacks_some(state: State) -> bool:
    pictures, tiles = state.facts.unit_pictures, state.facts.pattern_tiles
    missing = pictures is not None and any(shown.image is None for shown in pictures.shown.values())
    return missing or (tiles is not None and not tiles.there.all())


def _same(before: Shown, now: Shown) -> bool:
    return all(
        kind in before and before[kind].image is shown.image and before[kind].note == shown.note
        for kind, shown in now.items()
    )


def _same_tiles(before: PatternTiles | None, now: PatternTiles | None) -> bool:
    return (before.pixels if before else None) is (now.pixels if now else None)


def open_shelf(
    loaded: LoadedNetwork, *, commands: PictureCommands, folder: str | None, byte_limit: int
) -> PictureShelf:
    """Return the shelf for a loaded network.

    `folder`: the user's own choice, in place of the model.yaml's; its layout stays the model's.
    """
    store = UnitImageStore.for_network(loaded.description, folder, loaded.identity)
    return PictureShelf(store, commands, byte_limit)
