"""Quantised modules, whose maps are whole numbers and which no gradient passes, are refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.ao import quantization

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.held_against import SIZE, hold_against, images

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


class Stubs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.relu = nn.Conv2d(3, 6, 3), nn.ReLU()
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dequant(self.relu(self.conv(self.quant(x))))


def dynamically() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)).eval()
    return quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)


def prepared() -> nn.Module:
    module = Stubs()
    module.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    quantization.prepare(module, inplace=True)
    module(images())
    return module


def statically() -> nn.Module:
    return quantization.convert(prepared())


@pytest.mark.parametrize(
    ("make", "told"), [(dynamically, r"^3 \(Linear\) is quantised"), (statically, r"^\w+ \(\w+\) is quantised")]
)
def test_a_quantised_module_is_refused_by_its_path(make: Callable[[], nn.Module], told: str) -> None:
    with pytest.raises(ToolboxError, match=f"{told}.*; give the float module that it was made from"):
        opened(make(), SIZE)


def test_stubs_alone_are_no_quantisation() -> None:
    hold_against(Stubs())
