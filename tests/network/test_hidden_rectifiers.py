"""Deconv and guided are refused by name wherever a rectifier is out of their reach, however it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.test_overwriting_and_own_derivatives import ReluThatPassesAll

SIZE = (16, 16)


class Kept(nn.Module):
    kind = "gate"

    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Recurrent(nn.Module):
    """Columns of the map one after the other."""

    def __init__(self, nonlinearity: str) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(5, 2)
        self.rnn = nn.RNN(6, 5, nonlinearity=nonlinearity, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(self.conv(x).mean(2).transpose(1, 2))[0].mean(1))


class InParts(nn.Module):
    kind = "parts"

    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return {"a": self.function(x), "b": x}


class ReadsPart(nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.conv, self.parts, self.last = nn.Conv2d(3, 6, 3), InParts(function), nn.Conv2d(6, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.parts(self.conv(x))["a"])


class Applied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(ReluThatPassesAll.apply(self.conv(x)))


def kept(function: Callable) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), Kept(function), nn.Conv2d(6, 4, 3))


def hooked(hook: Callable, before: bool = False) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Conv2d(6, 4, 3))
    _ = net[2].register_forward_pre_hook(hook) if before else net[0].register_forward_hook(hook)
    return net


HIDDEN: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: kept(F.relu),
    "where": lambda: kept(lambda x: torch.where(x > 0, x, torch.zeros_like(x))),
    "maximum": lambda: kept(lambda x: torch.maximum(x, torch.zeros(()))),
    "mask": lambda: kept(lambda x: x * (x > 0)),
    "mask the other way": lambda: kept(lambda x: x.masked_fill(x < 0, 0)),
    "clamp": lambda: kept(lambda x: x.clamp(min=0)),
    "clamp to 6": lambda: kept(lambda x: x.clamp(0, 6)),
    "in place": lambda: kept(lambda x: x.clone().relu_()),
    "silu": lambda: kept(F.silu),
    "hook": lambda: hooked(lambda _, __, value: F.relu(value)),
    "hook before": lambda: hooked(lambda _, given: (F.relu(given[0]),), before=True),
    "part of a dict": lambda: ReadsPart(F.relu),
    "recurrent": lambda: Recurrent("relu"),
    "own function inside": lambda: kept(ReluThatPassesAll.apply),
    "own function": Applied,
}
NONE_HIDDEN: dict[str, Callable[[], nn.Module]] = {
    "tanh": lambda: kept(torch.tanh),
    "attention": lambda: kept(lambda x: x.flatten(2).softmax(2).view_as(x)),
    "norm": lambda: kept(lambda x: F.normalize(x, dim=1)),
    "elu": lambda: kept(F.elu),
    "hook that looks": lambda: hooked(lambda _, __, value: None if value.mean() < 1e9 else value),
    "part of a dict": lambda: ReadsPart(torch.sigmoid),
    "recurrent": lambda: Recurrent("tanh"),
}


def gradients(module: nn.Module, mode: str) -> torch.Tensor:
    torch.manual_seed(0)
    network = opened(module.eval(), SIZE)
    last = list(network.layers)[-1]
    diff = torch.randn(1, *network.layers[last].shape)
    return network.backward(torch.randn(1, 3, *SIZE), last, diff, mode)["data"]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_rectifier_is_named_and_grad_goes_on(name: str) -> None:
    module = HIDDEN[name]()
    assert gradients(module, "grad").isfinite().all()
    for mode in ("deconv", "guided"):
        with pytest.raises(ToolboxError, match="hides a rectifier"):
            gradients(module, mode)


@pytest.mark.parametrize("name", NONE_HIDDEN)
def test_where_none_is_hidden_nothing_is_refused(name: str) -> None:
    module = NONE_HIDDEN[name]()
    assert torch.equal(gradients(module, "deconv"), gradients(module, "grad"))
