"""A network that calls nearly every picture the same is noticed, once, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.live.same_answer import FEWEST_CLASSES, PICTURES, SameAnswer
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import ClassProbabilities
from deepvis_toolbox.measure.class_probabilities import Probabilities
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.perturbation import Perturbation


def called(best: int, source: str, classes: int = 12, is_still: bool = True) -> Snapshot:
    values = np.full(classes, 0.01, np.float32)
    values[best] = 0.8
    frame, image = FrameInfo(source, 0, is_still), np.zeros((4, 4, 3), np.uint8)
    return Snapshot(Request(), frame, image, {ClassProbabilities(): Probabilities(values)})


def state_of(count: int = 12) -> State:
    state = State()
    state.facts.labels = tuple(f"name {number}" for number in range(count))
    return state


def told(state: State, *snapshots: Snapshot) -> list[str]:
    watch = SameAnswer()
    return [said for each in snapshots if (said := watch.follow(state, each))]


def pictures(*classes: int, **how: Any) -> list[Snapshot]:
    return [called(best, f"{number}.jpg", **how) for number, best in enumerate(classes)]


@pytest.mark.parametrize(("others", "said"), [(0, "all 8 pictures are called"), (2, "6 of 8 pictures are called")])
def test_it_is_said_once_of_the_first_pictures(others: int, said: str) -> None:
    classes = [4, 5][:others] + [3] * (PICTURES - others)
    (sentence,) = told(state_of(), *pictures(*classes, *[3] * PICTURES))
    assert sentence.startswith(f'{said} "name 3"; if that is wrong')


@pytest.mark.parametrize(
    "snapshots",
    [
        [called(3, "one.jpg")] * 3 * PICTURES,
        pictures(*[3] * (PICTURES - 1)),
        pictures(4, 5, 6, *[3] * PICTURES),
        pictures(*[3] * PICTURES, is_still=False),
        pictures(*[3] * PICTURES, classes=FEWEST_CLASSES - 1),
    ],
    ids=["one picture", "few pictures", "three others", "a camera", "few classes"],
)
def test_nothing_is_said_of_others(snapshots: list[Snapshot]) -> None:
    assert told(state_of(), *snapshots) == []


def test_nothing_is_said_while_things_are_changed_or_in_training() -> None:
    same = pictures(*[3] * PICTURES)
    training = state_of()
    training.facts.is_training = True
    assert told(training, *same) == []
    for request in (Request(perturbation=Perturbation(noise=0.5)), Request(edits=(Edit("conv1", (0,), "zero"),))):
        assert told(state_of(), *(replace(each, request=request) for each in same)) == []
