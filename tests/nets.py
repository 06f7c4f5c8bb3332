"""Small networks for tests, and the way to open any module as a network without files."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.opened_module import network_of_module
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.words.network import TraceWay


def opened(
    module: nn.Module,
    size: tuple[int, int] = (32, 32),
    way: TraceWay = "auto",
    *,
    passes_lrn: bool = False,
    **described: Any,
) -> TorchNetwork:
    """The module as a network on the CPU, for RGB images of `size`, values as they are."""
    name, how = type(module).__name__, Preprocessing(size)
    description = ModelDescription(name, how, deconv_passes_lrn=passes_lrn, **described)
    return network_of_module(module, description, torch.device("cpu"), way)


class Classic(nn.Module):
    """An AlexNet in small: overlapping max-pooling, LRN, in-place ReLUs, linear layers."""

    def __init__(self, features: int = 8 * 7 * 7) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5, stride=2, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool2d(3, 2)
        self.norm1 = nn.LocalResponseNorm(5, alpha=0.5, beta=0.75)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1, groups=2)
        self.relu2 = nn.ReLU(inplace=True)
        self.fc = nn.Linear(features, 10)
        self.prob = nn.Softmax(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.pool1(self.relu1(self.conv1(x))))
        x = self.relu2(self.conv2(x))
        return self.prob(self.fc(torch.flatten(x, 1)))


class Residual(nn.Module):
    """Two residual blocks with batch norm; one in-place ReLU module serves everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=2, dilation=2, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, 5)
        for norm in (self.stem_norm, self.norm1, self.norm2):
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem_norm(self.stem(x)))
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        out += x
        out = self.relu(out)
        return self.fc(F.adaptive_avg_pool2d(out, 1).view(out.size(0), -1))


class Branching(nn.Module):
    """An inception block: four branches of the same size, concatenated, then pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2)
        self.one = nn.Conv2d(6, 3, 1)
        self.three = nn.Conv2d(6, 4, 3, padding=1)
        self.five = nn.Conv2d(6, 2, 5, padding=2)
        self.pool_branch = nn.Conv2d(6, 3, 1)
        self.last = nn.Conv2d(12, 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem(x), inplace=True)
        branches = [self.one(x), self.three(x), self.five(x), self.pool_branch(F.max_pool2d(x, 3, 1, 1))]
        x = F.relu(torch.cat(branches, dim=1))
        return F.avg_pool2d(self.last(x), 3, 2)
