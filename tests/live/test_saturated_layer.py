"""A network whose first layer is saturated is noticed, once, and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import load_network, measure
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.saturated_layer import PICTURES, SaturatedLayer
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import AtTheEnds, Ends
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.sources.decode import decode_picture
from deepvis_toolbox.sources.demo_film import photograph_folder
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.perturbation import Perturbation
from tests.nets import opened

ASKED = AtTheEnds("act")


class Squashed(nn.Module):
    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.conv, self.act, self.fc = nn.Conv2d(3, 4, 1, bias=False), act, nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


def state_of(network: Network) -> State:
    state = State()
    state.facts.layers = tuple(network.layers.values())
    return state


@pytest.fixture(scope="module")
def state() -> State:
    return state_of(opened(Squashed(nn.ReLU6()).eval(), (8, 8)))


def seen(ends: Ends, number: int = 0, source: str = "film", is_still: bool = False) -> Snapshot:
    frame = FrameInfo(source, number, is_still)
    return Snapshot(Request(), frame, np.zeros((4, 4, 3), np.uint8), {ASKED: ends})


def told(state: State, snapshots: list[Snapshot]) -> list[str]:
    watch = SaturatedLayer()
    return [said for each in snapshots if (said := watch.follow(state, each))]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (Ends(0.6, 0.35), "95% of act is off, or as large as it can be; if that is wrong, try another --mean, --std"),
        (Ends(0.98, 0.001), "98% of act is off; if that is wrong, try another --mean, --std or --scale"),
    ],
)
def test_it_is_said_once_of_the_first_pictures_or_frames(state: State, ends: Ends, said: str) -> None:
    for pictures in (
        [seen(ends, number) for number in range(3 * PICTURES)],
        [seen(ends, 0, f"{number}.jpg", is_still=True) for number in range(3 * PICTURES)],
    ):
        (sentence,) = told(state, pictures)
        assert sentence.startswith(said)


@pytest.mark.parametrize("ends", [Ends(0.95, 0.001), Ends(0.5, 0.3), Ends(0.0, 0.0)])
def test_nothing_is_said_of_others(state: State, ends: Ends) -> None:
    assert told(state, [seen(ends, number) for number in range(3 * PICTURES)]) == []
    one = [seen(Ends(0.6, 0.4), number, "one.jpg", is_still=True) for number in range(3 * PICTURES)]
    assert told(state, one) == []


def test_the_layer_is_asked_for_until_that_is_known_and_not_while_things_are_changed(state: State) -> None:
    def asked(watch: SaturatedLayer, state: State) -> bool:
        state.facts.noticing = frozenset()
        without = make_request(state).questions - {ASKED}
        state.facts.noticing = watch.questions(state)
        assert make_request(state).questions - {ASKED} == without
        return ASKED in make_request(state).questions

    watch, bad = SaturatedLayer(), Ends(0.6, 0.4)
    assert asked(watch, state)
    for changed in (Request(perturbation=Perturbation(noise=0.5)), Request(edits=(Edit("conv", (0,), "zero"),))):
        for number in range(2 * PICTURES):
            assert not watch.follow(state, replace(seen(bad, number), request=changed))
    for number in range(PICTURES):
        watch.follow(state, seen(Ends(0.2, 0.0), number))
    assert not asked(watch, state)
    training = State()
    training.facts = replace(state.facts, is_training=True)
    linear = state_of(opened(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)).eval(), (8, 8)))
    for other in (training, State(), linear):
        assert not asked(SaturatedLayer(), other)


@pytest.mark.parametrize(
    ("act", "values", "wanted"),
    [
        (nn.ReLU6(), [-1.0, 0.0, 3.0, 100.0], Ends(0.5, 0.25)),
        (nn.Tanh(), [-50.0, 0.0, 50.0, 70.0], Ends(0.25, 0.5)),
        (nn.Sigmoid(), [-90.0, 0.5, 0.2, 90.0], Ends(0.25, 0.25)),
        (nn.ReLU(), [-1.0, -2.0, -3.0, 4.0], Ends(0.75, 0.25)),
        (nn.ReLU(), [-1.0, -2.0, -3.0, -4.0], Ends(0.0, 0.0)),
    ],
)
def test_the_shares_at_the_ends_are_right(act: nn.Module, values: list[float], wanted: Ends) -> None:
    module = Squashed(act).eval()
    with torch.no_grad():
        module.conv.weight.zero_()
        for unit, value in enumerate(values):  # a unit for each value, of a white picture
            module.conv.weight[unit, 0] = value / 255
    frame = np.full((8, 8, 3), 255, np.uint8)
    assert measure.Session(opened(module, (8, 8))).take(frame, ASKED) == wanted


@pytest.mark.parametrize(
    ("how", "is_said"),
    [({}, False), ({"mean": 0.0, "std": 255.0}, False), ({"mean": 0.0, "std": 1.0}, True)],
    ids=["as in training", "0 to 1", "0 to 255"],
)
def test_the_default_network_is_noticed_where_pixels_go_in_as_they_are(how: dict[str, float], is_said: bool) -> None:
    with load_network(device="cpu", **how) as network:
        watch, state, session = SaturatedLayer(), state_of(network), measure.Session(network)
        photographs = [decode_picture(path) for path in sorted(photograph_folder().glob("*.jpg"))]
        pictures = [*photographs, *(picture[:, ::-1] for picture in photographs)][:PICTURES]
        sentences = []
        for number, picture in enumerate(pictures):
            (question,) = watch.questions(state)
            assert question == AtTheEnds("stem")
            answers = {question: session.take(picture, question)}
            snapshot = Snapshot(Request(), FrameInfo(f"{number}.jpg", 0, True), np.zeros((1, 1, 3), np.uint8), answers)
            sentences.append(watch.follow(state, snapshot))
        assert [bool(sentence) for sentence in sentences] == [False] * (PICTURES - 1) + [is_said]
