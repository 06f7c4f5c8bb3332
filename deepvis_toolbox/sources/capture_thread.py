"""Reads a camera or stream in a thread of its own, so that a device that hangs or vanishes holds nobody up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.capture import Capture, FrameNotReady, frame_rate, is_finite
from deepvis_toolbox.sources.pacing import Pacer

log = logging.getLogger(__name__)


class CaptureThread:
    """Keeps the newest picture of a capture; opens it again, for as long as it takes, when it is lost."""

    def __init__(
        self,
        name: str,
        opener: Callable[[], Capture | None],
        *,
        replay: bool = True,
        retry_seconds: float | None = 1.0,
    ) -> None:
        """Take `replay`: a capture that has an end starts again there; otherwise the thread is `finished`.

        `retry_seconds`: after so long one that was lost is opened again; None: never, it is `finished`.
        """
        self._opener = opener
        self._replay = replay
        self._retry_seconds = retry_seconds
        self._newest: Mailbox[NDArray[np.uint8] | None] = Mailbox()  # None only wakes the reader
        self._attempted = threading.Event()
        self._stopped = threading.Event()
        self._ever_opened = False
        self.lost = False
        self.finished = False
        self.fault = ""
        """Why it was lost or did not open, where it says so."""
        self._thread = threading.Thread(target=self._run, name=f"capture {name}", daemon=True)

    def start(self, timeout: float) -> bool:
        """Open the capture; False where that fails or takes longer than `timeout` seconds."""
        self._thread.start()
        if not (self._attempted.wait(timeout) and self._ever_opened):
            self.stop()
            return False
        return True

    def newest(self, timeout: float) -> NDArray[np.uint8] | None:
        """Return a BGR picture, uint8 (H, W, 3), not handed out before; None after `timeout` seconds or `wake`."""
        return self._newest.get(timeout)

    def wake(self) -> None:
        """End the wait of a thread in `newest`."""
        self._newest.put(None)

    def stop(self) -> None:
        """End the thread as soon as its device lets go; do not wait for that."""
        self._stopped.set()
        self._newest.close()

    def _run(self) -> None:
        while not self._stopped.is_set() and not self.finished:
            capture = self._open()
            self._ever_opened = self._ever_opened or capture is not None
            self._attempted.set()
            if not self._ever_opened:
                return
            ended_well = capture is not None and self._pump(capture)
            if self._retry_seconds is None:
                self.finished = True
            elif not ended_well:
                self._lose(self._retry_seconds)
        self._newest.close()  # the last picture can still be taken

    def _open(self) -> Capture | None:
        try:
            return self._opener()
        except ToolboxError as error:
            self.fault = str(error)
            return None
        except Exception:  # OpenCV raises for some devices where it returns nothing for others
            log.debug("opening failed", exc_info=True)
            return None

    def _pump(self, capture: Capture) -> bool:
        """Hand on pictures until there are no more; True where that is how it should be."""
        finite = is_finite(capture)
        pacer = Pacer(frame_rate(capture)) if finite else None  # what is live comes at its own rate
        count = 0
        try:
            while not self._stopped.is_set():
                try:
                    ok, image = capture.read()
                except FrameNotReady:
                    continue
                if not ok or image is None:
                    break
                if pacer:
                    pacer.wait()
                count += 1
                self.lost, self.fault = False, ""
                self._newest.put(image)
        except ToolboxError as error:
            self.fault = str(error)
        except Exception:
            log.debug("reading failed", exc_info=True)
        finally:
            capture.release()
        if (
            count == 1 and self._retry_seconds
        ):  # the address of a web camera's newest picture: asked for once a second, not all the time
            self._stopped.wait(self._retry_seconds)
        at_end = finite and count > 0 and not self.fault
        self.finished = at_end and not self._replay
        return at_end or (count == 1 and not self.fault) or self._stopped.is_set()

    def _lose(self, retry_seconds: float) -> None:
        if not self.lost:
            self.lost = True
            self.wake()
        self._stopped.wait(retry_seconds)
