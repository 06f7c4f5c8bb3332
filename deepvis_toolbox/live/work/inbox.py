"""What lies before the worker: the newest frame and the newest request. Either one wakes it."""

from __future__ import annotations

from typing import NamedTuple

from deepvis_toolbox.live.work.checkpoints import Checkpoint
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.rate_meter import RateMeter
from deepvis_toolbox.sources.frame import SourceFrame


class Work(NamedTuple):
    """What to do next: answer `request` for `frame`, which may be the same as last time."""

    frame: SourceFrame
    request: Request
    source_rate: float
    """Frames a second that the source delivered."""
    checkpoint: Checkpoint | None = None
    """New weights, to be opened first."""


class Inbox(Mailbox[SourceFrame]):
    """A mailbox for frames that the window's request lies in, too; so one wait is enough for both."""

    def __init__(self, paced: bool = False) -> None:
        """Take `paced`: a new frame is handed out only once the window has shown the last one (`window_is_ready`),
        so that nothing is computed that nobody will see. A new request is, at once."""
        super().__init__()
        self._paced = paced
        self._window_is_ready = True
        self._request: Request | None = None
        self._request_is_new = False
        self._frame: SourceFrame | None = None
        self._frames_in = RateMeter()
        self._source = ""
        self._checkpoint: Checkpoint | None = None

    def put(self, item: SourceFrame) -> bool:
        """Leave a frame, in place of one not processed yet. False where the inbox is closed."""
        with self._changed:
            if item.info.source != self._source:  # another source has another rate
                self._source = item.info.source
                self._frames_in.reset()
            if not item.info.is_still:
                self._frames_in.tick()
            return super().put(item)

    def ask(self, request: Request) -> None:
        """From now on, frames are to be answered for `request`; the last frame is, at once."""
        with self._changed:
            if request != self._request:
                self._request, self._request_is_new = request, True
                self._changed.notify()

    def window_is_ready(self) -> None:
        """Note that the window has shown what it was given; the next frame may be computed."""
        with self._changed:
            if not self._window_is_ready:
                self._window_is_ready = True
                self._changed.notify()

    def renew(self, checkpoint: Checkpoint) -> None:
        """Leave new weights, in place of some not opened yet; the last frame is answered with them, at once."""
        with self._changed:
            self._checkpoint, self._request_is_new = checkpoint, True
            self._changed.notify()

    def next_work(self) -> Work | None:
        """Wait for a new frame or a new request; None once the inbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_work())
            if self._closed or self._request is None:
                return None
            if self._items:
                self._frame = self._items.pop()
            assert self._frame is not None  # `_has_work` has seen a frame
            self._request_is_new = self._window_is_ready = False
            checkpoint, self._checkpoint = self._checkpoint, None
            return Work(self._frame, self._request, self._frames_in.rate, checkpoint)

    @property
    def is_live(self) -> bool:
        """Whether frames come, rather than one picture standing still."""
        with self._changed:
            return self._frames_in.rate > 0 or bool(self._items)

    def has_work_within(self, seconds: float) -> bool:
        """Wait for work so long at most; return whether `next_work` would return at once."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._has_work(), seconds)

    def _has_work(self) -> bool:
        frame = bool(self._items) and (self._window_is_ready or not self._paced or self._request_is_new)
        return self._request is not None and (frame or (self._request_is_new and self._frame is not None))
