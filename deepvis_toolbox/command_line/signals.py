"""Signals that ask a command to end: they come up as exceptions, so that what is open is closed as after a mistake."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, a system that shuts down or a batch system whose time is up, and a terminal that was closed."""


class EndedBySignal(KeyboardInterrupt):
    """A signal has asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def sentence(self) -> str:
        """What the command says of it."""
        return "interrupted" if self.number == signal.SIGINT else f"ended by {signal.Signals(self.number).name}"

    @property
    def status(self) -> int:
        """The exit status that shells give it."""
        return 128 + self.number


@contextmanager
def raised_as_exceptions() -> Iterator[None]:
    """Inside, a signal of `ENDING` raises `EndedBySignal` in the main thread, and the first one alone.

    What comes behind it would interrupt the tidying up; only Ctrl-C does that. A signal that somebody has ignored
    before (`nohup`) or taken for himself stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = (signal.SIG_DFL, signal.default_int_handler)
    taken = [number for number in ENDING if signal.getsignal(number) in usual]
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        if len(came) == 1 or number == signal.SIGINT:
            raise EndedBySignal(number)

    before = [(number, signal.signal(number, end)) for number in taken]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
