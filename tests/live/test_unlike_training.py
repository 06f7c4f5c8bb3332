"""Pictures on another scale than in training are noticed by the first batch norm, once; dim and bright ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import load_network, measure
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.unlike_training import PICTURES, UnlikeTraining
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import SpreadInTraining, TrainedSpread
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.sources.decode import decode_picture
from deepvis_toolbox.sources.demo_film import photograph_folder
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import RGBImage
from tests.nets import opened

SHARED = Path(__file__).resolve().parents[3] / "shared"
HOW = {"as in training": {}, "0 to 1": {"mean": 0.0, "std": 255.0}, "0 to 255": {"mean": 0.0, "std": 1.0}}
LIGHTS: dict[str, Callable[[RGBImage], RGBImage]] = {
    "as they are": lambda picture: picture,
    "dim": lambda picture: (picture * 0.25).astype(np.uint8),
    "nearly black": lambda picture: (picture * 0.02).astype(np.uint8),
    "bright": lambda picture: (picture * 0.3 + 178).astype(np.uint8),
    "negative": lambda picture: 255 - picture,
    "black and white": lambda picture: np.where(picture > 127, 255, 0).astype(np.uint8),
}


def photographs() -> list[RGBImage]:
    folders = [photograph_folder(), *(path for path in [SHARED] if path.is_dir())]
    paths = sorted(path for folder in folders for path in folder.rglob("*.jpg"))
    return [decode_picture(path) for path in paths[:16]]


class PlainReLU(nn.Module):
    """As a ResNet begins: a convolution, a batch norm whose statistics are those of the photographs, a ReLU."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 7, 2, 3, bias=False), nn.BatchNorm2d(32, momentum=None)
        self.relu, self.fc = nn.ReLU(), nn.Linear(32, 5)
        with torch.no_grad():
            self.bn1.weight.uniform_(0.2, 2)
            self.bn1.bias.normal_()
            self.train()
            self(torch.cat([network.preprocess(picture) for picture in photographs()]))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.bn1(self.conv1(x))).mean((2, 3)))


def sentences(network: Network, pictures: list[RGBImage]) -> list[str]:
    watch, state, session = UnlikeTraining(), State(), measure.Session(network)
    state.facts.layers = tuple(network.layers.values())
    said = []
    for number, picture in enumerate(pictures):
        answers = {question: session.take(picture, question) for question in watch.questions(state)}
        frame = FrameInfo(f"{number}.jpg", 0, is_still=True)
        said.append(watch.follow(state, Snapshot(Request(), frame, np.zeros((1, 1, 3), np.uint8), answers)))
    assert not watch.questions(state) or len(pictures) < PICTURES or not any(said)
    return [each for each in said if each]


@pytest.fixture(scope="module", params=["default network", "plain ReLU"])
def network_as(request: pytest.FixtureRequest) -> Callable[[str], Network]:
    def made(how: str) -> Network:
        network = load_network(device="cpu", **HOW[how])
        if request.param == "default network":
            return network
        plain = opened(PlainReLU(load_network(device="cpu")).eval(), (224, 224))
        plain.preprocessing = network.preprocessing
        return plain

    return made


@pytest.mark.parametrize("light", LIGHTS)
def test_pictures_that_are_prepared_as_in_training_are_not_noticed(network_as, light: str) -> None:
    network = network_as("as in training")
    pictures = [LIGHTS[light](picture) for picture in photographs()]
    for first in range(0, len(pictures) - PICTURES + 1, 2):
        assert sentences(network, pictures[first : first + PICTURES]) == []


@pytest.mark.parametrize(("how", "said"), [("0 to 255", r"varies \d\d times as much as in training"), ("0 to 1", "")])
def test_pixels_as_they_are_are_noticed_where_a_network_wants_a_deviation_of_one(network_as, how, said) -> None:
    found = sentences(network_as(how), photographs())
    assert len(found) == bool(said)
    for sentence in found:
        assert pytest.approx(58, rel=0.5) == float(sentence.split(" varies ")[1].split()[0])
        assert sentence.endswith("times as much as in training; if that is wrong, try another --mean, --std or --scale")


def test_pixels_of_0_to_1_are_noticed_where_a_network_wants_them_as_they_are() -> None:
    with load_network(device="cpu", mean=127.0, std=1.0) as network:
        module = PlainReLU(network)
    right, wrong = (opened(module, (224, 224)) for _ in range(2))
    with load_network(device="cpu", mean=127.0, std=1.0) as network:
        right.preprocessing = network.preprocessing
    with load_network(device="cpu", mean=127.0, std=255.0) as network:
        wrong.preprocessing = network.preprocessing
    assert sentences(right, photographs()) == []
    (said,) = sentences(wrong, photographs())
    assert said.startswith("bn1 varies a ")
    assert pytest.approx(255, rel=0.5) == float(said.split(" varies a ")[1].split("th ")[0])
    assert sentences(wrong, [LIGHTS["nearly black"](picture) for picture in photographs()]) == []


def test_the_spread_is_that_of_plain_torch() -> None:
    with load_network(device="cpu") as network:
        module = PlainReLU(network)
        net = opened(module, (224, 224))
        picture = np.ascontiguousarray(photographs()[0][:224, :224])
        found = measure.Session(net).take(picture, SpreadInTraining())
        given = measure.Session(net).take(picture, measure.LayerMaps("bn1")).maps
    ratios = torch.from_numpy(given).flatten(1).std(1, correction=0) / module.bn1.weight.detach().abs()
    assert found.layer == "bn1"
    assert found.usual == pytest.approx(float(np.median(ratios.numpy())), rel=1e-4)
    assert found.largest == pytest.approx(float(ratios.max()), rel=1e-4)


def test_networks_without_a_batch_norm_above_the_picture_are_asked_once() -> None:
    network = opened(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)).eval())
    assert measure.Session(network).take(photographs()[0], SpreadInTraining()) == TrainedSpread("")
    assert sentences(network, photographs()[:2]) == []
    watch, state = UnlikeTraining(), State()
    assert not watch.questions(state)  # no network yet
    state.facts.layers = tuple(network.layers.values())
    answers = {SpreadInTraining(): TrainedSpread("")}
    watch.follow(state, Snapshot(Request(), FrameInfo("a", 0, True), np.zeros((1, 1, 3), np.uint8), answers))
    assert not watch.questions(state)


def test_a_changed_network_is_not_judged() -> None:
    watch, state = UnlikeTraining(), State()
    state.facts.layers = tuple(opened(nn.Sequential(nn.Conv2d(3, 4, 3)).eval()).layers.values())
    wide = {SpreadInTraining(): TrainedSpread("bn1", 50.0, 90.0, 60.0)}
    edited = Request(edits=(Edit("conv", (0,), "zero"),))
    for number in range(2 * PICTURES):
        frame = FrameInfo(f"{number}.jpg", 0, is_still=True)
        assert not watch.follow(state, Snapshot(edited, frame, np.zeros((1, 1, 3), np.uint8), wide))
    said = [
        watch.follow(state, Snapshot(Request(), FrameInfo("film", n), np.zeros((1, 1, 3), np.uint8), wide))
        for n in range(3 * PICTURES)
    ]
    assert [bool(each) for each in said] == [n == PICTURES - 1 for n in range(3 * PICTURES)]
    assert said[PICTURES - 1].startswith("bn1 varies 50 times as much as in training")
