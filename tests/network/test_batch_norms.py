"""Batch norms: what they see, which pictures they mix, and the gradient below them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.nets import opened
from tests.network.test_overwriting_and_own_derivatives import SIZE, images


class Normed(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 6, 3), norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


class BatchNormCall(nn.Module):
    def __init__(self, *, training: bool) -> None:
        super().__init__()
        self.own = training
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("variance", torch.ones(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, variance = (None, None) if self.own else (self.mean, self.variance)
        return F.batch_norm(x, mean, variance, None, None, self.own)


@pytest.mark.parametrize(
    ("norm", "layer", "whole"),
    [
        (nn.BatchNorm2d(6, track_running_stats=False), "norm", True),
        (nn.BatchNorm2d(6), "norm", False),
        (BatchNormCall(training=True), "norm.batch_norm", True),
        (BatchNormCall(training=False), "norm.batch_norm", False),
    ],
)
def test_a_norm_by_the_pictures_own_statistics_sees_the_whole_picture(norm: Any, layer: str, whole: bool) -> None:
    network = opened(Normed(norm).eval(), SIZE)
    diff = torch.zeros(1, 6, 14, 14)
    diff[0, :, 4, 9] = torch.randn(6, generator=torch.Generator().manual_seed(2))
    gradient = network.backward(images(1), layer, diff)["data"][0].abs().sum(0) > 0
    field = network.receptive_field(layer, (4, 9))
    rows, columns = gradient.nonzero(as_tuple=True)
    assert whole == bool(gradient.all())
    assert field.top <= rows.min()
    assert field.left <= columns.min()
    assert field.bottom > rows.max()
    assert field.right > columns.max()


class Mixing(nn.Module):
    def __init__(self, norm: nn.Module | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.conv = norm, nn.Conv2d(3, 6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(x) if self.norm else (x - x.mean()) / x.std())


@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d(3, track_running_stats=False)])
def test_a_network_that_mixes_large_pictures_is_run_on_one_at_a_time(norm: nn.Module | None) -> None:
    network = opened(Mixing(norm).eval(), (160, 160))
    assert any("depends on the others in its batch" in note for note in network.notes)
    dark, light = torch.rand(1, 3, 160, 160) * 60, 200 + torch.rand(1, 3, 160, 160) * 50
    both = network.forward(torch.cat([dark, light]), ["conv"])["conv"]
    torch.testing.assert_close(both[:1], network.forward(dark, ["conv"])["conv"])


class Standing(nn.Module):
    """A batch norm on something that gives (a view of) what it reads."""

    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor], norm: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.between = nn.Conv2d(3, 6, 3), between
        self.norm, self.fc = norm or nn.BatchNorm2d(6), nn.Linear(6 * 7 * 13, 5)
        for values in self.norm.buffers():
            values.copy_(torch.rand(values.shape) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(self.between(self.conv(x))).flatten(1))


class KeptNorm(nn.Module):
    kind = "own norm"

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x.view(-1, 6, 7, 13))


class Instances(nn.Module):
    """The convolution behind an instance norm has one channel, so that its signal's layout is anybody's."""

    def __init__(self, kept: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        norm = nn.InstanceNorm2d(6)
        self.conv, self.norm, self.last = nn.Conv2d(3, 6, 3), KeptWhole(norm) if kept else norm, nn.Conv2d(6, 1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.conv(x)))


class Viewed(nn.Module):
    """What comes back to the norm passes a view: below a convolution, whose signal has a layout of its own."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.last = nn.Conv2d(3, 6, 3), norm, nn.Conv2d(6, 4, 3)
        for values in self.norm.buffers():
            values.copy_(torch.rand(values.shape) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x))
        return self.last(x.view(-1, 6, x.shape[2], x.shape[3]))


class KeptWhole(nn.Module):
    kind = "own norm"

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


NORMS: dict[str, Callable[[], nn.Module]] = {
    "instance norm": lambda: Instances(kept=False),
    "kept instance norm": lambda: Instances(kept=True),
    "view above a batch norm": lambda: Viewed(nn.BatchNorm2d(6)),
    "view above one of its own statistics": lambda: Viewed(nn.BatchNorm2d(6, track_running_stats=False)),
    "view above a kept batch norm": lambda: Viewed(KeptWhole(nn.BatchNorm2d(6))),
    "view above an instance norm": lambda: Viewed(nn.InstanceNorm2d(6)),
    "view above a group norm": lambda: Viewed(nn.GroupNorm(2, 6)),
    "view above a local norm": lambda: Viewed(nn.LocalResponseNorm(3)),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("norm", NORMS)
def test_the_gradient_below_a_norm_is_autograds_whatever_the_layout_of_the_signal(norm: str, count: int) -> None:
    module = NORMS[norm]().eval()
    if "own statistics" in norm and count > 1:
        pytest.skip("such a network mixes its pictures: they are run one at a time")
    network = opened(module, (14, 12))
    x = torch.randn(count, 3, 14, 12, generator=torch.Generator().manual_seed(5))
    leaf = x.double().requires_grad_()
    value = copy.deepcopy(module).double()(leaf)
    diff = torch.randn(value.shape, generator=torch.Generator().manual_seed(6))
    wanted = torch.autograd.grad(value, leaf, diff.double())[0].float()
    torch.testing.assert_close(network.backward(x, "last", diff)["data"], wanted, rtol=1e-3, atol=1e-5)


STANDING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dropout": nn.Dropout2d(),
    "identity": nn.Identity(),
    "contiguous": lambda x: x.contiguous(),
    "type": lambda x: x.type_as(x),
    "view": lambda x: x.view(-1, 6, 7, 13),
    "reshape": lambda x: x.flatten(2).reshape(x.shape[0], 6, 7, 13),
    "all of it": lambda x: x[:],
    "added axis": lambda x: x.unsqueeze(1).squeeze(1),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("norm", [None, KeptNorm, lambda: nn.BatchNorm2d(6, track_running_stats=False)])
@pytest.mark.parametrize("between", STANDING)
def test_the_gradient_below_a_batch_norm_is_autograds(between: str, norm: Any, count: int) -> None:
    module = Standing(STANDING[between], norm() if norm else None).eval()
    network = opened(module, (9, 15))
    x = torch.randn(count, 3, 9, 15, generator=torch.Generator().manual_seed(5))
    if norm and not isinstance(module.norm, KeptNorm) and count > 1:
        pytest.skip("such a network mixes its pictures: they are run one at a time")
    leaf = x.double().requires_grad_()
    exact = copy.deepcopy(module).double()
    value = exact(leaf)
    diff = torch.randn(value.shape, generator=torch.Generator().manual_seed(6))
    wanted = torch.autograd.grad(value, leaf, diff.double())[0].float()
    torch.testing.assert_close(network.backward(x, "fc", diff)["data"], wanted, rtol=1e-3, atol=1e-5)
    found = network.ascent_pass("fc", None)(x, torch.zeros(count, dtype=torch.int64)).gradient
    first = torch.autograd.grad(exact(leaf)[:, 0].sum(), leaf)[0].float()
    torch.testing.assert_close(found, first, rtol=1e-3, atol=1e-5)
