"""The maps of a detector's heads are named by what they are, and no other maps are taken for some."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.opened_module import network_of_module
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.words.unit import parse_unit

SIZE = (16, 24)
Divide = Callable[[nn.Module, torch.Tensor], torch.Tensor]


class Head(nn.Module):
    def __init__(self, divide: Divide) -> None:
        super().__init__()
        self.conv, self.head, self.mix = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 21, 1), nn.Conv2d(21, 4, 1)
        self.divide = divide

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.divide(self, self.head(self.conv(x).relu()))


def shuffled(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    n, _, h, w = x.shape
    return net.mix(x.view(n, 3, 7, h, w).transpose(1, 2).reshape(n, 21, h, w))  # type: ignore[operator]


DIVIDED: dict[str, Divide] = {
    "YOLO": lambda _, x: x.view(x.shape[0], 3, 7, *x.shape[2:]).permute(0, 1, 3, 4, 2).contiguous().sigmoid(),
    "SSD": lambda _, x: x.permute(0, 2, 3, 1).contiguous().view(x.shape[0], -1, 7),
    "SSD, by reshape": lambda _, x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 7).softmax(-1),
}
WHOLE: dict[str, Divide] = {"shuffled channels": shuffled, "maps": lambda _, x: x * 2}


def units_of_head(divide: Divide, labels: tuple[str, ...]) -> tuple[str, ...]:
    net = network_of_module(
        Head(divide).eval(), ModelDescription("net", Preprocessing(SIZE), labels), torch.device("cpu")
    )
    for name in net.layers["head"].unit_names:
        assert parse_unit(f"head:{name}", net.layers, net.class_names).layer == "head"
    return net.layers["head"].unit_names


@pytest.mark.parametrize("how", DIVIDED)
def test_maps_are_named_by_anchor_and_value(how: str) -> None:
    found = units_of_head(DIVIDED[how], ())
    assert found == tuple(f"anchor {anchor} value {value}" for anchor in range(3) for value in range(7))
    found = units_of_head(DIVIDED[how], ("cat", "dog"))
    assert found[7:14] == tuple(f"anchor 1 {name}" for name in ("x", "y", "width", "height", "object", "cat", "dog"))


@pytest.mark.parametrize("how", WHOLE)
def test_other_maps_have_no_anchors(how: str) -> None:
    assert units_of_head(WHOLE[how], ()) == ()
