"""Which layers a backward pass reaches: not those above or beside the origin, nor what no image reaches."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.nets import Classic, opened

MODES = ("grad", "deconv", "guided")


def image() -> torch.Tensor:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Gated(nn.Module):
    """A rectifier that no image reaches, and one behind a detached tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gate = nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 1.0]).view(1, 4, 1, 1))
        self.side = nn.Conv2d(3, 4, 3)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(F.relu(self.conv(x)) * F.relu(self.gate) + F.relu(self.side(x.detach())))


@pytest.mark.parametrize("mode", MODES)
def test_a_rectifier_that_no_image_reaches_leaves_every_mode_usable(mode: str) -> None:
    torch.manual_seed(9)
    module = Gated().eval()
    network = opened(module)
    diff = torch.randn(1, 2, 30, 30)
    found = network.backward(image(), "last", diff, mode, at=["data", "conv", "side"])  # type: ignore[arg-type]
    acts = network.forward(image(), ["conv", "side"])
    down = F.conv_transpose2d(diff, module.last.weight.detach())

    def rule(signal: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        signal = signal if mode == "grad" else signal.clamp_min(0)
        return signal if mode == "deconv" else signal * (below > 0)

    at_conv = rule(down * module.gate.detach().clamp_min(0), acts["conv"])
    torch.testing.assert_close(found["conv"], at_conv, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["side"], rule(down, acts["side"]), rtol=1e-4, atol=1e-5)
    wanted = F.conv_transpose2d(at_conv, module.conv.weight.detach())
    torch.testing.assert_close(found["data"], wanted, rtol=1e-4, atol=1e-4)


def test_a_layer_above_what_passes_no_gradient_sends_zeros_to_the_image() -> None:
    network = opened(Gated())
    found = network.backward(image(), "side", torch.ones(1, 4, 30, 30), at=["data", "side"])
    assert not found["data"].any()
    assert found["side"].eq(1).all()


def test_a_rectifier_directly_above_the_origin_is_above_it() -> None:
    network = opened(Classic())
    diff = torch.randn(1, *network.layers["conv1"].shape)
    found = network.backward(image(), "conv1", diff, at=["conv1", "relu1", "pool1"])
    assert torch.equal(found["conv1"], diff)
    assert not found["relu1"].any()
    assert not found["pool1"].any()
    found = network.backward(image(), "relu1", diff, at=["conv1", "relu1"])
    assert torch.equal(found["conv1"], diff)
    assert torch.equal(found["relu1"], diff)


def test_a_rectifier_beside_the_origin_gets_nothing_of_what_arrives_below_both() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu, self.tanh = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Tanh()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.relu(x) + self.tanh(x)

    found = opened(Forked()).backward(image(), "tanh", torch.ones(1, 4, 30, 30), at=["conv", "relu"])
    assert found["conv"].any()
    assert not found["relu"].any()


def test_at_no_layers_nothing_is_returned() -> None:
    network = opened(Classic())
    assert network.backward(image(), "relu2", torch.ones(1, *network.layers["relu2"].shape), at=[]) == {}


class Passing(nn.Module):
    """Two layers that only pass the image's features on, each read by another branch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.drop, self.same = nn.Dropout(), nn.Identity()
        self.relu = nn.ReLU()
        self.left, self.right = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv(x))
        return self.left(self.drop(x)) + self.right(self.same(x))


@pytest.mark.parametrize("mode", MODES)
def test_a_layer_that_passes_its_input_on_has_a_gradient_of_its_own(mode: str) -> None:
    torch.manual_seed(10)
    module = Passing().eval()
    network = opened(module)
    diff = torch.randn(1, 2, 30, 30)
    found = network.backward(image(), "add", diff, mode, at=["drop", "same", "conv"])  # type: ignore[arg-type]
    by_left = F.conv_transpose2d(diff, module.left.weight.detach())
    by_right = F.conv_transpose2d(diff, module.right.weight.detach())
    torch.testing.assert_close(found["drop"], by_left)
    torch.testing.assert_close(found["same"], by_right)
    rectified = by_left + by_right if mode == "grad" else (by_left + by_right).clamp_min(0)
    value = network.forward(image(), ["conv"])["conv"]
    wanted = rectified if mode == "deconv" else rectified * (value > 0)
    torch.testing.assert_close(found["conv"], wanted, rtol=1e-4, atol=1e-5)
    found = network.backward(image(), "left", diff, mode, at=["same", "drop"])  # type: ignore[arg-type]
    assert not found["same"].any()
    torch.testing.assert_close(found["drop"], by_left)
