"""Answers measurements on a network: one picture after the other, equal questions once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import torch

from deepvis_toolbox.measure.measurement import Answer, Measurement, Question
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.passes import Pass
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.images import RGBImage


@dataclass(frozen=True)
class Taken:
    """The answers to some measurements of one picture."""

    image: RGBImage
    """The picture as the network saw it: RGB uint8 H×W×3."""
    answers: dict[Question[Any], Any]
    milliseconds: dict[str, float] = field(default_factory=dict)
    """What each step took: `preprocess`, `forward`, `backward`, `copy`."""


class Session:
    """Takes measurements; keeps the last picture's pass, so that further questions about it cost little.

    A picture that comes again (a still one, a frozen camera) runs no forward pass again for another layer, unit or
    mode, but for the one that makes its recording. Not for use by two threads at once.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._pass: Pass | None = None
        self._seen: tuple[object, bool] | None = None
        self._fitted: RGBImage | None = None

    def take(self, frame: RGBImage, measurement: Measurement[Answer], stretch: bool = False) -> Answer:
        """Return the answer for a picture: RGB uint8 H×W×3 of any size.

        `stretch`: the whole picture is stretched to the network's input, instead of its largest fitting centre cut
        out. Raises `ToolboxError` for a layer or unit that the network does not have, and what the network raises.
        """
        answer: Answer = self.take_all(frame, [measurement], stretch=stretch).answers[measurement]
        return answer

    def take_all(
        self,
        frame: RGBImage,
        measurements: Iterable[Measurement[Any]],
        *,
        stretch: bool = False,
        is_still: bool = False,
        token: object = None,
    ) -> Taken:
        """Return the answers for a picture, from as few passes as they need.

        `is_still`: more questions about this picture are expected. `token`: what stands for the frame where the caller
        knows that its array is not written to; the same token is not looked at again.
        """
        asked = list(dict.fromkeys(measurements))
        laps = _Laps()
        passes, again = self._pass_over(frame, stretch, token)
        laps.end("preprocess")
        needs = reduce(or_, (one.needs(self.network) for one in asked), Needs())
        passes.run_forward(needs, record_all=again or is_still)
        laps.end("forward")
        passes.run_backward(needs)
        laps.end("backward")
        answers: dict[Question[Any], Any] = {one: one.take(passes) for one in asked}
        laps.end("copy")
        return Taken(passes.image, answers, laps.milliseconds)

    def _pass_over(self, frame: RGBImage, stretch: bool, token: object) -> tuple[Pass, bool]:
        """Return the picture's pass, and whether it is the last one's."""
        if self._pass and token is not None and self._seen == (token, stretch):
            return self._pass, True
        preprocessing = self.network.preprocessing
        fitted = preprocessing.fit(frame, stretch)
        again = token is None and self._fitted is not None and np.array_equal(self._fitted, fitted)
        if self._pass is None or not again:
            # Without a token it may be a part of an array that is written to later.
            fitted = fitted if token is not None else fitted.copy()
            values = torch.from_numpy(preprocessing.values_of(fitted))[None].to(self.network.device)
            seen = self.network.deprocess(values)[0] if preprocessing.channels == "gray" else fitted
            self._pass, self._fitted = Pass(self.network, seen, values), fitted
        self._seen = (token, stretch)
        return self._pass, again


class _Laps:
    """Milliseconds of one step after the other."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.milliseconds[name] = (now - self._last) * 1000
        self._last = now
