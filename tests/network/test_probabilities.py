"""Class probabilities are what the network's last layer says, whatever it ends in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import measure
from tests.nets import opened

SIZE = (16, 16)


class Ending(nn.Module):
    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.end = nn.Conv2d(3, 6, 3), nn.Linear(6, 3), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.fc(self.conv(x).mean((2, 3))))


def by_hand(x: torch.Tensor) -> torch.Tensor:
    powers = torch.exp(x)
    return powers / powers.sum(1, keepdim=True)


ENDINGS: dict[str, tuple[Callable, tuple[str, ...], Callable]] = {
    "no softmax": (lambda x: x * 2, ("mul",), lambda given: given.softmax(1)),
    "softmax": (lambda x: F.softmax(x, 1), (), lambda given: given),
    "log of it": (lambda x: F.log_softmax(x, 1), (), torch.exp),
    "module of the log": (nn.LogSoftmax(1), (), torch.exp),
    "sigmoid": (torch.sigmoid, (), lambda given: given),
    "sigmoid that is named": (torch.sigmoid, ("sigmoid",), lambda given: given),
    "module of sigmoid that is named": (nn.Sigmoid(), ("end",), lambda given: given),
    "softmax by hand": (by_hand, ("truediv",), lambda given: given),
    "one class": (lambda x: x[:, :1] * 2, ("mul",), torch.sigmoid),
    "sigmoid of one class": (lambda x: torch.sigmoid(x[:, :1]), ("sigmoid",), lambda given: given),
    "scores that are positive": (lambda x: x.abs() + 1, ("add",), lambda given: given.softmax(1)),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_probabilities_are_those_of_the_networks_end(ending: str) -> None:
    end, named, wanted = ENDINGS[ending]
    module = Ending(end).eval()
    network = opened(module, SIZE, label_layers=named)
    frame = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    with torch.no_grad():
        expected = wanted(module(network.preprocess(frame)))[0]
    found = measure.Session(network).take(frame, measure.ClassProbabilities()).probabilities
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_classes_of_a_fully_convolutional_network_are_named() -> None:
    class FullyConvolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool, self.classes = nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classes(self.pool(self.conv(x)))

    network = opened(FullyConvolutional().eval(), SIZE, labels=("a", "b", "c"))
    assert network.label_layers == ("classes",)
    assert network.class_names.channel("b", "classes", "classes:b") == 1


def test_a_sigmoid_of_each_class_by_itself_gives_classes_without_being_named() -> None:
    network = opened(Ending(nn.Sigmoid()).eval(), SIZE)
    assert network.label_layers == ("fc", "end")
    frame = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    found = measure.Session(network).take(frame, measure.ClassProbabilities()).probabilities
    assert abs(float(found.sum()) - 1) > 0.05, "they are independent"


class Giving(Ending):
    """Gives several things; the last is none of classes."""

    def __init__(self, give: Callable[[torch.Tensor, torch.Tensor], object]) -> None:
        super().__init__(nn.Identity())
        self.give = give

    def forward(self, x: torch.Tensor) -> object:  # type: ignore[override]
        x = self.conv(x)
        return self.give(self.fc(x.mean((2, 3))), x)


@pytest.mark.parametrize(
    ("give", "labels", "wanted"),
    [
        (
            lambda given, x: {"labels": torch.sigmoid(given), "embedding": F.normalize(x.mean((2, 3)))},
            0,
            ("fc", "sigmoid"),
        ),
        (lambda given, x: (given, x * 2), 3, ("fc",)),
        (lambda given, x: (given, x * 2), 0, ()),  # numbers of any meaning, as an autoencoder's code
        (lambda given, x: (torch.sigmoid(given), torch.sigmoid(-given), x * 2), 0, ()),
        (lambda given, x: [given.softmax(1), x * 2], 0, ("fc", "softmax")),
    ],
)
def test_classes_are_found_among_several_results(give: Callable, labels: int, wanted: tuple[str, ...]) -> None:
    network = opened(Giving(give).eval(), SIZE, labels=tuple("abc"[:labels]))
    assert network.label_layers == wanted
