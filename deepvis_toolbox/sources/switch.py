"""Several sources of which one is read: switching between them, freezing, moving among pictures."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.source import Source


class SourceSwitch:
    """Used by one thread (headless), or inside a `FrameReader` (live), which has the same four verbs."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Take `sources`: at least one; the first is read first."""
        if not sources:
            raise ValueError("a switch needs at least one source")
        self._sources = tuple(sources)
        self._index = 0
        self._last: SourceFrame | None = None
        self._frozen = False

    @property
    def current(self) -> Source:
        """The source that is read now."""
        return self._sources[self._index]

    @property
    def frozen(self) -> bool:
        """Whether the last frame is kept."""
        return self._frozen

    @property
    def settled(self) -> bool:
        """Whether `read` would bring nothing new until something is switched, moved or unfrozen."""
        return self.current.ended or (self._last is not None and (self._frozen or self.current.is_still))

    def read(self) -> SourceFrame | None:
        """Return the next frame of the current source; while frozen the last one again."""
        if self._frozen and self._last is not None:
            return self._last
        frame = self.current.read()
        if frame is not None:
            self._last = frame
        return frame

    def toggle_source(self) -> None:
        """Go to the next source; where it is frozen, one frame of that one is still read."""
        self.choose_source((self._index + 1) % len(self._sources))

    def choose_source(self, index: int) -> None:
        """Go to a source by its place, counted from 0, as `toggle_source` goes to the next."""
        if index != self._index:
            self._index = index
            self._last = None

    def next_picture(self) -> None:
        """Go to the next picture, where there is one."""
        if self.current.next():
            self._last = None

    def previous_picture(self) -> None:
        """Go to the previous picture, where there is one."""
        if self.current.previous():
            self._last = None

    def freeze(self, frozen: bool) -> None:
        """Keep the last frame for as long as `frozen` is set."""
        self._frozen = frozen

    def interrupt(self) -> None:
        """Make a `read` that waits in another thread return at once."""
        self.current.interrupt()

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()
