"""A scale of colours that follows moving pictures slowly, so that they do not flicker."""

from __future__ import annotations

SHARE_OF_THE_NEW = 0.2


class SlowScale:
    """Which size gets the full colours: that of the first answer, from then on moved by a fifth with each new one."""

    def __init__(self) -> None:
        self._answer: object = None
        self._size = 0.0

    def follow(self, answer: object, size: float, is_still: bool) -> float:
        """Return the size to use for an answer whose own is `size`; that one itself where nothing moves."""
        if answer is not self._answer:
            moved = self._size + SHARE_OF_THE_NEW * (size - self._size)
            self._size = moved if self._size and not is_still else size
            self._answer = answer
        return self._size
