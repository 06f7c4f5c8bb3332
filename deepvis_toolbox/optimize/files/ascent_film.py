"""The ascent as a film: every step of the pictures that climb together, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from deepvis_toolbox.drawing.film import Film, FilmStoppedError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.shown_image import seen_part, true_colours
from deepvis_toolbox.optimize.method.canvas import at_side
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.unit_images.montage import enlarged, in_square, scaled_to
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Rect

FRAMES_PER_SECOND = 25
SMALLEST_SIDE = 224
"""Smaller pictures (units low in the network) are shown enlarged by a whole number."""
LARGEST_SIDE = 4096
BACKGROUND = 128


@contextmanager
def filming(net: Network, path: Path) -> Iterator[AscentFilm]:
    """Yield a film to be handed to the ascent as its watch; in its place on leaving, unless nothing was filmed.

    `FilmStoppedError` on leaving where it could not be written to its end, such as on a full disk.
    """
    with Film(path, FRAMES_PER_SECOND, BACKGROUND) as film:
        yield AscentFilm(net, film)


class AscentFilm:
    """A batch watch that films a frame a step. Batches follow one another.

    Pictures are shown in true colours, since a scale of each frame's own would flicker.
    """

    def __init__(self, net: Network, film: Film) -> None:
        self._net, self._film = net, film
        self._shown: dict[AscentTask, RGBImage] = {}

    def __call__(
        self,
        batch: Sequence[AscentTask],
        step: int,
        rows: torch.Tensor,
        x: torch.Tensor,
        objectives: torch.Tensor,  # noqa: ARG002
    ) -> None:
        """Do as `preferred.BatchWatch`. A picture that has ended stays as it was."""
        if step == 0:
            self._shown = {}
        for row, image in zip(rows.tolist(), x.cpu().numpy(), strict=True):
            how, part = self._net.preprocessing, seen_part(self._net, batch[row].target)
            if image.shape[1:] != how.size:  # larger than the input
                how, part = at_side(how, image.shape[1]), Rect(0, 0, *image.shape[1:])
            self._shown[batch[row]] = enlarged(true_colours(image, part, how), SMALLEST_SIDE)
        with suppress(FilmStoppedError):  # told at the end: the pictures go on without it
            self._film.add(_side_by_side([self._shown[picture] for picture in batch]))


def _side_by_side(pictures: Sequence[RGBImage]) -> RGBImage:
    """Arrange the pictures row by row in a square grid; sides even, as a film's format asks, and no larger than it
    allows."""
    canvas = in_square(pictures)
    shrink = min(1.0, LARGEST_SIDE / max(canvas.shape))
    rows, cols = (max(2, int(side * shrink) // 2 * 2) for side in canvas.shape[:2])
    return canvas[:rows, :cols] if shrink == 1 else scaled_to(canvas, rows, cols)
