"""Ctrl-C in the terminal while a window is open, or another signal: the window closes as it does for the key q.

An exception raised by the signal could come up in a callback of the window system, which would swallow it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from deepvis_toolbox.command_line.signals import ENDING, EndedBySignal
from deepvis_toolbox.live.actions import quit_toolbox
from deepvis_toolbox.live.state import State


@contextmanager
def signals_quit(state: State) -> Iterator[None]:
    """Inside, a signal that asks to end makes the state quit; on leaving, it is raised as `EndedBySignal`.

    One that is ignored (`nohup`) stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def quit_soon(number: int, _: object) -> None:
        came.append(number)
        quit_toolbox(state)

    taken = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = [(number, signal.signal(number, quit_soon)) for number in taken]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    if came:
        raise EndedBySignal(came[0])
