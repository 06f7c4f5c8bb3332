"""Hands the newest item from one thread to another; the older one is dropped and counted. Nobody polls."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds one item, the newest. All methods may be called from any thread; only `get` ever waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[T] = []  # empty or one item, so that None may be an item too
        self._dropped = 0
        self._closed = self._woken = False

    def put(self, item: T) -> bool:
        """Leave `item` for the reader, in place of one not read yet. False where the mailbox is closed."""
        with self._changed:
            if self._closed:
                return False
            self._dropped += len(self._items)
            self._items = [item]
            self._changed.notify()
            return True

    def get(self, timeout: float | None = None) -> T | None:
        """Take the item, waiting for one at most `timeout` seconds (None: as long as it takes, 0: not at all).

        None when the time is over, when the mailbox is closed and empty, and after `wake`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed or self._woken, timeout)
            self._woken = False
            return self._items.pop() if self._items else None

    def wake(self) -> None:
        """Let whoever waits for an item, else the next who would, go on without one: there is something else to do."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget an item not read yet, without counting it as dropped: it is outdated, not too fast."""
        with self._changed:
            self._items = []

    def close(self) -> None:
        """Wake everybody who waits. What lies inside can still be taken; nothing can be put any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def dropped(self) -> int:
        """How many items were replaced before anybody read them."""
        with self._changed:
            return self._dropped
