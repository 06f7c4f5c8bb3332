"""Unit images for the window: read by a background thread, kept up to a byte limit, asked for without waiting."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepvis_toolbox.unit_images.layer_tiles import LayerTiles, TilesJob
from deepvis_toolbox.unit_images.numbers import numbers_of
from deepvis_toolbox.unit_images.picture_file import problem_with
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

MAX_WAITING = 64
"""Older requests than this many are forgotten: the selection has moved on, and who still wants one asks again."""
SECONDS_UNTIL_LOOKING_AGAIN = 2.0


@dataclass(frozen=True)
class Missing:
    """There is no such picture, or it cannot be read: `reason` says so."""

    reason: str
    command: str = ""
    """What makes it, where it has not been made yet."""


@dataclass(frozen=True)
class Loading:
    """The background thread is at it; ask again."""


LOADING = Loading()


@dataclass(frozen=True)
class _MontageKey:
    kind: UnitImageKind
    unit: Unit

    @property
    def layer(self) -> str:
        return self.unit.layer


@dataclass(frozen=True)
class _TilesKey:
    kind: UnitImageKind
    layer: str
    units: int
    size: int


@dataclass
class _Entry:
    answer: RGBImage | Missing | LayerTiles
    made_at: float
    said: str = ""
    numbers: str = ""

    @property
    def bytes(self) -> int:
        if isinstance(self.answer, np.ndarray):
            return int(self.answer.nbytes)
        return int(self.answer.pixels.nbytes) if isinstance(self.answer, LayerTiles) else 200

    def may_have_changed(self, now: float) -> bool:
        """Return whether a picture may have been made since: by another program, or by the pipeline."""
        incomplete = isinstance(self.answer, Missing) or (
            isinstance(self.answer, LayerTiles) and self.answer.done and self.answer.missing > 0
        )
        return incomplete and now - self.made_at > SECONDS_UNTIL_LOOKING_AGAIN


class UnitImageCache:
    """Answers at once with a picture, `Loading` or `Missing`; a thread of its own does all reading.

    `byte_limit`: decoded pictures beyond it are forgotten, the least recently asked for first.
    `command_for(kind, unit)`: the command that makes a missing picture.
    `on_loaded()`: called from the background thread when something new can be shown.
    A context manager; `close` ends the thread.
    """

    def __init__(
        self,
        store: UnitImageStore,
        byte_limit: int = 256 << 20,
        command_for: Callable[[UnitImageKind, Unit], str] = lambda *_: "",
        on_loaded: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._clock = clock
        self._byte_limit = byte_limit
        self._command_for = command_for
        self._on_loaded = on_loaded
        self._kept: OrderedDict[_MontageKey | _TilesKey, _Entry] = OrderedDict()
        self._bytes = 0
        self._wanted: OrderedDict[_MontageKey, None] = OrderedDict()
        self._jobs: OrderedDict[_TilesKey, TilesJob] = OrderedDict()
        self._work = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="unit images", daemon=True)
        self._thread.start()

    def get(self, kind: UnitImageKind, unit: Unit) -> RGBImage | Missing | Loading:
        """Return the unit's 3×3 montage, RGB uint8, not to be written to; or why there is none. Never waits."""
        key = _MontageKey(kind, unit)
        with self._work:
            entry = self._used(key)
            if entry is None or entry.may_have_changed(self._clock()):
                self._wanted[key] = None
                self._wanted.move_to_end(key)
                while len(self._wanted) > MAX_WAITING:
                    self._wanted.popitem(last=False)
                self._work.notify()
            return LOADING if entry is None else entry.answer  # type: ignore[return-value]

    def said(self, kind: UnitImageKind, unit: Unit) -> str:
        """Return what the file of a picture that `get` has given says of it, as `UnitImageStore.said`. Never waits."""
        with self._work:
            entry = self._kept.get(_MontageKey(kind, unit))
            return entry.said if entry else ""

    def numbers(self, kind: UnitImageKind, unit: Unit) -> str:
        """Return in a few words how far to trust a picture that `get` has given: `UnitNumbers.short`. Never waits."""
        with self._work:
            entry = self._kept.get(_MontageKey(kind, unit))
            return entry.numbers if entry else ""

    def get_tiles(self, kind: UnitImageKind, layer: str, units: int, size: int) -> LayerTiles | Loading:
        """Return one picture of each of the layer's `units`, `size`×`size` pixels, as far as they are read. Never
        waits."""
        key = _TilesKey(kind, layer, units, size)
        with self._work:
            entry = self._used(key)
            if (entry is None or entry.may_have_changed(self._clock())) and key not in self._jobs:
                former = entry.answer if entry and isinstance(entry.answer, LayerTiles) else None
                self._jobs[key] = TilesJob(self.store, kind, layer, units, size, former)
            if key in self._jobs:
                self._jobs.move_to_end(key)
                self._work.notify()
            return LOADING if entry is None else entry.answer  # type: ignore[return-value]

    def forget(self, unit: Unit) -> None:
        """Read a unit's pictures anew when they are asked for: they have been made again."""
        owner = self.store.owner(unit.layer)
        with self._work:
            for key in [key for key in self._kept if self.store.owner(key.layer) == owner]:
                if isinstance(key, _TilesKey) or key.unit.channel == unit.channel:
                    self._bytes -= self._kept.pop(key).bytes

    @property
    def bytes(self) -> int:
        """Bytes of decoded pictures kept now."""
        return self._bytes

    def close(self) -> None:
        """End the background thread."""
        with self._work:
            self._closed = True
            self._work.notify()
        self._thread.join(timeout=5)

    def __enter__(self) -> UnitImageCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the background thread; nothing is read while the lock is held -------------------------------------------

    def _serve(self) -> None:
        while True:
            with self._work:
                while not (self._closed or self._wanted or self._jobs):
                    self._work.wait()
                if self._closed:
                    return
                key = self._wanted.popitem(last=True)[0] if self._wanted else None
                job_key, job = next(reversed(self._jobs.items())) if self._jobs else (None, None)
            if key is not None:  # the newest first: it is what the user looks at
                self._keep(key, *self._read(key))
            elif job is not None and job_key is not None:
                self._advance(job_key, job)

    def _read(self, key: _MontageKey) -> tuple[RGBImage | Missing, str, str]:
        """Return the picture, what its file says of it, and its numbers in short."""
        try:
            picture = self.store.read(key.kind, key.unit)
            said = self.store.said(key.kind, key.unit)
            numbers = numbers_of(self.store, key.unit) if key.kind == "regularized_opt" else None
        except Exception as error:  # whatever a disk or a file has in store, the next picture is read all the same
            return Missing(problem_with(error)), "", ""
        if picture is None:
            return Missing("not made yet", self._command_for(key.kind, key.unit)), "", ""
        picture = np.ascontiguousarray(picture)
        picture.flags.writeable = False
        return picture, said, numbers.short if numbers else ""

    def _advance(self, key: _TilesKey, job: TilesJob) -> None:
        tiles = job.advance()
        if tiles is not None:
            self._keep(key, tiles)
        if job.done:
            with self._work:
                self._jobs.pop(key, None)

    def _keep(
        self, key: _MontageKey | _TilesKey, answer: RGBImage | Missing | LayerTiles, said: str = "", numbers: str = ""
    ) -> None:
        entry = _Entry(answer, self._clock(), said, numbers)
        with self._work:
            former = self._kept.pop(key, None)
            self._bytes += entry.bytes - (former.bytes if former else 0)
            self._kept[key] = entry
            while self._bytes > self._byte_limit and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].bytes
        self._on_loaded()

    def _used(self, key: _MontageKey | _TilesKey) -> _Entry | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)
