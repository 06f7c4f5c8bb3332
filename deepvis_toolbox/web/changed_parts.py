"""Which parts of the window's picture have changed, each encoded by itself: what stands still is not sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

CELL = 16
"""Pixels: parts begin at multiples of this, where the blocks of a JPEG of the whole picture do too."""
CELLS_BETWEEN = 2
"""With no more cells between them, parts are one."""
MOST_PARTS = 12
"""More are not worth their heads: those that lie near each other are sent as one."""


class Box(NamedTuple):
    """A rectangle of the picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def covers(self, other: Box) -> bool:
        """Whether nothing of the other one lies outside."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.left + self.width >= other.left + other.width
            and self.top + self.height >= other.top + other.height
        )


class Part(NamedTuple):
    """A rectangle of the picture, ready to be sent."""

    box: Box
    jpeg: bytes


class PartsEncoder:
    """Encodes one picture after another; it remembers the last one."""

    def __init__(self, quality: int) -> None:
        """Take `quality`: of JPEG, 30 to 100."""
        # Not fewer pixels of colour than of brightness: coloured text would have fringes.
        sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
        self._how = (cv2.IMWRITE_JPEG_QUALITY, quality, *sampling)
        self.size = (0, 0)
        """Width and height of the last picture in pixels; 0: there was none."""
        self._last = self._before = np.empty((0, 0, 3), np.uint8)

    def encode(self, pixels: NDArray[np.uint8]) -> tuple[Part, ...]:
        """Return what has changed since the last picture, all of it where its size has: RGB uint8 H×W×3."""
        height, width = pixels.shape[:2]
        is_new = self.size != (width, height)
        if is_new:
            self.size = width, height
            self._last, self._before = _room(width, height), _room(width, height)
        self._last, self._before = self._before, self._last
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=self._last[:height, :width])
        return self.whole() if is_new else tuple(self._part(box) for box in changed_boxes(self._before, self._last))

    def whole(self) -> tuple[Part, ...]:
        """Return the last picture, all of it."""
        return (self._part(Box(0, 0, *self.size)),)

    def _part(self, box: Box) -> Part:
        width, height = (min(side, size - place) for side, size, place in zip(box[2:], self.size, box[:2], strict=True))
        pixels = self._last[box.top : box.top + height, box.left : box.left + width]
        return Part(box, cv2.imencode(".jpg", pixels, self._how)[1].tobytes())


def changed_boxes(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> Iterator[Box]:
    """Yield boxes that cover every pixel that differs: uint8 H×W×3, both of one size, whole cells."""
    count, names = _groups(_changed_cells(before, now))
    for group in range(1, count):
        rows, columns = np.nonzero(names == group)
        top, left = int(rows.min()), int(columns.min())
        yield Box(*(CELL * side for side in (left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)))


def _groups(cells: NDArray[np.uint8]) -> tuple[int, NDArray[np.int32]]:
    """Return the number of groups of cells, plus one, and which group each cell is in, from 1: int32 rows×columns."""
    distance = CELLS_BETWEEN
    while True:
        near = cv2.dilate(cells, np.ones((1 + distance, 1 + distance), np.uint8))
        count, names = cv2.connectedComponents(near, connectivity=8)
        if count <= MOST_PARTS + 1:
            return count, np.where(cells > 0, names, 0).astype(np.int32)
        distance *= 2


def _changed_cells(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return which cells of the picture hold a pixel that differs: 0 or 1, uint8 rows×columns."""
    height, width = now.shape[:2]
    rows, columns, words = height // CELL, width // CELL, CELL * 3 // 8
    differs = now.reshape(-1).view(np.uint64) != before.reshape(-1).view(np.uint64)  # of eight bytes each: fast
    return (
        differs.reshape(rows, CELL, columns * words)
        .any(axis=1)
        .reshape(rows, columns, words)
        .any(axis=2)
        .astype(np.uint8)
    )


def _room(width: int, height: int) -> NDArray[np.uint8]:
    """Return black pixels for a picture, up to whole cells."""
    return np.zeros((-(-height // CELL) * CELL, -(-width // CELL) * CELL, 3), np.uint8)
