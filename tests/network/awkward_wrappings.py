"""More of `awkward_networks`: wrapped modules, other numbers than float32, and lines that have a remedy."""

from __future__ import annotations

import torch
from torch import nn

from tests.network.awkward_networks import EQUAL, REFUSED, Around, equal, refused

# Wrapped modules.


def data_parallel_inside() -> nn.Module:
    """The old ImageNet scripts' way with AlexNet and VGG."""
    net = Around(lambda net, x: net.features(x))
    net.features = nn.DataParallel(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()))
    return net


EQUAL["DataParallel inside"] = data_parallel_inside
EQUAL["DataParallel outside"] = lambda: nn.DataParallel(Around(lambda net, x: net.relu(x)))


def compiled() -> nn.Module:
    """A module behind torch.compile, whose own way of computing is plain torch's."""
    made: nn.Module = torch.compile(Around(lambda net, x: net.relu(x)), backend="eager")  # type: ignore[assignment]
    return made


EQUAL["torch.compile"] = compiled


def lazy() -> nn.Module:
    """A module that has not seen an image yet."""
    net = Around(lambda net, x: net.relu(x))
    net.mix = nn.LazyConv2d(4, 1)  # type: ignore[assignment]
    return net


REFUSED["lazy"] = (lazy, r"mix \(LazyConv2d\).*run it once on an image")


@refused("zeros of sizes", r"awkward_wrappings.py:\d+: .*new_zeros")
def _zeros(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.relu(x + torch.zeros(*x.shape))


@equal("zeros of sizes by name")
def _named_zeros(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.relu(x + x.new_zeros(x.shape))


@equal("expand by sizes")
def _expand(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.relu(x + x.mean((2, 3), keepdim=True).expand(*x.size()))


@refused("register_hook", r"awkward_wrappings.py:\d+: .*`x.register_hook.*leave the line away; network.backward")
def _register_hook(net: Around, x: torch.Tensor) -> torch.Tensor:
    x.register_hook(print)
    return net.relu(x)


@refused("module made in forward", r"awkward_wrappings.py:\d+: .*`return nn\.ReLU\(\)\(x\)`.*__init__")
def _made(_: Around, x: torch.Tensor) -> torch.Tensor:
    return nn.ReLU()(x)


@refused("random numbers kept from tracing", "draws random numbers in evaluation mode too")
def _random(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.relu(x + torch.randn(4, 12, 12) * torch.randint(1, 9, ()))
