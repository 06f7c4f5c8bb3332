"""A checkpoint may hold what modules keep beside tensors, as `_extra_state`: it goes to the module that asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.opening.weights_file import fill, read_state_dict
from tests.nets import opened


class Keeps(nn.Module):
    kind = "keeps"

    def __init__(self, factor: Any = 1) -> None:
        super().__init__()
        self.conv, self.factor = nn.Conv2d(3, 4, 3), factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) * self.factor

    def get_extra_state(self) -> dict[str, Any]:
        return {"factor": self.factor}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.factor = state["factor"]


def saved(module: nn.Module, path: Path, **more: Any) -> dict[str, Any]:
    torch.save({"state_dict": module.state_dict() | more}, path)
    return read_state_dict(path)


@pytest.mark.parametrize("factor", [3, torch.full((4, 1, 1), 3.0)])
def test_extra_state_reaches_the_module_that_keeps_it(tmp_path: Path, factor: Any) -> None:
    given, module = nn.Sequential(Keeps(factor)), nn.Sequential(Keeps())
    state = saved(given, tmp_path / "w.pth")
    before = dict(state)
    fill(module, state, "w.pth")
    assert state.keys() == before.keys()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        wanted = given(x)
    network = opened(module.eval(), (8, 8))
    torch.testing.assert_close(network.forward(x, ["0"])["0"], wanted)
    assert network.weights_hash == opened(given.eval(), (8, 8)).weights_hash


def test_extra_state_may_be_left_over_or_missing(tmp_path: Path) -> None:
    plain, module = nn.Sequential(nn.Sequential()), nn.Sequential(Keeps(2))
    plain[0].conv = nn.Conv2d(3, 4, 3)
    fill(module, saved(plain, tmp_path / "w.pth"), "w.pth")
    assert module[0].factor == 2
    assert torch.equal(module[0].conv.weight, plain[0].conv.weight)
    fill(plain, saved(module, tmp_path / "v.pth"), "v.pth")


def test_extra_state_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    state = saved(nn.Sequential(Keeps()), tmp_path / "w.pth", **{"0._extra_state": {"other": 1}})
    with pytest.raises(ToolboxError, match=r"w.pth does not fit the network: .*factor"):
        fill(nn.Sequential(Keeps()), state, "w.pth")


def test_other_things_than_tensors_are_no_state_dict(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="holds no state dict"):
        saved(nn.Sequential(Keeps()), tmp_path / "w.pth", epoch=3)
    torch.save({"_extra_state": {"factor": 3}}, tmp_path / "v.pth")
    with pytest.raises(ToolboxError, match="holds no state dict"):
        read_state_dict(tmp_path / "v.pth")
