"""The networks that the harnesses use what they have opened on: as small as a network can be."""

from __future__ import annotations

from functools import cache

import torch
import torch.fx.experimental.symbolic_shapes  # imported at a first backward pass: once here, not in every worker
from torch import nn

from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import opened

SIZE = (8, 8)


class Tiny(nn.Module):
    """8×8 RGB pixels, a rectified convolution of four units, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.relu = nn.ReLU()
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.norm(self.relu(self.conv(x))), 1))


def tiny_module() -> Tiny:
    """The module, with the same weights every time."""
    random, module = torch.Generator().manual_seed(5), Tiny().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3)
    return module


@cache
def tiny_network() -> TorchNetwork:
    """The network on the CPU."""
    return opened(tiny_module(), SIZE, labels=("cat", "dog", "crane"), label_layers=("fc",))
