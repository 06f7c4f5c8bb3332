"""The ascent as a film: every step of the pictures that climb together, side by side, in one .mp4."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil, sqrt
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import replacing
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.shown_image import seen_part, true_colours
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.unit_images.montage import enlarged, scaled_to

Tile = NDArray[np.uint8]
FRAMES_PER_SECOND = 25
SMALLEST_SIDE = 224
"""Smaller pictures (units low in the network) are shown enlarged by a whole number."""
LARGEST_SIDE = 4096
BACKGROUND = 128


class _NothingFilmedError(Exception):
    """No step was taken: every picture was there already."""


@contextmanager
def filming(net: Network, path: Path) -> Iterator[Film]:
    """A film to be handed to the ascent as its watch; in its place on leaving, unless nothing was filmed.

    `ToolboxError` where it cannot be written, such as on a full disk.
    """
    if path.suffix.lower() != ".mp4":
        raise ToolboxError(f'the film "{path}" must end in .mp4')
    if path.is_dir():
        raise ToolboxError(f'the film "{path}" is a folder; choose another name')
    with suppress(_NothingFilmedError), replacing(path) as temporary:
        film = Film(net, temporary)
        try:
            yield film
        finally:
            film.close()
        if not film.frames:
            raise _NothingFilmedError
        film.check()


class Film:
    """A batch watch that writes a frame a step. Batches follow one another.

    Pictures are shown in true colours, since a scale of each frame's own would flicker.
    """

    def __init__(self, net: Network, path: Path) -> None:
        self._net, self._path = net, path
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.frames = 0
        """How many have been written."""
        self._tiles: dict[AscentTask, Tile] = {}

    def __call__(
        self,
        batch: Sequence[AscentTask],
        step: int,
        rows: torch.Tensor,
        x: torch.Tensor,
        objectives: torch.Tensor,  # noqa: ARG002
    ) -> None:
        """As `preferred.BatchWatch`. A picture that has ended stays as it was."""
        if step == 0:
            self._tiles = {}
        for row, image in zip(rows.tolist(), x.cpu().numpy(), strict=True):
            part = seen_part(self._net, batch[row].target)
            self._tiles[batch[row]] = enlarged(true_colours(image, part, self._net.preprocessing), SMALLEST_SIDE)
        self._write([self._tiles[picture] for picture in batch])

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.release()

    def check(self) -> None:
        """Reads the film's length back: OpenCV says nothing where a frame cannot be written."""
        reader = cv2.VideoCapture(str(self._path))
        found = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if found != self.frames:
            raise OSError(errno.ENOSPC, f"{found} of {self.frames} frames were written")

    def _write(self, tiles: Sequence[Tile]) -> None:
        frame = _side_by_side(tiles)
        if self._writer is None:
            self._size = frame.shape[1], frame.shape[0]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), code, FRAMES_PER_SECOND, self._size)
            if not self._writer.isOpened():
                raise ToolboxError(f"no film of {self._size[0]}×{self._size[1]} pixels can be written here")
        self._writer.write(_fitted(frame, self._size)[..., ::-1])
        self.frames += 1


def _side_by_side(tiles: Sequence[Tile]) -> Tile:
    """Row by row in a square grid; sides even, as the film's format asks, and no larger than it allows."""
    columns = ceil(sqrt(len(tiles)))
    height, width = tiles[0].shape[:2]
    canvas = np.full((ceil(len(tiles) / columns) * height, columns * width, 3), BACKGROUND, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        canvas[top : top + height, left : left + width] = tile[:height, :width]
    shrink = min(1.0, LARGEST_SIDE / max(canvas.shape))
    rows, cols = (max(2, int(side * shrink) // 2 * 2) for side in canvas.shape[:2])
    return canvas[:rows, :cols] if shrink == 1 else scaled_to(canvas, rows, cols)


def _fitted(frame: Tile, size: tuple[int, int]) -> Tile:
    """A frame of a smaller or larger batch, shrunk where it has to be, on the first one's canvas."""
    canvas = np.full((size[1], size[0], 3), BACKGROUND, np.uint8)
    shrink = min(1.0, size[1] / frame.shape[0], size[0] / frame.shape[1])
    rows, columns = (max(1, int(side * shrink)) for side in frame.shape[:2])
    canvas[:rows, :columns] = frame if shrink == 1 else scaled_to(frame, rows, columns)
    return canvas
