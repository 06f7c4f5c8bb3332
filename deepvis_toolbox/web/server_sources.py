"""The server's own inputs, as its command line names them, for several viewers: a camera can be opened only once."""

from __future__ import annotations

import threading
from typing import Protocol

from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.reader import FrameReader
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.web.unnamed_source import UnnamedSource
from deepvis_toolbox.words.images import RGBImage

WAIT_SECONDS = 1.0


class Lendable(Protocol):
    """An input of the server."""

    @property
    def name(self) -> str:
        """What the page calls it."""
        ...

    def lend(self) -> Source:
        """Return it for one viewer, who closes it."""
        ...


class ServerSource:
    """One input of the server. Pictures are opened for each viewer, who turns their pages alone; what runs by itself is
    read once, while anybody looks, and all get the same frames."""

    def __init__(self, text: str, options: SourceOptions) -> None:
        """`ToolboxError` where it cannot be opened."""
        self._text, self._options = text, options
        source = open_source(text, options)
        self.name = source.name
        self._broadcast = None if source.is_still else Broadcast(source)
        if source.is_still:
            source.close()

    def lend(self) -> Source:
        """Return the input for one viewer."""
        return self._broadcast.lend() if self._broadcast else open_source(self._text, self._options)

    def close(self) -> bool:
        """Give back what was opened; False where that takes longer than a second."""
        return self._broadcast.reader.close() if self._broadcast else True


class GivenPicture:
    """A picture that a program has at hand, as an input of the server."""

    def __init__(self, name: str, image: RGBImage) -> None:
        self.name, self._image = name, image

    def lend(self) -> Source:
        """Return the picture for one viewer."""
        return StillSource(self.name, self._image)


class StillSource(UnnamedSource):
    """One picture that is there already."""

    is_still = True

    def __init__(self, name: str, image: RGBImage) -> None:
        """Take `image`: RGB uint8 H×W×3, which nobody writes to any more."""
        self.name = name
        self._frame = SourceFrame(image, FrameInfo(name, 0, is_still=True))

    def read(self) -> SourceFrame:
        """Return the picture."""
        return self._frame


class Broadcast(Mailbox[SourceFrame]):
    """Where a reader leaves the frames of a source; hands each on to all who look."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source_name = source.name
        self.rate = source.rate
        self._lent: set[LentSource] = set()
        self._newest: SourceFrame | None = None
        self._members = threading.Lock()
        self.reader = FrameReader([source], self)
        self.reader.freeze(True)
        self.reader.start()

    def put(self, item: SourceFrame) -> bool:
        """Hand a frame on."""
        self._newest = item
        with self._members:
            for lent in self._lent:
                lent.frames.put(item)
        return True

    def lend(self) -> LentSource:
        """Return one more place to look from."""
        lent = LentSource(self)
        with self._members:
            self._lent.add(lent)
            if self._newest is not None:
                lent.frames.put(self._newest)
        self.reader.freeze(False)
        return lent

    def take_back(self, lent: LentSource) -> None:
        """Hand nothing on to somebody any more; nobody left: read nothing."""
        with self._members:
            self._lent.discard(lent)
            is_unwatched = not self._lent
        if is_unwatched:
            self.reader.freeze(True)


class LentSource(UnnamedSource):
    """What one viewer sees of a source that all look at."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self.name, self.rate = broadcast.source_name, broadcast.rate
        self.frames: Mailbox[SourceFrame] = Mailbox()

    def read(self) -> SourceFrame | None:
        """Return the newest frame, waiting for it about a second at most."""
        frame = self.frames.get(WAIT_SECONDS)
        status = self._broadcast.reader.status
        self.note, self.gone = status.error or status.note, status.gone
        return frame

    def interrupt(self) -> None:
        """Let nobody wait: the next read returns what there is."""
        self.frames.wake()

    def close(self) -> None:
        """Look no more."""
        self._broadcast.take_back(self)
        self.frames.close()
