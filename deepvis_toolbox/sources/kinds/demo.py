"""A slow pan, zoom and dissolve over the photographs that scikit-image ships, for machines without a camera."""

from __future__ import annotations

from typing import Self

from deepvis_toolbox.sources.demo_film import SCENE_FRAMES, DemoFilm
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.pacing import Pacer
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS

RATE = 30.0


@register_source
class DemoSource(Source):
    """The same film each time: frame n always looks the same. Next and previous jump between photographs."""

    form = "demo"
    meaning = INPUT_FORMS.meaning("demo")

    @classmethod
    def claims(cls, text: str) -> bool:
        return text == "demo"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        return cls(options)

    def __init__(self, options: SourceOptions) -> None:
        self.name, self.rate = "demo", RATE
        self._film = DemoFilm()
        self._speed = options.demo_speed
        self._pacer = Pacer(RATE) if options.realtime else None
        self._number = 0
        self._time = 0.0

    def read(self) -> SourceFrame | None:
        image = self._film.frame(self._time)
        if self._pacer is not None:
            self._pacer.wait()
        frame = SourceFrame(image, FrameInfo(self.name, self._number))
        self._number += 1
        self._time += self._speed
        return frame

    def next(self) -> bool:
        return self._jump(1)

    def previous(self) -> bool:
        return self._jump(-1)

    def _jump(self, scenes: int) -> bool:
        self._time = self._film.scene_start(int(self._time // SCENE_FRAMES) + scenes)
        return True

    def interrupt(self) -> None:
        if self._pacer is not None:
            self._pacer.interrupt()
