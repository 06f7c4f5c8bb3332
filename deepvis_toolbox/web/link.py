"""What goes to one page: short messages, and one picture at a time, always the newest."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NamedTuple

from deepvis_toolbox.web.access import Role
from deepvis_toolbox.web.changed_parts import Part

FRAME, DOWNLOAD = 0, 1
"""The first byte of a binary message."""
NO_NUMBER = 0xFFFFFFFF
_HEAD = struct.Struct("<BII")
_SIZE = struct.Struct("<HH")
_PART = struct.Struct("<HHI")
MESSAGES_WAITING = 64
QUICK = 0.15
"""Seconds: a page that has shown a frame within them gets the next one drawn meanwhile."""


class EncodedFrame(NamedTuple):
    """What makes the window's last picture into a new one, ready to be sent."""

    number: int
    source_number: int
    """Of the frame from the source that is shown; `NO_NUMBER`: there is none yet."""
    size: tuple[int, int]
    """Width and height of the picture in pixels."""
    parts: tuple[Part, ...]
    """What has changed, to be drawn one after the other."""

    @property
    def message(self) -> bytes:
        """The binary message, little-endian: kind, number, number of the source's frame (1, 4 and 4 bytes), width and
        height (2 each); then for each part left, top and length of its JPEG (2, 2 and 4), and the JPEG."""
        pieces = [_HEAD.pack(FRAME, self.number, self.source_number), _SIZE.pack(*self.size)]
        for box, jpeg in self.parts:
            pieces += [_PART.pack(box.left, box.top, len(jpeg)), jpeg]
        return b"".join(pieces)

    def after(self, unsent: EncodedFrame) -> EncodedFrame:
        """Return this picture for a page that lacks another one before it, too."""
        if unsent.size != self.size:  # then this one is whole
            return self
        older = [part for part in unsent.parts if not any(newer.box.covers(part.box) for newer in self.parts)]
        return self._replace(parts=(*older, *self.parts))


def download_message(name: str, data: bytes) -> bytes:
    """Return the binary message of a file: kind, 0, the length of its name, its name, what it holds."""
    encoded = name.encode()
    return _HEAD.pack(DOWNLOAD, 0, len(encoded)) + encoded + data


class Link:
    """Between the thread that draws and the server's loop, which sends.

    `next_message` belongs to the loop; the rest may be called from any thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, role: Role = "control") -> None:
        self.role: Role = role
        self._loop = loop
        self._news = asyncio.Event()
        self._messages: deque[str | bytes] = deque(maxlen=MESSAGES_WAITING)
        self._taking = threading.Lock()
        self._newest: EncodedFrame | None = None
        self._waiting = 0
        """How many frames were drawn since one was sent; the newest of them is sent next."""
        self._in_flight: int | None = None
        self._sent_at = 0.0
        self._seconds_to_show = math.inf
        """How long the page took with the last frame, from when it was sent."""
        self._texts: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self.closed_because: str | None = None
        """Why the server ends the connection; None while it does not."""
        self.on_ready: Callable[[], None] = lambda: None
        """Called when the next frame may be drawn."""
        self.sent = 0

    def is_ready(self, is_urgent: bool = False) -> bool:
        """Return whether a frame may be drawn for the page: while a quick one shows the last frame, else once it has
        shown it, so that what it gets then is new. One that a person waits for may take the place of one that waits."""
        if self.closed_because is not None:
            return False
        if is_urgent:
            return self._waiting < 2
        return self._waiting == 0 and (self._in_flight is None or self._seconds_to_show < QUICK)

    def offer(self, frame: EncodedFrame) -> None:
        """Leave a frame to be sent, in place of one that waits."""
        with self._taking:
            self._newest = frame.after(self._newest) if self._newest else frame
            self._waiting += 1
        self._wake()

    def tell(self, kind: str, **content: Any) -> None:
        """Send a message."""
        self._messages.append(json.dumps({"kind": kind, **content}, ensure_ascii=True))
        self._wake()

    def tell_newest(self, kind: str, content: Mapping[str, Any]) -> None:
        """Send what the page writes beside the picture, in place of what waits, where it is something new."""
        text = json.dumps({"kind": kind, **content}, ensure_ascii=True)
        if text != self._told.get(kind):
            self._told[kind] = self._texts[kind] = text
            self._wake()

    def deliver(self, name: str, data: bytes) -> None:
        """Send a file, which the page saves."""
        self._messages.append(download_message(name, data))
        self._wake()

    def shown(self, number: int) -> None:
        """Note that the page has drawn a frame."""
        if number == self._in_flight:
            self._in_flight = None
            self._seconds_to_show = monotonic() - self._sent_at
            self._wake()
            self.on_ready()

    def end(self, why: str) -> None:
        """Let the server end the connection, with a sentence for the page."""
        if self.closed_because is None:
            self.closed_because = why
            self._wake()

    async def next_message(self) -> str | bytes | None:
        """Return what is to be sent next, waiting for it; None: the connection is to be ended."""
        while True:
            if self._messages:
                return self._messages.popleft()
            if self._texts:
                return self._texts.pop(next(iter(self._texts)))
            if self.closed_because is not None:
                return None
            if frame := self._next_frame():
                self.on_ready()
                return frame.message
            self._news.clear()
            await self._news.wait()

    def _next_frame(self) -> EncodedFrame | None:
        with self._taking:
            frame = self._newest if self._in_flight is None else None
            if frame is not None:
                self._newest, self._in_flight, self._waiting = None, frame.number, 0
                self._sent_at = monotonic()
                self.sent += 1
            return frame

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the server has ended
            return
