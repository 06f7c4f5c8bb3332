"""The demo's film: each photograph is shown while the view glides over it, and dissolves into the next."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.decode import decode_picture

WIDTH, HEIGHT = 640, 480
SCENE_FRAMES = 240
"""From the beginning of one dissolve to the beginning of the next: 8 s at 30 frames a second."""
DISSOLVE_FRAMES = 45


@dataclass(frozen=True)
class Framing:
    """What is seen of a photograph: the centre, and the width, as fractions of its width and height."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Shot:
    """A photograph and the way over it."""

    photograph: str
    begin: Framing
    end: Framing

    def view(self, progress: float) -> Framing:
        """Return the view at `progress` from 0 to 1. The zoom is even to the eye: the same factor in each frame."""
        begin, end = self.begin, self.end
        width = begin.width * (end.width / begin.width) ** progress
        # The centre follows the zoom, so that the view glides towards one fixed point.
        way = progress if begin.width == end.width else (width - begin.width) / (end.width - begin.width)
        return Framing(begin.x + way * (end.x - begin.x), begin.y + way * (end.y - begin.y), width)


# Photographs in the wheel itself (nothing is downloaded), chosen for a clear subject in the central square.
SCENES = (
    Shot("chelsea.png", Framing(0.47, 0.5, 0.88), Framing(0.49, 0.46, 0.66)),
    Shot("coffee.png", Framing(0.54, 0.38, 0.66), Framing(0.54, 0.5, 0.88)),
    Shot("motorcycle_left.png", Framing(0.5, 0.52, 0.85), Framing(0.58, 0.5, 0.62)),
    Shot("astronaut.png", Framing(0.45, 0.3, 0.6), Framing(0.5, 0.42, 0.98)),
    Shot("rocket.jpg", Framing(0.5, 0.5, 0.87), Framing(0.5, 0.56, 0.62)),
)


class DemoFilm:
    """A function of the time alone; photographs are read when they are first seen."""

    def __init__(self, scenes: tuple[Shot, ...] = SCENES) -> None:
        self._scenes = scenes
        self._photographs: dict[str, NDArray[np.uint8]] = {}

    def frame(self, time: float) -> NDArray[np.uint8]:
        """Return RGB 480×640×3 at `time`, counted in frames from the beginning; the film repeats itself."""
        index, within = int(time // SCENE_FRAMES), time % SCENE_FRAMES
        image = self._look(index, within)
        if index == 0 or within >= DISSOLVE_FRAMES:
            return image
        share = within / DISSOLVE_FRAMES
        share = share * share * (3 - 2 * share)  # begins and ends gently
        before = self._look(index - 1, within + SCENE_FRAMES)
        return np.asarray(cv2.addWeighted(image, share, before, 1 - share, 0.0), dtype=np.uint8)

    def scene_start(self, index: int) -> float:
        """Return the time at which scene `index` alone is seen; before the first comes the last."""
        index = index % len(self._scenes) if index < 0 else index
        return float(index * SCENE_FRAMES + (DISSOLVE_FRAMES if index else 0))

    def _look(self, index: int, within: float) -> NDArray[np.uint8]:
        scene = self._scenes[index % len(self._scenes)]
        photograph = self._photograph(scene)
        view = scene.view(within / (SCENE_FRAMES + DISSOLVE_FRAMES))
        height, width = photograph.shape[:2]
        scale = view.width * width / WIDTH
        left = view.x * width - scale * WIDTH / 2 + scale / 2 - 0.5
        top = view.y * height - scale * HEIGHT / 2 + scale / 2 - 0.5
        place = np.array([[scale, 0, left], [0, scale, top]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(photograph, place, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, dtype=np.uint8)

    def _photograph(self, scene: Shot) -> NDArray[np.uint8]:
        if scene.photograph not in self._photographs:
            image = decode_picture(photograph_folder() / scene.photograph)
            # Enlarged once and well, so that the quick interpolation of every frame never has to enlarge.
            scale = WIDTH / (min(scene.begin.width, scene.end.width) * image.shape[1])
            self._photographs[scene.photograph] = np.asarray(
                cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8
            )
        return self._photographs[scene.photograph]


def photograph_folder() -> Path:
    """Return where scikit-image keeps its photographs; found without importing it, which takes long."""
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise ToolboxError("the demo shows photographs of scikit-image, which is missing: pip install scikit-image")
    return Path(package.origin).parent / "data"
