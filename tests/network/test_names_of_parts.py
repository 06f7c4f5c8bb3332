"""Modules whose parts, or methods, are called or behave as torch does not expect."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.nets import opened
from tests.network.test_overwriting_and_own_derivatives import SIZE, Between, images


@pytest.mark.parametrize(
    "name", ["graph", "meta", "code", "_graph", "_code", "recompile", "add_submodule", "shape_env"]
)
def test_parts_may_be_called_as_torch_fx_calls_its_own(name: str) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            setattr(self, name, nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()))
            self.last = nn.Conv2d(6, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(getattr(self, name)(x))

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            setattr(self, name, nn.Parameter(torch.tensor(3.0)))
            self.last = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(x * getattr(self, name))

    for module in (Named().eval(), Scaled().eval()):
        network = opened(module, SIZE)
        with torch.no_grad():
            torch.testing.assert_close(
                network.forward(images(), ["last"])["last"], module(images()), rtol=1e-4, atol=1e-5
            )
    assert list(opened(Named(), SIZE).layers) == ["data", f"{name}_.0", f"{name}_.1", "last"]


def test_a_module_whose_train_returns_nothing_is_opened_in_evaluation_mode() -> None:
    class Frozen(Between):
        def train(self, mode: bool = True) -> None:  # type: ignore[override]
            super().train(mode)
            self.norm.eval()

        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.conv, self.norm, self.drop = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.drop(self.norm(self.conv(x)))

    module = Frozen()
    network = opened(module, SIZE)
    module.eval()
    with torch.no_grad():
        torch.testing.assert_close(network.forward(images(), ["drop"])["drop"], module(images()), rtol=1e-4, atol=1e-5)
