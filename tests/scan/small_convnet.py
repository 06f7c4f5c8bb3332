"""A small network with every kind of layer that a scan treats in its own way; made with fixed weights."""

from __future__ import annotations

import torch
from torch import nn


class SmallConvnet(nn.Module):
    """16 input pixels a side: a clipped rectifier that saturates, a plain one, a smooth one, a sum, flat layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, padding=1)
        self.relu1 = nn.ReLU6()
        self.conv2 = nn.Conv2d(12, 10, 3, stride=2, padding=1)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(10, 10, 3, padding=1)
        self.act3 = nn.SiLU()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(160, 7)
        self.prob = nn.Softmax(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        x = x + self.act3(self.conv3(x))
        return self.prob(self.fc(torch.flatten(self.pool(x), 1)))


def make() -> nn.Module:
    """The network, the same every time."""
    random = torch.Generator().manual_seed(3)
    net = SmallConvnet()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3)
        net.conv1.weight.mul_(6)  # so that many places reach exactly 6
        net.conv2.bias[0] = -1000  # a dead channel
    return net.eval()
