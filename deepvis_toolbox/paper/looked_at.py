"""The pictures that figures look at: a data set's, or the demo's photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.demo_film import SCENE_FRAMES, SCENES, DemoFilm
from deepvis_toolbox.sources.picture_process import PictureNotDecoded, decode_apart
from deepvis_toolbox.words.images import RGBImage

LOOKS = 2
"""At each of the demo's photographs: near its scene's beginning, and near its end."""


Fit = Callable[[RGBImage], RGBImage]
"""From a picture of any size to the part that a network sees, at its size."""


def demo_frames(fit: Fit) -> tuple[tuple[RGBImage, ...], str]:
    """Return frames of the demo as `fit` leaves them, uint8 (H, W, 3), and what they are in words."""
    film = DemoFilm()
    times = [(scene + (look + 0.5) / LOOKS) * SCENE_FRAMES for scene in range(len(SCENES)) for look in range(LOOKS)]
    return tuple(np.ascontiguousarray(fit(film.frame(time))) for time in times), "frames of the demo"


def pictures_of(pictures: PictureList, most: int, fit: Fit) -> tuple[tuple[RGBImage, ...], str]:
    """Return up to `most` pictures as `fit` leaves them, uint8 (H, W, 3), evenly spread over the list, and what they
    are in words; those that cannot be read are left out. `ToolboxError` where none can,
    or a decoder was killed."""
    count = len(pictures)
    chosen = sorted({index * count // most for index in range(most)}) if count > most else range(count)
    frames = tuple(np.ascontiguousarray(fit(each)) for each in _readable(pictures.path(index) for index in chosen))
    if not frames:
        raise ToolboxError("none of the pictures after --images can be read")
    return frames, f"{len(frames)} of {count} that were given"


def _readable(paths: Iterator[str]) -> Iterator[RGBImage]:
    for path in paths:
        try:
            yield decode_apart(path)
        except PictureNotDecoded:  # it is not to blame, and another time the figure would have it
            raise
        except UnreadablePicture:
            continue
