"""Networks as people write them whose layers depended on what was asked for, or on what had been opened before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened

SIZE = (16, 16)


class Between(nn.Module):
    """A convolution, then `function`, then another convolution."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], gain: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3)
        self.function, self.gain = function, gain
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.function(self.conv(x) * self.gain))


class AsStatement(Between):
    """As `Between`, the result of `function` left aside: the tensor itself is overwritten."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        self.function(x)
        return self.last(x)


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(1))


OVERWRITING: dict[str, Callable[[torch.Tensor], Any]] = {
    "selu": F.selu_,
    "celu": F.celu_,
    "elu": F.elu_,
    "rrelu": F.rrelu_,
    "threshold": lambda x: F.threshold_(x, 0.1, 0.0),
    "leaky": F.leaky_relu_,
    "clamp": lambda x: torch.clamp_(x, min=-0.2),
    "clamp to a rectifier": lambda x: torch.clamp_(x, min=0),
    "relu": torch.relu_,
    "sigmoid": torch.sigmoid_,
    "dropout": lambda x: torch.dropout_(x, 0.5, False),
    "method": lambda x: x.mul_(0.5),
    "square": torch.square_,
    "overload": torch.ops.aten.relu_.default,
    "nan": lambda x: torch.nan_to_num_(x, 1.0),
}


@pytest.mark.parametrize("kind", [Between, AsStatement])
@pytest.mark.parametrize("name", OVERWRITING)
def test_a_layer_has_its_value_whichever_others_are_asked_for(name: str, kind: type[Between]) -> None:
    module, x = kind(OVERWRITING[name]), images()
    network = opened(module, SIZE)
    with torch.no_grad():
        conv, last = module.conv(x), module(x)
    between = [layer for layer in network.layers if layer not in ("data", "conv", "last", "mul")]
    for asked in (["last"], ["conv", "last"], ["conv", *between], list(network.layers)):
        values = network.forward(x, asked)
        for layer, wanted in (("conv", conv), ("last", last)):
            if layer in values:
                torch.testing.assert_close(values[layer], wanted, rtol=1e-4, atol=1e-5)


def test_what_overwrites_and_has_no_other_form_is_refused_with_the_line() -> None:
    with pytest.raises(ToolboxError, match="overwrites a tensor, and zero_ has no other form"):
        opened(AsStatement(lambda x: torch.zero_(x)), SIZE, "fx")
    kept = torch.zeros(6), torch.ones(6)
    normed = torch.ops.aten._native_batch_norm_legit.default
    with pytest.raises(ToolboxError, match=r"overwrites a tensor by aten\._native_batch_norm_legit\.default"):
        opened(Between(lambda x: normed(x, None, None, *kept, True, 0.1, 1e-5)[0]), SIZE, "fx")


def test_opening_a_network_changes_nothing_for_the_next() -> None:
    wide = Between(lambda x: torch.clamp(x, min=-400), gain=1000)
    for function in OVERWRITING.values():
        opened(Between(function), SIZE)
    network = opened(wide, SIZE)
    assert not network.layers["clamp"].rectifier
    with torch.no_grad():
        torch.testing.assert_close(network.forward(images(), ["last"])["last"], wide(images()), rtol=1e-4, atol=1e-2)


NEARLY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "clip far out": lambda x: x.clamp(0, 1000),
    "hardtanh far out": lambda x: F.hardtanh(x, 0, 1e9),
    "clip near zero": lambda x: x.clamp(min=1e-12),
    "clip at a small number": lambda x: x.clamp(min=1e-7),
    "threshold near zero": lambda x: F.threshold(x, 1e-3, 0),
    "threshold below": lambda x: F.threshold(x, -1e-3, 0),
    "clip to a tiny one": lambda x: x.clamp(0, 1e-9),
    "nearly a ReLU6": lambda x: x.clamp(0, 6 + 1e-9),
    "leaky, hardly": lambda x: F.leaky_relu(x, 1e-7),
    "where, not quite zero": lambda x: torch.where(x > 1e-4, x, torch.zeros_like(x)),
}


@pytest.mark.parametrize("gain", [1e-12, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e12])
@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_a_rectifier_is_computed_as_it_is(name: str, gain: float) -> None:
    function = NEARLY[name]
    network = opened(Between(function, gain), SIZE)
    layer = list(network.layers)[-2]
    values = network.forward(images(), ["mul", layer])
    assert torch.equal(values[layer], function(values["mul"]))


def test_a_small_number_kept_from_zero_stays_kept() -> None:
    class Log(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.log(F.softmax(self.conv(x), 1).clamp(min=1e-7))

    torch.manual_seed(0)
    module, x = Log().eval(), images() * 255
    with torch.no_grad():
        torch.testing.assert_close(opened(module, SIZE).forward(x, ["log"])["log"], module(x), rtol=1e-3, atol=1e-3)


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return x.sign()

    @staticmethod
    def backward(_: Any, above: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return above


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, above: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        return -ctx.factor * above, None


class FrugalSwish(torch.autograd.Function):
    """As EfficientNets of PyTorch's early days have it."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, above: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        sigmoid = torch.sigmoid(x)
        return above * sigmoid * (1 + x * (1 - sigmoid))


class ReluThatPassesAll(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(_: Any, above: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return above


OWN = {
    "straight through": StraightThrough.apply,
    "reversal": lambda x: Reversal.apply(x, 0.5),
    "twice": lambda x: Reversal.apply(StraightThrough.apply(x), 2.0),
    "swish": FrugalSwish.apply,
    "relu that passes all": ReluThatPassesAll.apply,
}


@pytest.mark.parametrize("name", OWN)
def test_a_function_with_a_backward_of_its_own_keeps_it(name: str) -> None:
    module = Between(OWN[name])
    network, leaf = opened(module, SIZE), images().requires_grad_()
    value = module(leaf)
    diff = torch.randn(value.shape, generator=torch.Generator().manual_seed(3))
    (wanted,) = torch.autograd.grad(value, leaf, diff)
    assert wanted.any()
    torch.testing.assert_close(network.backward(leaf.detach(), "last", diff)["data"], wanted, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(network.forward(leaf.detach(), ["last"])["last"], value.detach(), rtol=1e-4, atol=1e-5)


def test_of_functions_with_a_backward_of_their_own_those_that_are_rectifiers_are_known() -> None:
    def rectifiers(function: Callable[[torch.Tensor], torch.Tensor]) -> list[str]:
        return [layer.rectifier for layer in opened(Between(function), SIZE).layers.values() if layer.rectifier]

    assert rectifiers(FrugalSwish.apply) == ["silu"]
    assert rectifiers(ReluThatPassesAll.apply) == []
    module, x = Between(FrugalSwish.apply), images()
    same = Between(F.silu)
    diff = torch.randn(2, 4, 12, 12, generator=torch.Generator().manual_seed(3))
    for mode in ("deconv", "guided"):
        found, wanted = (opened(each, SIZE).backward(x, "last", diff, mode)["data"] for each in (module, same))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


class KeptRelu(nn.Module):
    kind = "relu"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + x.abs()) / 2


class KeptSwish(nn.Module):
    kind = "swish"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)


class KeptPlainRelu(nn.Module):
    kind = "relu"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x)


def relu_with_a_forward_of_its_own() -> nn.Module:
    relu = nn.ReLU()
    relu.forward = lambda x: F.relu(x) - 0.3  # type: ignore[method-assign]
    return relu


@pytest.mark.parametrize("make", [KeptRelu, KeptSwish, relu_with_a_forward_of_its_own])
def test_a_kept_rectifier_of_several_operations_is_refused_by_name_where_a_rule_would_be_needed(make: Any) -> None:
    network = opened(Between(make()), SIZE)
    diff = torch.randn(2, 4, 12, 12)
    network.backward(images(), "last", diff, "grad")
    for mode in ("deconv", "guided"):
        with pytest.raises(ToolboxError, match="hides a rectifier"):
            network.backward(images(), "last", diff, mode)


def test_a_kept_rectifier_of_one_operation_follows_the_rules() -> None:
    diff = torch.randn(2, 4, 12, 12)
    for mode in ("deconv", "guided"):
        found, wanted = (
            opened(Between(relu), SIZE).backward(images(), "last", diff, mode)["data"]
            for relu in (KeptPlainRelu(), nn.ReLU())
        )
        torch.testing.assert_close(found, wanted)
