"""All that grows in the time that the live view leaves: a unit's pictures, and its sketch in a training."""

from __future__ import annotations

from collections.abc import Iterable

from deepvis_toolbox.live.work.grower import Grower
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.unit_images.growth import Growth


class Growers:
    """Follows requests; each of both has its own share of the time. Belongs to the worker's thread."""

    def __init__(self, pictures: Grower | None = None, sketches: Grower | None = None) -> None:
        """`pictures` of the unit whose pictures are asked for; `sketches` of the one that is followed in training."""
        self._pictures, self._sketches = pictures, sketches

    @property
    def growth(self) -> Growth | None:
        """How far the pictures are that are asked for; None where none are."""
        return self._pictures.growth if self._pictures else None

    @property
    def sketch(self) -> Growth | None:
        """How far the sketch is of the unit that is followed in training; None where none is."""
        return self._sketches.growth if self._sketches else None

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to make."""
        return any(one.is_wanted for one in self._all())

    def follow(self, request: Request) -> None:
        """Make what this request asks for from now on."""
        if self._pictures:
            self._pictures.follow(request.growing)
        if self._sketches:
            self._sketches.follow(request.training.unit if request.training else None)

    def after_frame(self) -> None:
        """Note that a frame has been answered; make a step of what has waited for its share of the time."""
        for one in self._all():
            one.after_frame()

    def step(self) -> bool:
        """Make one step of each that is wanted; return True where it is time to show how far they are."""
        due = [one.step() for one in self._all() if one.is_wanted]
        return any(due)

    def _all(self) -> Iterable[Grower]:
        return [one for one in (self._pictures, self._sketches) if one]
