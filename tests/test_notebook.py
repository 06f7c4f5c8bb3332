"""Pictures and records for notebooks: those of the measurements, of any kind of picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deepvis_toolbox import ToolboxError, explain, show_layer, show_unit
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import opened


class Colours(nn.Module):
    """Four units, of which the first sees red; three classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        with torch.no_grad():
            self.conv.weight[0] = 0
            self.conv.weight[0, 0] = 1
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x)).mean((2, 3))).softmax(1)


@pytest.fixture(scope="module")
def net() -> TorchNetwork:
    return opened(Colours(), labels=("red", "green", "blue"))


@pytest.fixture
def frame() -> np.ndarray:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 16:, 0] = 255
    return pixels


def test_all_ways_to_give_a_picture_give_the_same(net: TorchNetwork, frame: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.fromarray(frame).save(path)
    shown = [np.asarray(show_layer(net, given, "relu")) for given in (frame, Image.fromarray(frame), path, str(path))]
    for other in shown[1:]:
        np.testing.assert_array_equal(shown[0], other)
    assert shown[0].shape[0] <= 600
    assert shown[0].shape[1] <= 900
    first = shown[0][: shown[0].shape[0] // 2, : shown[0].shape[1] // 2].astype(int).sum(2)
    assert first[:, -40:-20].mean() > 2 * first[:, 10:30].mean(), "the unit that sees red fires at the right"


def test_a_unit_is_shown_beside_its_picture(net: TorchNetwork, frame: np.ndarray) -> None:
    shown = np.asarray(show_unit(net, frame, "relu:0", side=64))
    assert shown.shape == (64, 200, 3)
    np.testing.assert_array_equal(shown[32, 50], (255, 0, 0))
    assert shown[32, 68 + 50].astype(int).sum() > shown[32, 68 + 10].astype(int).sum()
    assert shown[:, 136:].any()


def test_an_explanation_is_the_measurements_in_words(net: TorchNetwork, frame: np.ndarray) -> None:
    found = explain(net, frame, top=2)
    x = net.preprocess(frame)
    module = Colours().eval()
    probabilities = module(x)[0].detach()
    best = int(probabilities.argmax())
    assert found.classes[0] == (("red", "green", "blue")[best], pytest.approx(float(probabilities[best]), rel=1e-4))
    assert (found.unit.layer, found.unit.channel) == ("fc", best)
    pooled = torch.relu(module.conv(x)).mean((2, 3))[0]
    parts = (pooled * module.fc.weight[best]).detach()
    assert found.contributors[0][0].channel == int(parts.abs().argmax())
    assert found.contributors[0][1] == pytest.approx(float(parts[parts.abs().argmax()] / parts.abs().sum()), rel=1e-3)
    assert found.remainder == pytest.approx(float(module.fc.bias.detach()[best]), rel=1e-2, abs=1e-4)
    assert f"fc:{best}" in repr(found)
    assert "%" in str(found)


def test_what_is_not_there_is_told_in_a_sentence(net: TorchNetwork, frame: np.ndarray, tmp_path: Path) -> None:
    for ask, told in (
        (lambda: show_layer(net, frame, "relv"), "relu"),
        (lambda: show_unit(net, frame, "relu:9"), "units 0 to 3"),
        (lambda: show_layer(net, tmp_path / "none.png", "relu"), "none.png"),
        (lambda: show_layer(net, frame.astype(float), "relu"), "uint8"),
        (lambda: explain(net, frame[:, :, 0]), "H×W×3"),
    ):
        with pytest.raises(ToolboxError, match=told):
            ask()
