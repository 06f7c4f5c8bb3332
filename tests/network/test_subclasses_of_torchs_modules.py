"""Subclasses of torch's own modules, with other defaults or with more around `super().forward`, are opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.held_against import SIZE, hold_against


class BatchNormOfTensorFlow(nn.BatchNorm2d):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)
        nn.init.uniform_(self.running_mean, -0.2, 0.2)
        nn.init.uniform_(self.running_var, 0.5, 2)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.uniform_(self.weight, 0.5, 1)


class FrozenBatchNorm(BatchNormOfTensorFlow):
    def train(self, _: bool = True) -> Any:
        return super().train(False)


class BatchNormAct(BatchNormOfTensorFlow):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(super().forward(x), 0.1)


class CheckingBatchNorm(BatchNormOfTensorFlow):
    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() != 4:
            raise ValueError("four axes")


class Instance(nn.InstanceNorm2d):
    pass


class InstanceTwice(nn.InstanceNorm2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 2


class ChannelsLastNorm(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class FlatBatchNorm(nn.BatchNorm1d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(2)).view(x.shape)


class GroupNormOfTwo(nn.GroupNorm):
    def __init__(self, channels: int) -> None:
        super().__init__(2, channels)


class Conv3x3(nn.Conv2d):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1, bias=False)


class ShiftedConv(Conv3x3):
    """What `nn.Conv2d.forward` calls is another one here: the window is another one than its numbers say."""

    def _conv_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.conv2d(F.pad(x, (5, 0, 0, 0)), weight, bias, padding=(1, 0))[..., : x.shape[3]]


class EqualisedConv(Conv3x3):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.raw = nn.Parameter(self.weight.detach() * 3)
        del self.weight

    @property
    def weight(self) -> torch.Tensor:
        return self.raw / 3

    @weight.deleter
    def weight(self) -> None:
        del self._parameters["weight"]

    @weight.setter
    def weight(self, value: torch.Tensor) -> None:
        self._parameters["weight"] = value


class StandardisedConv(Conv3x3):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


class Relu(nn.ReLU):
    def __init__(self, _: int) -> None:
        super().__init__(inplace=True)


class Leaky(nn.LeakyReLU):
    def __init__(self, _: int, slope: float = 0.3) -> None:
        super().__init__(slope)


class Recurrent(nn.LSTM):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, 6, batch_first=True)


class RecurrentTwice(Recurrent):
    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return super().forward(x)[0] * 2, None


class Attention(nn.MultiheadAttention):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2, batch_first=True)


class Encoder(nn.TransformerEncoderLayer):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2, 8, batch_first=True, activation="gelu")


OF_MAPS = (
    BatchNormOfTensorFlow, FrozenBatchNorm, BatchNormAct, CheckingBatchNorm, Instance, ChannelsLastNorm, FlatBatchNorm,
    InstanceTwice, GroupNormOfTwo, Conv3x3, ShiftedConv, EqualisedConv, StandardisedConv, Relu, Leaky,
)  # fmt: skip


def around(part: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), part, nn.ReLU(), nn.Conv2d(6, 4, 1)).eval()


def made(kind: Callable[[int], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind(6)


@pytest.mark.parametrize("kind", OF_MAPS)
def test_a_subclass_computes_what_it_computes_in_plain_torch(kind: Any) -> None:
    hold_against(around(made(kind)))


class OverColumns(nn.Module):
    def __init__(self, part: nn.Module, call: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.part, self.last = nn.Conv2d(3, 6, 3), part, nn.Linear(6, 4)
        self.call = call
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.call(self.part, self.conv(x).mean(2).transpose(1, 2)).mean(1))


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (Recurrent, lambda part, x: part(x)[0]),
        (RecurrentTwice, lambda part, x: part(x)[0]),
        (Attention, lambda part, x: part(x, x, x, need_weights=False)[0]),
        (Encoder, lambda part, x: part(x)),
    ],
)
def test_a_subclass_over_tokens_computes_what_it_computes_in_plain_torch(kind: Any, call: Any) -> None:
    hold_against(OverColumns(made(kind), call))


@pytest.mark.parametrize("kind", [BatchNormOfTensorFlow, FrozenBatchNorm, Instance, GroupNormOfTwo, Conv3x3, Relu])
def test_a_subclass_that_computes_the_same_has_the_modules_name_and_kind(kind: Any) -> None:
    network = opened(around(made(kind)), SIZE)
    assert list(network.layers) == ["data", "0", "1", "2", "3"]
    assert network.layers["1"].kind in ("norm", "conv", "relu")


def test_a_convolution_that_looks_elsewhere_has_no_window_of_torchs() -> None:
    network = opened(around(made(ShiftedConv)), SIZE)
    assert [layer for layer in network.layers if layer.startswith("1.")] == ["1.pad", "1.conv2d", "1.getitem"]


class Says(nn.TransformerEncoderLayer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x)


def test_what_torch_cannot_trace_inside_of_its_own_is_refused_by_the_class_and_line() -> None:
    with pytest.raises(ToolboxError, match=r"test_subclasses.*py:\d+: .*super\(\).forward\(x\)` of Says .*kind ="):
        opened(OverColumns(Says(6, 2, 8, batch_first=True), lambda part, x: part(x)), SIZE, "fx")
