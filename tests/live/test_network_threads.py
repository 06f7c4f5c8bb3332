"""The network computes with all processors or leaves one to the window, whichever shows more frames."""

from __future__ import annotations

import pytest
import torch

from deepvis_toolbox.live.work import network_threads
from deepvis_toolbox.live.work.network_threads import IN_TURN, SECONDS_KNOWN, TURNS, NetworkThreads

TRIAL = 2 * TURNS * IN_TURN


class Machine:
    """A clock, and steps that take so many seconds with so many threads."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.used: list[int] = []
        self.number = max(seconds)
        self.threads = NetworkThreads(max(seconds), min(seconds), self._set, lambda: self.now)

    def _set(self, number: int) -> None:
        assert number != self.number
        self.number = number

    def _step(self) -> str:
        self.used.append(self.number)
        self.now += self.seconds[self.number]
        return "an answer"

    def frames(self, count: int, question: str = "a", is_still: bool = False) -> list[int]:
        """With how many threads the next frames are computed."""
        before = len(self.used)
        for _ in range(count):
            assert self.threads.run(question, is_still, self._step) == "an answer"
        return self.used[before:]


@pytest.mark.parametrize(
    ("seconds", "drawing", "best"),
    [
        ({2: 0.020, 1: 0.021}, 0.000, 2),
        ({2: 0.020, 1: 0.025}, 0.010, 1),  # 30 ms one after the other, 25 side by side
        ({2: 0.100, 1: 0.190}, 0.010, 2),  # a large network is worth both
        ({3: 0.020, 2: 0.028}, 0.009, 2),
        ({3: 0.020, 2: 0.028}, 0.007, 3),
    ],
)
def test_both_are_tried_and_the_one_that_shows_more_frames_stays(
    seconds: dict[int, float], drawing: float, best: int
) -> None:
    machine = Machine(seconds)
    machine.threads.drawing_seconds = drawing
    tried = machine.frames(TRIAL)
    assert tried == TURNS * (IN_TURN * [max(seconds)] + IN_TURN * [min(seconds)])
    assert set(machine.frames(20)) == {best}
    assert machine.threads.takes_all == (best == max(seconds))


def test_it_is_tried_again_when_the_machine_has_other_work() -> None:
    machine = Machine({2: 0.020, 1: 0.040})
    machine.frames(TRIAL)
    assert machine.frames(1) == [2]
    machine.seconds = {2: 0.080, 1: 0.041}  # another program holds a processor; each step waits for all threads
    machine.now += SECONDS_KNOWN
    machine.frames(TRIAL)
    assert machine.frames(5) == [1] * 5


def test_frames_of_one_trial_answer_the_same_question() -> None:
    machine = Machine({2: 0.020, 1: 0.022})
    machine.threads.drawing_seconds = 0.01
    machine.frames(TRIAL - 1)
    machine.seconds = {2: 0.060, 1: 0.090}  # another question takes longer
    assert machine.frames(TRIAL, "b") == TURNS * (IN_TURN * [2] + IN_TURN * [1])
    assert machine.frames(3, "b") == [2, 2, 2]


def test_a_picture_that_stands_still_gets_all_threads() -> None:
    machine = Machine({2: 0.020, 1: 0.022})
    machine.threads.drawing_seconds = 0.01
    machine.frames(TRIAL)
    assert machine.frames(2) == [1, 1]
    assert machine.frames(3, is_still=True) == [2, 2, 2]
    assert machine.threads.takes_all
    assert machine.frames(2) == [1, 1]
    machine.threads.use_all()
    assert machine.number == 2


@pytest.mark.parametrize(
    ("device", "threads", "there", "takes_all", "tries"),
    [
        ("cpu", 1, 1, True, False),
        ("cpu", 2, 2, True, True),
        ("cpu", 1, 2, False, False),  # the user's own OMP_NUM_THREADS
        ("cpu", 3, 3, True, True),
        ("cpu", 8, 8, False, False),  # one is spared at once
        ("cuda", 2, 2, False, False),
    ],
)
def test_what_a_machine_begins_with(
    device: str, threads: int, there: int, takes_all: bool, tries: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    monkeypatch.setattr(network_threads, "processors", lambda: there)
    chosen = NetworkThreads.of(device)
    assert chosen.takes_all == takes_all
    assert told == ([7] if there == 8 else [])
    for _ in range(TRIAL):
        chosen.run("a", False, lambda: None)
    assert (len(told) > (there == 8)) == tries
