"""What the window asks of the worker: a set of questions, and how the frame is cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deepvis_toolbox.live.work.training_progress import TrainingProgress
from deepvis_toolbox.measure import ContributionMap, Edited, InputContributions
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.unit_images.growth import Growth
from deepvis_toolbox.words.comparison import UnitMatching
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation
from deepvis_toolbox.words.unit import Unit


@dataclass(frozen=True)
class GrowingPictures(Question[Growth]):
    """How far are the unit's preferred images, which are made on demand as far as time is left?

    No pass over a frame answers it: the worker's grower does, over many frames.
    """

    unit: Unit


@dataclass(frozen=True)
class TrainingOf(Question[TrainingProgress]):
    """How does a unit change over the checkpoints of a training that is watched? The worker remembers it."""

    unit: Unit


@dataclass(frozen=True)
class MatchedUnits(Question[UnitMatching]):
    """Which unit of the other network stands for each of a layer's? Found over many frames."""

    layer: str


@dataclass(frozen=True)
class GrowingAverage(Question[ContributionMap]):
    """What does each place contribute to a unit, the gradient averaged over the frames of a picture that stands still?

    The frame processor keeps the sum; the request asks `of` as well.
    """

    of: InputContributions

    @property
    def origin(self) -> Unit:
        """The unit where the backward pass starts."""
        return self.of.origin


@dataclass(frozen=True)
class Request:
    """What to answer for each frame. Two equal requests are answered by the same snapshot."""

    questions: frozenset[Question[Any]] = field(default_factory=frozenset)
    stretch: bool = False
    """The frame is stretched to the network's input; otherwise its largest fitting centre is cropped."""
    edits: tuple[Edit, ...] = ()
    """Changes to the network for the passes that answer all questions but those that compare."""
    perturbation: Perturbation = UNPERTURBED
    """What is done to the picture before that."""

    @property
    def measurements(self) -> dict[Measurement[Any], Question[Any]]:
        """What is measured, always in the same order, and the question that each answers: the same one, asked of the
        edited pass where there are edits."""
        asked = sorted((one for one in self.questions if isinstance(one, Measurement)), key=repr)
        if not self.edits:
            return {one: one for one in asked}
        return {one if one.compares else Edited(self.edits, one): one for one in asked}

    @property
    def average(self) -> GrowingAverage | None:
        """What is averaged over frames; None where nothing is."""
        return next((one for one in self.questions if isinstance(one, GrowingAverage)), None)

    @property
    def growing(self) -> Unit | None:
        """The unit whose pictures are to be made; None where none are."""
        return next((one.unit for one in self.questions if isinstance(one, GrowingPictures)), None)

    @property
    def training(self) -> TrainingOf | None:
        """The question of how a unit changes in training; None where it is not asked."""
        return next((one for one in self.questions if isinstance(one, TrainingOf)), None)
