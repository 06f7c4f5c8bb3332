"""What `forward` computes under `torch.no_grad()` is differentiated all the same, and a note says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.nets import opened
from tests.network.held_against import SIZE, images


class Frozen(nn.Module):
    def __init__(self, way: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.conv, self.last, self.way = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), way
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.way(self, x)


def _below(net: Frozen, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        x = net.conv(x)
    return net.last(x)


@torch.no_grad()
def _whole(net: Frozen, x: torch.Tensor) -> torch.Tensor:
    return net.last(net.conv(x))


@torch.inference_mode()
def _inferred(net: Frozen, x: torch.Tensor) -> torch.Tensor:
    return net.last(net.conv(x))


def _of_weights_alone(net: Frozen, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        factor = net.last.bias * 2
    return net.last(net.conv(x)) * factor[:, None, None]


@pytest.mark.parametrize("outside", [torch.enable_grad, torch.no_grad])
@pytest.mark.parametrize("way", [_below, _whole, _inferred])
def test_no_grad_in_forward_is_told_with_its_line_and_differentiated(way: Any, outside: Any) -> None:
    with outside():
        network = opened(Frozen(way), SIZE)
    (note,) = network.notes
    assert note.startswith('what forward computes under torch.no_grad(), from "conv" in ')
    assert note.endswith("on, is differentiated all the same")
    assert network.backward(images(), "last", torch.ones(2, 4, 12, 12))["data"].any()


WITHOUT_NOTE: dict[str, Callable[[Any, Any], Any]] = {
    "plain": lambda net, x: net.last(net.conv(x)),
    "weights alone": _of_weights_alone,
    "checkpoint": lambda net, x: net.last(checkpoint(net.conv, x, use_reentrant=True)),
    "checkpoint without a second entry": lambda net, x: net.last(checkpoint(net.conv, x, use_reentrant=False)),
}


@pytest.mark.parametrize("outside", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("way", WITHOUT_NOTE)
def test_nothing_is_told_where_plain_torch_has_a_gradient(way: str, outside: Any) -> None:
    with outside():
        assert not opened(Frozen(WITHOUT_NOTE[way]), SIZE).notes
