"""Pointwise functions without parameters, PReLU, and the layers that do nothing at test time."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, LayerType, Shape, layer_type
from deepvis_toolbox.network.swish import swish


@layer_type("ReLU", old_name="RELU")
class ReLU(ElementwiseLayer):
    """max(x, 0) + negative_slope · min(x, 0)."""

    def module(self) -> nn.Module:
        slope = self.definition.relu_param.negative_slope
        return nn.LeakyReLU(slope) if slope else nn.ReLU()


@layer_type("PReLU")
class PReLU(ElementwiseLayer):
    """A ReLU whose slope below zero was learned, for each channel or for all."""

    def setup(self) -> list[Shape]:
        if not self.bottom:
            raise self.error("bottom", "it has no channels")
        self.parameters = [() if self.definition.prelu_param.channel_shared else (self.bottom[0],)]
        return [self.bottom]

    def module(self) -> nn.Module:
        module = nn.PReLU(self.blobs[0].numel(), device="meta")
        module.weight = nn.Parameter(self.blobs[0].reshape(-1), requires_grad=False)
        return module


@layer_type("ELU")
class ELU(ElementwiseLayer):
    """x above zero, alpha · (exp(x) - 1) below."""

    def module(self) -> nn.Module:
        return nn.ELU(self.definition.elu_param.alpha)


@layer_type("ReLU6")
class ReLU6(ElementwiseLayer):
    """min(max(x, 0), 6), of the forks for MobileNet."""

    def module(self) -> nn.Module:
        return nn.ReLU6()


@layer_type("Clip")
class Clip(ElementwiseLayer):
    """min(max(x, min), max)."""

    def module(self) -> nn.Module:
        param = self.definition.clip_param
        if not param.min < param.max:
            raise self.error("min", f"is {param.min}; it must be less than max, which is {param.max}")
        if param.min == 0:
            return nn.ReLU6() if param.max == 6 else ClippedReLU(0, param.max)
        return Clamp(param.min, param.max)


class Clamp(nn.Hardtanh):
    """A clamp between any two numbers."""

    kind = "clamp"
    elementwise = True


class ClippedReLU(Clamp):
    """A rectifier that saturates."""

    kind = "clipped_relu"


@layer_type("Swish")
class Swish(ElementwiseLayer):
    """x · sigmoid(beta · x)."""

    def module(self) -> nn.Module:
        beta = self.definition.swish_param.beta
        return nn.SiLU() if beta == 1 else SteepSwish(beta)


class SteepSwish(nn.Module):
    """x · sigmoid(beta · x), a ReLU with a rounded corner."""

    kind = "swish"
    elementwise = True

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the result for values of any shape, float32, in the same shape."""
        return swish(x, self.beta)


@layer_type("Sigmoid", old_name="SIGMOID")
class Sigmoid(ElementwiseLayer):
    """1 / (1 + exp(-x))."""

    def module(self) -> nn.Module:
        return nn.Sigmoid()


@layer_type("TanH", old_name="TANH")
class TanH(ElementwiseLayer):
    """tanh(x)."""

    def module(self) -> nn.Module:
        return nn.Tanh()


@layer_type("BNLL", old_name="BNLL")
class BNLL(ElementwiseLayer):
    """log(1 + exp(x))."""

    def module(self) -> nn.Module:
        return nn.Softplus(threshold=50.0)


@layer_type("AbsVal", old_name="ABSVAL")
class AbsVal(LayerType):
    """|x|."""

    def setup(self) -> list[Shape]:
        return [self.bottom]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.function(torch.abs, bottoms[0])]


@layer_type("Threshold", old_name="THRESHOLD")
class Threshold(ElementwiseLayer):
    """1 above the threshold, else 0."""

    def module(self) -> nn.Module:
        return Step(self.definition.threshold_param.threshold)


class Step(nn.Module):
    """A step function. Its derivative is zero everywhere, so nothing passes backwards."""

    kind = "threshold"
    elementwise = True

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return 1 or 0 for values of any shape, float32, in the same shape."""
        return _Step.apply(x, self.threshold)


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: torch.Tensor, threshold: float) -> torch.Tensor:
        return (x > threshold).to(x.dtype)

    @staticmethod
    def backward(_ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.zeros_like(signals[0]), None


class _PassingOn(LayerType):
    """A layer whose tops are its bottom: nothing where in place, else an identity for each top."""

    def setup(self) -> list[Shape]:
        return [self.bottom] * len(self.definition.top)

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        name, bottom = self.definition.name, self.definition.bottom[0]
        return [
            bottoms[0] if top == bottom else writer.module(name, nn.Identity(), bottoms[0])
            for top in self.definition.top
        ]


@layer_type("Dropout", old_name="DROPOUT")
class Dropout(_PassingOn):
    """Nothing at test time."""


@layer_type("Split", old_name="SPLIT")
class Split(_PassingOn):
    """One blob under several names."""

    top_count = (1, None)


@layer_type("Silence", old_name="SILENCE")
class Silence(LayerType):
    """Reads blobs that nobody else reads."""

    bottom_count = (1, None)
    top_count = (0, 0)

    def setup(self) -> list[Shape]:
        return []

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:  # noqa: ARG002
        return []
