"""The source thread: reads frames and leaves the newest in a mailbox, whatever happens to the sources."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepvis_toolbox.errors import reason_of
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.sources.switch import SourceSwitch

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""After an error."""
SILENCE_SECONDS = 0.02
"""After a read that brought nothing: a source that fails to wait must not keep a processor busy."""


@dataclass(frozen=True)
class ReaderStatus:
    """What the status line says about the source."""

    note: str
    """The source's own line, such as `camera lost, retrying`; empty when all is well."""
    gone: bool
    """Its frames have stopped coming."""
    error: str
    """Why the last read failed; empty once one succeeded again."""


class FrameReader:
    """Reads the current one of `sources` in a thread of its own. Every method may be called from any thread."""

    def __init__(self, sources: Sequence[Source], mailbox: Mailbox[SourceFrame] | None = None) -> None:
        """Take `sources`: at least one; `close` closes them. `mailbox`: where frames go; `frames` is a new one if left
        out.

        A still picture is delivered once; it comes again only after something was switched, moved or unfrozen.
        """
        self.frames: Mailbox[SourceFrame] = Mailbox() if mailbox is None else mailbox
        self._switch = SourceSwitch(sources)
        self._changed = threading.Condition()
        self._commands: deque[Callable[[], None]] = deque()
        self._closing = False
        self._error = ""
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float = 1.0) -> bool:
        """End the thread and close the sources and the mailbox; False where that takes longer than `timeout` s."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._switch.interrupt()
        self.frames.close()
        if self._thread.ident is None:  # never started
            self._switch.close()
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def toggle_source(self) -> None:
        """Go on with the next of the sources."""
        self._command(self._switch.toggle_source)

    def choose_source(self, index: int) -> None:
        """Go on with one of the sources by its place, counted from 0."""
        self._command(lambda: self._switch.choose_source(index))

    def next_picture(self) -> None:
        """Go to the next picture, at the thread's next turn."""
        self._command(self._switch.next_picture)

    def previous_picture(self) -> None:
        """Go to the previous picture, at the thread's next turn."""
        self._command(self._switch.previous_picture)

    def freeze(self, frozen: bool) -> None:
        """Stop reading, or go on. What was delivered last stays the newest frame."""
        self._command(lambda: self._switch.freeze(frozen))

    @property
    def status(self) -> ReaderStatus:
        """What the source says about itself now."""
        source = self._switch.current
        return ReaderStatus(source.note, source.gone, self._error)

    def _command(self, command: Callable[[], None]) -> None:
        with self._changed:
            self._commands.append(command)
            self._changed.notify_all()
        self._switch.interrupt()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._obey()
                if self._switch.settled:
                    self._wait(None)
                else:
                    self._read()
        finally:
            self._switch.close()

    def _obey(self) -> None:
        """Run the commands that came since; here, so that sources are only ever touched by this thread."""
        while self._commands:
            command = self._commands.popleft()
            try:
                command()
            except Exception as error:
                self._report(error)

    def _read(self) -> None:
        try:
            frame = self._switch.read()
        except Exception as error:  # whatever a source raises is shown, and reading goes on
            self._report(error)
            self._wait(RETRY_SECONDS)
            return
        self._error = ""
        if frame is None:
            self._wait(SILENCE_SECONDS)
            return
        self.frames.put(frame)

    def _report(self, error: Exception) -> None:
        text = reason_of(error)
        if text != self._error:  # once, not at every retry
            log.error("reading from %s failed: %s", self._switch.current.name, text, exc_info=error)
        self._error = text

    def _wait(self, seconds: float | None) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._commands or self._closing, seconds)
