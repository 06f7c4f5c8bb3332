"""Ctrl-C in the terminal while a window is open: the window closes as it does for the key q.

An exception raised by the signal could come up in a callback of the window system, which would swallow it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from deepvis_toolbox.live.actions import quit_toolbox
from deepvis_toolbox.live.state import State


@contextmanager
def interrupt_quits(state: State) -> Iterator[None]:
    """Inside, an interrupt makes the state quit; on leaving, it is raised as `KeyboardInterrupt`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def quit_soon(number: int, _: object) -> None:
        came.append(number)
        quit_toolbox(state)

    before = signal.signal(signal.SIGINT, quit_soon)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
