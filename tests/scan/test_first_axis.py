"""What is listed as a layer has the batch first: also where the batch of one cannot show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from find_maxes import scan
from tests.nets import opened

SIZE = (16, 16)


class Positions(nn.Module):
    """Parameters whose size comes from the picture, as a ViT's positions."""

    def __init__(self, cut: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.cut, self.last = nn.Conv2d(3, 6, 3), cut, nn.Linear(6, 2)
        self.tokens, self.map = nn.Parameter(torch.randn(1, 600, 6)), nn.Parameter(torch.randn(1, 6, 4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.cut(self, self.conv(x)))


def tokens(net: Positions, x: torch.Tensor) -> torch.Tensor:
    x = x.flatten(2).transpose(1, 2)
    return (x + net.tokens[:, : x.size(1)]).mean(1)


def stretched(net: Positions, x: torch.Tensor) -> torch.Tensor:
    return (x + F.interpolate(net.map, size=x.shape[2:])).mean((2, 3))


def zeros(_: Positions, x: torch.Tensor) -> torch.Tensor:
    return (x + torch.zeros(1, 6, 1, 1, device=x.device, dtype=x.dtype)).mean((2, 3))


def stacked(_: Positions, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x.mean((2, 3))]).mean(0)


def unsqueezed(_: Positions, x: torch.Tensor) -> torch.Tensor:
    return x.mean((2, 3)).unsqueeze(0).relu().squeeze(0)


@pytest.mark.parametrize("cut", [tokens, stretched, zeros, stacked, unsqueezed])
def test_every_layer_has_as_many_values_as_pictures_and_they_are_the_pictures(
    cut: Callable, picture_paths: list[Path]
) -> None:
    network = opened(Positions(cut).eval(), SIZE)
    x = torch.randn(3, 3, *SIZE)
    together = network.forward(x, list(network.layers))
    for number in range(3):
        alone = network.forward(x[number : number + 1], list(network.layers))
        for name, value in together.items():
            assert value.shape == (3, *network.layers[name].shape)
            torch.testing.assert_close(value[number : number + 1], alone[name], rtol=1e-4, atol=1e-5)
    top = scan(network, picture_paths, top=4, workers=0)
    one = scan(network, picture_paths, top=4, workers=0, batch_size=1)
    for name in top.layers:
        assert (top.images[name] == one.images[name]).all()
