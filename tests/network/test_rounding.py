"""A value that is nothing but rounding does not tell whether a network mixes pictures, or differs from its module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened

SIZE = (40, 40)


class Centred(nn.Module):
    """Its maps are centred, so that their means are rounding alone."""

    def __init__(self, ending: Callable[[torch.Tensor, torch.Tensor], Any], *, over_batch: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.ending = nn.Conv2d(3, 6, 3), nn.Linear(6, 3), ending
        self.axes = (0, 2, 3) if over_batch else (2, 3)
        self.eval()

    def forward(self, x: torch.Tensor) -> Any:
        y = self.conv(x)
        y = y - y.mean(self.axes, keepdim=True)
        return self.ending(self.fc((y * y).mean((2, 3)) + y.mean((2, 3))), y)


ENDINGS: dict[str, Callable[[Any, Any], Any]] = {
    "plain": lambda z, _: z,
    "squeezed": lambda z, _: z.squeeze(),
    "means too": lambda z, y: (z, y.mean((2, 3))),
    "sums too": lambda z, y: (z, y.sum((2, 3))),
    "means times a lot": lambda z, y: (z, y.mean((2, 3)) * 1e6),
    "means of the part": lambda z, y: (z, y.sum((1, 2, 3)), y.mean((2, 3)).squeeze()),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_rounding_is_not_taken_for_a_difference(ending: str) -> None:
    module = Centred(ENDINGS[ending])
    network = opened(module, SIZE)
    assert not network.notes
    x = torch.randn(3, 3, *SIZE)
    with torch.no_grad():
        wanted = module(x)
    wanted = wanted if isinstance(wanted, torch.Tensor) else wanted[0]
    torch.testing.assert_close(network.forward(x, ["fc"])["fc"], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("ending", ["plain", "squeezed", "means too"])
def test_what_mixes_the_batch_is_seen_whatever_its_size(ending: str, size: float) -> None:
    network = opened(Centred(lambda z, y: ENDINGS[ending](z * size, y * size), over_batch=True), SIZE)
    assert "depends on the others in its batch" in network.notes[0]


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1.0, 1e6])
def test_what_differs_is_seen_whatever_its_size(size: float) -> None:
    def other_way(z: Any, y: Any) -> Any:
        return z, y.mean((2, 3)), (z * size * 2 if type(z) is torch.Tensor else z * size)

    with pytest.raises(ToolboxError, match=r"other values than the module itself|what .* reads"):
        opened(Centred(other_way), SIZE)


def test_a_graph_of_rounding_is_refused_for_a_module_that_gives_something() -> None:
    def rounding_while_traced(z: Any, y: Any) -> Any:
        return z, y.mean((2, 3)) + (1e-3 if type(z) is torch.Tensor else 0)

    with pytest.raises(ToolboxError, match=r"other values than the module itself|what .* reads"):
        opened(Centred(rounding_while_traced), SIZE)
