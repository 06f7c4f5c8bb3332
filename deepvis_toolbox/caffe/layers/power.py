"""Power, Exp and Log: (shift + scale·x)^power, base^(shift + scale·x), log_base(shift + scale·x)."""

from __future__ import annotations

import math

import torch
from torch import nn

from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, Shape, layer_type


@layer_type("Power", old_name="POWER")
class Power(ElementwiseLayer):
    """(shift + scale·x)^power."""

    def module(self) -> nn.Module:
        param = self.definition.power_param
        return PowerOf(param.power, param.scale, param.shift)


class _WithBase(ElementwiseLayer):
    """What Exp and Log share: a base, where -1 means e."""

    field = ""

    def setup(self) -> list[Shape]:
        base = getattr(self.definition, self.field).base
        if base != -1 and not 0 < base < math.inf:
            raise self.error("base", f"is {base}; it must be above zero, or -1 for e")
        self.log_base = 1.0 if base == -1 else math.log(base)
        return [self.bottom]


@layer_type("Exp", old_name="EXP")
class Exp(_WithBase):
    """base^(shift + scale·x)."""

    field = "exp_param"

    def module(self) -> nn.Module:
        param = self.definition.exp_param
        return Exponential(self.log_base * param.scale, self.log_base * param.shift)


@layer_type("Log")
class Log(_WithBase):
    """The logarithm to `base` of shift + scale·x."""

    field = "log_param"

    def setup(self) -> list[Shape]:
        tops = super().setup()
        if self.log_base == 0:
            raise self.error("base", "a logarithm to the base 1 does not exist")
        return tops

    def module(self) -> nn.Module:
        param = self.definition.log_param
        return Logarithm(1 / self.log_base, param.scale, param.shift)


class PowerOf(nn.Module):
    """(shift + scale·x)^power."""

    kind = "power"
    elementwise = True

    def __init__(self, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the result for values of any shape, float32, in the same shape."""
        line = x * self.scale + self.shift
        return line if self.power == 1 else line.pow(self.power)


class Exponential(nn.Module):
    """exp(scale·x + shift)."""

    kind = "power"
    elementwise = True

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the result for values of any shape, float32, in the same shape."""
        return torch.exp(x * self.scale + self.shift)


class Logarithm(nn.Module):
    """factor · log(scale·x + shift)."""

    kind = "power"
    elementwise = True

    def __init__(self, factor: float, scale: float, shift: float) -> None:
        super().__init__()
        self.factor, self.scale, self.shift = factor, scale, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the result for values of any shape, float32, in the same shape."""
        return torch.log(x * self.scale + self.shift) * self.factor
