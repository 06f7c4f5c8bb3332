"""What is kept from one drawing of the window to the next. It belongs to the painter, so two windows share nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from deepvis_toolbox.drawing.colours import Pixels

Value = TypeVar("Value")


class Same:
    """Wraps what is equal only to itself: an array, an answer."""

    def __init__(self, wrapped: object) -> None:
        self._wrapped = wrapped

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other._wrapped is self._wrapped

    __hash__ = None  # type: ignore[assignment]


class Kept:
    """The last value of each owner, and what it was made from."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[tuple[object, ...], Any]] = {}
        self._draw_at: float | None = None

    def draw_again(self, at: float) -> None:
        """Ask for the window to be drawn again at a time, in seconds, also where nothing new has come until then."""
        self._draw_at = at if self._draw_at is None else min(at, self._draw_at)

    def wants_drawing(self, now: float) -> bool:
        """Return whether a time has come that was asked for; once."""
        if self._draw_at is None or now < self._draw_at:
            return False
        self._draw_at = None
        return True

    def value(self, owner: str, made_from: tuple[object, ...], make: Callable[[], Value]) -> Value:
        """Return what `make` gives; the owner's last value where it was made from the same."""
        last = self._values.get(owner)
        if last is not None and last[0] == made_from:
            kept: Value = last[1]
            return kept
        fresh = make()
        self._values[owner] = (made_from, fresh)
        return fresh

    def picture(
        self, owner: str, pixels: Pixels, made_from: tuple[object, ...], draw: Callable[[Pixels], None]
    ) -> None:
        """Paint what `draw` paints, copied where it was made from the same: `made_from` holds all that it depends on
        beside the size of the pixels."""

        def drawn() -> Pixels:
            draw(pixels)
            return pixels.copy()

        pixels[...] = self.value(owner, (pixels.shape, *made_from), drawn)
