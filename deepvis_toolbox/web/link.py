"""What goes to one page: short messages, and one picture at a time, always the newest."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deepvis_toolbox.web.access import Role

FRAME, DOWNLOAD = 0, 1
"""The first byte of a binary message."""
NO_NUMBER = 0xFFFFFFFF
_HEAD = struct.Struct("<BII")
MESSAGES_WAITING = 64


class EncodedFrame(NamedTuple):
    """A picture of the window, ready to be sent."""

    number: int
    source_number: int
    """Of the frame from the source that is shown; `NO_NUMBER`: there is none yet."""
    jpeg: bytes

    @property
    def message(self) -> bytes:
        """The binary message: kind, number, number of the source's frame (little-endian, 1, 4 and 4 bytes), JPEG."""
        return _HEAD.pack(FRAME, self.number, self.source_number) + self.jpeg


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
        self._newest: EncodedFrame | None = None
        self._in_flight: int | None = None
        self._texts: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self.closed_because: str | None = None
        """Why the server ends the connection; None while it does not."""
        self.on_ready: Callable[[], None] = lambda: None
        """Called when the page has shown what was sent."""
        self.sent = 0

    @property
    def is_ready(self) -> bool:
        """Whether the page has shown everything that was drawn for it."""
        return self._in_flight is None and self._newest is None and self.closed_because is None

    def offer(self, frame: EncodedFrame) -> None:
        """Leave a frame to be sent, in place of one that waits."""
        self._newest = frame
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
            frame = self._newest if self._in_flight is None else None
            if frame is not None:
                self._newest, self._in_flight = None, frame.number
                self.sent += 1
                return frame.message
            self._news.clear()
            await self._news.wait()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the server has ended
            return
