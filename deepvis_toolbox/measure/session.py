"""Answers measurements on a network: one picture after the other, equal questions once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Answer, Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.pass_maker import PassMaker, Picture
from deepvis_toolbox.measure.passes import MatchedUnits, Pass
from deepvis_toolbox.measure.references import References
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.images import Frame, RGBImage
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation


@dataclass(frozen=True)
class Taken:
    """The answers to some measurements of one picture."""

    image: RGBImage
    """The picture as the network saw it: RGB uint8 H×W×3."""
    answers: dict[Measurement[Any], Any]
    milliseconds: dict[str, float] = field(default_factory=dict)
    """What each step took: `preprocess`, `forward`, `backward`, `copy`."""
    refused: dict[Measurement[Any], ToolboxError] = field(default_factory=dict)
    """Questions that this network or picture has no answer to, and why."""
    bands: Frame | None = None
    """What the network was given, H×W×bands of its input's size, where that is more than the picture."""

    @property
    def fitted(self) -> Frame:
        """What the network was given."""
        return self.image if self.bands is None else self.bands


class Session:
    """Takes measurements; keeps the last picture's pass, so that further questions about it cost little.

    A picture that comes again (a still one, a frozen camera) runs no forward pass again for another layer, unit or
    mode, but for the one that makes its recording. Not for use by two threads at once.
    """

    def __init__(self, network: Network, other: Network | None = None, matched: MatchedUnits | None = None) -> None:
        """`other`: the network that `OTHER_NETWORK` stands for; `matched`: gives, for a layer's name, which of its
        units stand for this network's, int32 (units,); without it, or where it gives None, those of the same numbers
        do."""
        self.network = network
        self._references = References(network, other, matched)
        self._passes = PassMaker(network, self._references.pass_of)

    def take(self, frame: Frame, measurement: Measurement[Answer], stretch: bool = False) -> Answer:
        """Return the answer for a picture: RGB uint8 H×W×3 of any size (or more bands: see `Preprocessing.fit`).

        `stretch`: the whole picture is stretched to the network's input, instead of its largest fitting centre cut
        out. Raises `ToolboxError` for a layer or unit that the network does not have, and what the network raises.
        """
        taken = self.take_all(frame, [measurement], stretch=stretch)
        if measurement in taken.refused:
            raise taken.refused[measurement]
        answer: Answer = taken.answers[measurement]
        return answer

    def take_all(
        self,
        frame: Frame,
        measurements: Iterable[Measurement[Any]],
        *,
        stretch: bool = False,
        is_still: bool = False,
        token: object = None,
        perturbation: Perturbation | None = None,
        number: int = 0,
    ) -> Taken:
        """Return the answers for a picture, from as few passes as they need.

        `is_still`: more questions about this picture are expected. `token`: what stands for the frame where the caller
        knows that its array is not written to; the same token is not looked at again. `perturbation`: what is done to
        the picture first; `number`: the frame's, which its noise depends on.
        """
        laps = _Laps()
        picture = Picture(frame, stretch, token, perturbation or UNPERTURBED, number)
        self._references.follow(picture)
        passes, again = self._passes.over(picture)
        laps.end("preprocess")
        plans = _Plans(measurements, passes)
        for each, needs in plans.needs.items():
            each.run_forward(needs, record_all=(again or is_still) and each.has_references)
        laps.end("forward")
        for each, needs in plans.needs.items():
            each.run_backward(needs)
        laps.end("backward")
        taken = Taken(passes.image, {}, laps.milliseconds, plans.refused, passes.bands)
        for one in plans.asked:
            try:
                taken.answers[one] = one.take(passes)
            except ToolboxError as refusal:
                taken.refused[one] = _told(refusal)
        laps.end("copy")
        return taken


class _Plans:
    """What is read of each pass, all that is asked taken together; the passes that others are computed from come
    first."""

    def __init__(self, measurements: Iterable[Measurement[Any]], passes: Pass) -> None:
        self.asked: list[Measurement[Any]] = []
        self.refused: dict[Measurement[Any], ToolboxError] = {}
        self.needs: dict[Pass, Needs] = {passes.unperturbed: Needs(), passes: Needs()}
        for one in dict.fromkeys(measurements):
            try:
                planned = tuple(one.plan(passes))
            except ToolboxError as refusal:
                self.refused[one] = _told(refusal)
                continue
            self.asked.append(one)
            for each, needs in planned:
                self.needs[each] = self.needs.get(each, Needs()) | needs
        if passes is not passes.unperturbed and self.needs[passes.unperturbed] == Needs():
            del self.needs[passes.unperturbed]


def _told(refusal: ToolboxError) -> ToolboxError:
    """Return what a refusal says, without the way it came: that holds the pass, and is held by what holds the
    refusal."""
    return ToolboxError(str(refusal))


class _Laps:
    """Milliseconds of one step after the other."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.milliseconds[name] = (now - self._last) * 1000
        self._last = now
