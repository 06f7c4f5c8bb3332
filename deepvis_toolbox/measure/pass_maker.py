"""Makes the pass over a picture, and keeps the last one: a picture that comes again is not computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
import torch

from deepvis_toolbox.measure.passes import MatchedUnits, Pass
from deepvis_toolbox.measure.perturbing import perturbed
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.comparison import Reference
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Frame, RGBImage
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation


class Picture(NamedTuple):
    """A frame, and how it becomes what the network sees."""

    frame: Frame
    stretch: bool = False
    token: object = None
    """What stands for the frame where its array is not written to; the same token is not looked at again."""
    perturbation: Perturbation = UNPERTURBED
    number: int = 0
    """The frame's, which the perturbation's noise depends on."""


class PassMaker:
    """Of one network."""

    def __init__(
        self,
        network: Network,
        references: Callable[[Reference], Pass] | None = None,
        matched: MatchedUnits | None = None,
    ) -> None:
        """Take `references` and `matched` for the passes that it makes; see `Pass`."""
        self._network = network
        self._references, self._matched = references, matched
        self._pass: Pass | None = None
        self._seen: tuple[object, ...] | None = None
        self._fitted: Frame | None = None
        self._changed: tuple[Pass, Perturbation, int, Pass] | None = None

    def over(self, picture: Picture) -> tuple[Pass, bool]:
        """Return the pass over a picture, perturbed as it says, and whether the frame has come again without a
        token."""
        passes, again = self._pass_over(picture)
        if not picture.perturbation:
            self._changed = None
            return passes, again
        key = (passes, picture.perturbation, picture.number)
        if self._changed is None or self._changed[:3] != key:
            image = perturbed(passes.fitted, picture.perturbation, picture.number)
            self._changed = (*key, self._new_pass(image, passes))
        return self._changed[3], again

    def _pass_over(self, picture: Picture) -> tuple[Pass, bool]:
        seen = (picture.token, picture.stretch)
        if self._pass and picture.token is not None and self._seen == seen:
            return self._pass, True
        fitted = self._network.preprocessing.fit(picture.frame, picture.stretch)
        again = picture.token is None and self._fitted is not None and np.array_equal(self._fitted, fitted)
        if self._pass is None or not again:
            # Without a token it may be a part of an array that is written to later.
            fitted = fitted if picture.token is not None else fitted.copy()
            self._pass, self._fitted = self._new_pass(fitted), fitted
        self._seen = seen
        return self._pass, again

    def _new_pass(self, fitted: Frame, came: Pass | None = None) -> Pass:
        return pass_over_fitted(self._network, fitted, came, self._references, matched=self._matched)


def pass_over_fitted(
    network: Network,
    fitted: Frame,
    came: Pass | None = None,
    references: Callable[[Reference], Pass] | None = None,
    edits: tuple[Edit, ...] = (),
    matched: MatchedUnits | None = None,
) -> Pass:
    """Return a new pass over a frame that has the network's input's size, H×W×bands; `came`, `references`, `edits`,
    `matched`: see `Pass`."""
    preprocessing = network.preprocessing
    values = torch.from_numpy(preprocessing.values_of(fitted))[None].to(network.device)
    is_shown = preprocessing.shows_pictures and fitted.shape[2] == 3
    seen = cast(RGBImage, fitted) if is_shown else network.deprocess(values)[0]
    bands = None if is_shown else fitted
    return Pass(network, seen, values, None, edits, came, references, matched, bands)
