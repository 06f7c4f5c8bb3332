"""Measurements, without a window: each against plain torch, from as few passes as they need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import measure
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure import (
    BackwardImage,
    ClassProbabilities,
    LayerGradients,
    LayerMaps,
    Measurement,
    Needs,
    Pass,
)
from deepvis_toolbox.measure.layer_maps import channels_first
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit
from tests.nets import opened


class SmallNet(nn.Module):
    """Two convolutions, a pool and classes, 32×32 in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(12 * 8 * 8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv2(torch.relu(self.conv1(x)))))
        return self.fc(x.flatten(1)).softmax(1)


@pytest.fixture
def network() -> TorchNetwork:
    return opened(SmallNet())


def picture(seed: int = 0, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


def plain(network: TorchNetwork, frame: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The module itself, layer by layer: values with gradients, and the input."""
    module = SmallNet().eval()
    x = network.preprocess(frame).clone().requires_grad_()
    values = {"conv1": module.conv1(x)}
    values["relu1"] = torch.relu(values["conv1"])
    values["conv2"] = module.conv2(values["relu1"])
    values["relu2"] = torch.relu(values["conv2"])
    values["pool"] = module.pool(values["relu2"])
    values["fc"] = module.fc(values["pool"].flatten(1))
    return values, x


def test_maps_and_probabilities_are_the_modules(network: TorchNetwork) -> None:
    frame, session = picture(), measure.Session(network)
    values, _ = plain(network, frame)
    answer = session.take(frame, LayerMaps("pool"))
    np.testing.assert_allclose(answer.maps, values["pool"][0].detach(), atol=1e-5)
    np.testing.assert_array_equal(np.asarray(answer), answer.maps)
    assert answer.maps.flags.c_contiguous
    probabilities = session.take(frame, ClassProbabilities())
    np.testing.assert_allclose(probabilities.probabilities, values["fc"].softmax(1)[0].detach(), atol=1e-5)
    assert probabilities.best(3) == values["fc"][0].argsort(descending=True)[:3].tolist()


@pytest.mark.parametrize("unit", [0, 5])
def test_a_backward_image_is_the_derivative_from_the_units_own_map(network: TorchNetwork, unit: int) -> None:
    frame = picture(1)
    values, x = plain(network, frame)
    diff = torch.zeros_like(values["pool"])
    diff[:, unit] = values["pool"][:, unit]
    (expected,) = torch.autograd.grad(values["pool"], x, diff)
    answer = measure.Session(network).take(frame, BackwardImage("pool", unit))
    assert answer.image.shape == (32, 32, 3)
    np.testing.assert_allclose(answer.image, expected[0].permute(1, 2, 0), atol=1e-5)


@pytest.mark.parametrize("mode", ["grad", "deconv", "guided"])
@pytest.mark.parametrize(("layer", "unit"), [("conv2", 5), ("fc", 2)])
def test_gradients_are_those_of_the_verb_backward(
    network: TorchNetwork, layer: str, unit: int, mode: BackwardMode
) -> None:
    frame = picture(1)
    x = network.preprocess(frame)
    value = network.forward(x, [layer])[layer]
    diff = torch.zeros(value.shape)
    diff[:, unit] = value[:, unit]
    expected = network.backward(x, layer, diff, mode, [network.input_name, "conv1"])
    session = measure.Session(network)
    at_input = session.take(frame, BackwardImage(layer, unit, mode))
    at_conv1 = session.take(frame, LayerGradients("conv1", Unit(layer, unit), mode))
    np.testing.assert_allclose(at_input.image, expected[network.input_name][0].permute(1, 2, 0).numpy(), atol=1e-6)
    np.testing.assert_allclose(at_conv1.maps, expected["conv1"][0].numpy(), atol=1e-6)


class Counted:
    """The verbs of a network, counted."""

    def __init__(self, network: TorchNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forward = self.record = self.backward = 0
        for verb in ("forward", "record"):
            monkeypatch.setattr(network, verb, self._counting(verb, getattr(network, verb)))

    def _counting(self, verb: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            setattr(self, verb, getattr(self, verb) + 1)
            result = function(*arguments, **named)
            if verb == "record":
                result.backward = self._counting("backward", result.backward)
            return result

        return counting


def test_all_questions_about_a_frame_share_one_pass_and_equal_backward_passes(
    network: TorchNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(network, monkeypatch)
    asked = [LayerMaps("conv1"), LayerMaps("conv2"), ClassProbabilities(), LayerMaps("conv1")]
    measure.Session(network).take_all(picture(), asked)
    assert (counted.forward, counted.record) == (1, 0)
    backward = [BackwardImage("conv2", 3), LayerGradients("conv1", Unit("conv2", 3), "grad")]
    taken = measure.Session(network).take_all(picture(), [*asked, *backward])
    assert (counted.forward, counted.record, counted.backward) == (1, 1, 1)
    assert set(taken.answers) == {*asked, *backward}


def test_a_picture_that_comes_again_runs_one_more_pass_and_then_none(
    network: TorchNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, session = Counted(network, monkeypatch), measure.Session(network)
    for layer in ("conv1", "conv2", "pool", "fc"):
        session.take(picture(), LayerMaps(layer))
        session.take(picture().copy(), BackwardImage(layer, 1))
    assert (counted.forward, counted.record) == (1, 1)


def test_an_array_that_was_written_to_is_another_picture(network: TorchNetwork) -> None:
    session, frame = measure.Session(network), picture(size=(32, 32))
    before = session.take(frame, LayerMaps("conv1")).maps
    frame[...] = 255 - frame
    np.testing.assert_array_equal(
        session.take(frame, LayerMaps("conv1")).maps, measure.Session(network).take(frame, LayerMaps("conv1")).maps
    )
    assert not np.array_equal(before, session.take(frame, LayerMaps("conv1")).maps)


def test_stretching_is_another_picture(network: TorchNetwork) -> None:
    session, wide = measure.Session(network), picture(size=(40, 120))
    cropped = session.take(wide, LayerMaps("conv1")).maps
    stretched = session.take(wide, LayerMaps("conv1"), stretch=True).maps
    assert not np.array_equal(cropped, stretched)
    x = network.preprocessing.values_of(network.preprocessing.fit(wide, True))
    expected = network.forward(torch.from_numpy(x)[None], ["conv1"])["conv1"][0]
    np.testing.assert_array_equal(stretched, expected)


@dataclass(frozen=True)
class Undeclared(Measurement[float]):
    """Says nothing of what it will read."""

    layer: str

    def take(self, passes: Pass) -> float:
        diff = torch.ones_like(passes.activations(self.layer))
        arrived = passes.gradients(self.layer, diff, "grad", [passes.network.input_name])[passes.network.input_name]
        return float(arrived.sum())


def test_a_measurement_of_ones_own_may_read_whatever_it_likes(network: TorchNetwork) -> None:
    frame = picture(4)
    values, x = plain(network, frame)
    (expected,) = torch.autograd.grad(values["fc"].sum(), x)
    taken = measure.Session(network).take_all(frame, [LayerMaps("conv1"), Undeclared("fc")])
    assert taken.answers[Undeclared("fc")] == pytest.approx(float(expected.sum()), abs=1e-3)
    assert Undeclared("fc").needs(network) == Needs()


def test_notes_say_why_there_is_nothing(network: TorchNetwork) -> None:
    session, frame = measure.Session(network), picture()
    above = session.take(frame, LayerGradients("fc", Unit("conv1", 0), "grad"))
    assert not above.maps.any()
    assert "fc is above the origin conv1" in above.note
    black = np.zeros((32, 32, 3), np.uint8)
    value = session.take(black, LayerMaps("pool")).maps
    dead = next((unit for unit in range(12) if not value[unit].any()), None)
    assert dead is not None, "this seed has a unit that is off for black"
    gradient = session.take(black, BackwardImage("pool", dead))
    assert not gradient.image.any()
    assert f"unit pool:{dead} is off" in gradient.note


class SureNet(nn.Module):
    """A softmax that is exactly 1 for the first class: its derivative is exactly zero."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 4)
        nn.init.zeros_(self.fc.weight)
        self.fc.bias.data[:] = torch.tensor([1e4, 0, 0, 0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1)).softmax(1)


def test_a_saturated_softmax_is_not_called_off() -> None:
    sure = opened(SureNet(), (8, 8))
    prob = list(sure.layers)[-1]
    gradient = measure.Session(sure).take(picture(), BackwardImage(prob, 0))
    assert not gradient.image.any()
    assert gradient.note == f"the gradient is exactly zero although {prob}:0 is 1: the softmax is saturated"
    off = measure.Session(sure).take(picture(), BackwardImage(prob, 2))
    assert off.note == f"the gradient is exactly zero: unit {prob}:2 is off"


def test_a_grey_network_shows_the_grey_picture_that_it_sees() -> None:
    class Grey(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x)

    description = ModelDescription("grey", Preprocessing((32, 32), "gray"))
    grey = TorchNetwork(trace(Grey(), (1, 32, 32)), description, torch.device("cpu"))
    frame = picture(size=(32, 32))
    image = measure.Session(grey).take_all(frame, []).image
    assert (image == image[..., :1]).all()
    assert np.abs(image[..., 0] - cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(float)).max() <= 1


class RootNet(nn.Module):
    """The root of a square: where that is zero, its derivative is infinite, and infinite times zero is NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        nn.init.zeros_(self.conv1.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(torch.square(self.conv1(x)))


class OffNet(nn.Module):
    """A layer whose every unit is off."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(-x.abs() - 1)


def test_values_that_are_not_finite_or_all_zero_are_told() -> None:
    root = opened(RootNet(), (8, 8))
    black = root.deprocess(torch.zeros(1, 3, 8, 8))[0]
    assert not root.preprocess(black).any()
    gradient = measure.Session(root).take(black, BackwardImage(list(root.layers)[-1], 0))
    assert np.isnan(gradient.image).all()
    assert gradient.note == "192 values are not finite"
    off = opened(OffNet(), (8, 8))
    maps = measure.Session(off).take(picture(), LayerMaps(list(off.layers)[-1]))
    assert maps.note == "every activation of this layer is exactly zero"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (LayerMaps("conv9"), 'no layer "conv9"'),
        (BackwardImage("conv2", 12), 'layer "conv2" has units 0 to 11, not 12'),
        (BackwardImage("conv2", -1), "not -1"),
        (BackwardImage("conv2", 0, "deconf"), "unknown backward mode"),  # type: ignore[arg-type]
        (LayerGradients("conv9", Unit("conv2", 0), "grad"), 'no layer "conv9"'),
    ],
)
def test_what_the_network_does_not_have_is_one_sentence(
    network: TorchNetwork, question: Measurement[Any], words: str
) -> None:
    with pytest.raises(ToolboxError, match=words):
        measure.Session(network).take(picture(), question)


@pytest.mark.parametrize(
    "frame", [np.zeros((40, 60, 3), np.float32), np.zeros((40, 60), np.uint8), np.zeros((40, 60, 4), np.uint8)]
)
@pytest.mark.parametrize("stretch", [False, True])
def test_what_is_no_frame_is_refused(network: TorchNetwork, frame: np.ndarray, stretch: bool) -> None:
    with pytest.raises(ToolboxError, match=r"a frame must be uint8 H×W×3|the frame is 4 bands; the network takes one"):
        measure.Session(network).take(frame, LayerMaps("conv1"), stretch)


@pytest.mark.parametrize("token", [None, "second"])
def test_after_a_failure_no_other_picture_s_pass_is_taken(
    network: TorchNetwork, token: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, question, second = measure.Session(network), LayerMaps("conv1"), picture(1)
    session.take_all(picture(0), [question], token=token and "first")

    def fail(*_: object) -> None:
        raise MemoryError("full")

    with monkeypatch.context() as broken:
        broken.setattr(Preprocessing, "values_of", fail)
        with pytest.raises(MemoryError):
            session.take_all(second, [question], token=token)
    again = session.take_all(second, [question], token=token).answers[question]
    np.testing.assert_array_equal(again.maps, measure.Session(network).take(second, question).maps)


def test_a_network_without_classes_says_so() -> None:
    with pytest.raises(ToolboxError, match="no label layer"):
        measure.Session(opened(RootNet(), (8, 8))).take(picture(), ClassProbabilities())


def test_tokens_become_maps_over_their_grid() -> None:
    tokens = np.arange(17 * 3, dtype=np.float32).reshape(17, 3)  # a class token and a 4×4 grid
    maps = channels_first(Layer("t", "norm", (17, 3)), tokens)
    assert maps.shape == (3, 4, 4)
    np.testing.assert_array_equal(maps[1].ravel(), tokens[1:, 1])


def test_questions_load_neither_torch_nor_opencv() -> None:
    code = (
        "import sys; from deepvis_toolbox.measure import LayerMaps, BackwardImage, ClassProbabilities;"
        "sys.exit('cv2' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
