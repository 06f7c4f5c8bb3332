"""Code of a user's that is kept whole may ask for views of memory, `x.view(n, -1)`, though maps lie channels-last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.held_against import SIZE, hold_against, images


class Flat(nn.Module):
    kind = "flat"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.size(0), -1)


class ByRows(nn.Module):
    """Of what lies row by row in memory."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight / weight.view(weight.shape[0], -1).norm(dim=1).view(-1, 1, 1, 1)


class Kept(nn.Module):
    kind = "kept"

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.inner = nn.Parameter(torch.randn(4, 6, 3, 3)), nn.Conv2d(4, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight / self.weight.view(4, -1).norm() + self.inner.weight.view(4, -1).mean()
        return self.inner(F.conv2d(x.view(x.shape), weight)).view(x.shape[0], -1)


class Weighed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return x.view(x.shape[0], -1).view(x.shape) * weight.view(-1).mean()

    @staticmethod
    def backward(ctx: Any, above: torch.Tensor) -> Any:  # type: ignore[override]
        return above * ctx.saved_tensors[0].view(-1).mean(), None


class Applies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(6, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(Weighed.apply(x, self.last.weight))


def parametrized() -> nn.Module:
    conv = nn.Conv2d(6, 4, 3)
    parametrize.register_parametrization(conv, "weight", ByRows())
    return conv


def hooked(part: nn.Module, *, before: bool = False) -> nn.Module:
    if before:
        part.register_forward_pre_hook(lambda own, given: (given[0] * own.weight.view(4, -1).norm(),))
    else:
        part.register_forward_hook(lambda _, __, given: given.view(given.size(0), -1).view(given.shape) * 2)
    return part


VIEWING: dict[str, Callable[[], nn.Module]] = {
    "kept module": lambda: nn.Sequential(Flat(), nn.Linear(6 * 14 * 14, 4)),
    "weights of a kept module": Kept,
    "parametrization": parametrized,
    "hook": lambda: hooked(nn.Conv2d(6, 4, 3)),
    "pre-hook": lambda: hooked(nn.Conv2d(6, 4, 3), before=True),
    "hook on batch norm": lambda: nn.Sequential(hooked(nn.BatchNorm2d(6)), nn.Conv2d(6, 4, 3)),
    "hook on batch norm behind a view": lambda: nn.Sequential(
        nn.Dropout(), hooked(nn.BatchNorm2d(6)), nn.Conv2d(6, 4, 3)
    ),
    "hook on a rectifier": lambda: nn.Sequential(hooked(nn.ReLU()), nn.Conv2d(6, 4, 3)),
    "function": Applies,
}


@pytest.mark.parametrize("what", VIEWING)
def test_what_is_kept_whole_sees_memory_as_in_plain_torch(what: str) -> None:
    torch.manual_seed(0)
    hold_against(nn.Sequential(nn.Conv2d(3, 6, 3), VIEWING[what]()).eval())


class GoesAnotherWay(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.conv.weight.view(6, -1)
        x = x * 2 if type(x) is torch.Tensor else x
        return F.conv2d(x, self.conv.weight / weight.norm(), self.conv.bias)


def test_a_refusal_runs_the_module_as_it_was_given() -> None:
    with pytest.raises(ToolboxError, match=r"test_views_of_memory.py:\d+: .* of GoesAnotherWay: the graph gives other"):
        opened(GoesAnotherWay().eval(), SIZE)


class RunsOnce(GoesAnotherWay):
    calls: ClassVar[list[int]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if type(x) is torch.Tensor:
            self.calls.append(1)
            if len(self.calls) > 1:
                raise RuntimeError("once")
        return super().forward(x)


def test_a_refusal_is_a_sentence_though_the_module_does_not_run_again() -> None:
    with pytest.raises(
        ToolboxError, match=r"test_views_of_memory.py:\d+: .* of RunsOnce: the graph gives other values"
    ):
        opened(RunsOnce().eval(), SIZE)


class PowerIteration(nn.Module):
    """Spectral norm by hand, which turns a vector at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.u = nn.Conv2d(3, 6, 3), nn.Parameter(torch.randn(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.conv.weight.view(6, -1)
        self.turn(weight @ (weight.t() @ self.u))
        return self.conv(x) / (self.u @ (weight @ weight.t() @ self.u))

    def turn(self, towards: torch.Tensor) -> None:
        self.u.data = F.normalize(towards, dim=0)


class KeptPowerIteration(PowerIteration):
    kind = "conv"


class KeptPowerIterationInPlace(KeptPowerIteration):
    def turn(self, towards: torch.Tensor) -> None:
        self.u.data.copy_(F.normalize(towards, dim=0))


def test_a_parameter_that_forward_changes_is_refused_with_the_line() -> None:
    with pytest.raises(ToolboxError, match=r"views_of_memory.py:\d+: .*`self.u.data = .* other numbers at every call"):
        opened(PowerIteration().eval(), SIZE)


@pytest.mark.parametrize("kind", [KeptPowerIteration, KeptPowerIterationInPlace])
def test_a_kept_module_that_changes_its_parameters_leaves_the_users_alone(kind: Any) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(kind(), nn.ReLU()).eval()
    network, before = opened(module, SIZE), module[0].u.detach().clone()
    for _ in range(30):  # until nothing turns any more
        network.forward(images(), ["1"])
    assert torch.equal(module[0].u, before)
    with torch.no_grad():
        wanted = [module(images()) for _ in range(30)][-1]
    torch.testing.assert_close(network.forward(images(), ["1"])["1"], wanted, rtol=1e-2, atol=1e-4)
