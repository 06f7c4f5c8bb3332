"""Weights are found below the names that training gave them, and what else a checkpoint holds is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.opening.weights_file import fill, read_state_dict

State = dict[str, torch.Tensor]


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def below(name: str, state: State) -> State:
    return {f"{name}.{each}": value for each, value in state.items()}


OTHERS = {"loss.weight": torch.ones(2), "teacher.0.weight": torch.ones(1)}

HELD: dict[str, tuple[Callable[[State], object], str]] = {
    "Lightning": (lambda state: {"state_dict": below("model", state), "epoch": 3, "hyper_parameters": {}}, ""),
    "Lightning, with a loss": (
        lambda state: {"state_dict": below("model", state) | OTHERS},
        'below "model".*loss.weight',
    ),
    "Lightning, compiled": (lambda state: {"state_dict": below("net._orig_mod", state) | OTHERS}, 'below "net"'),
    "in DataParallel, with a head": (lambda state: below("module.backbone", state) | OTHERS, "loss.weight, teacher.0"),
    "another name": (lambda state: below("a.b.c", state), ""),
    "a network and its average": (
        lambda state: below("model", state) | below("ema_model", {name: 0 * own for name, own in state.items()}),
        r'below "model".*left out: ema_model\.0\.bias',
    ),
}


@pytest.mark.parametrize("how", HELD)
def test_the_network_is_found_below_a_name(how: str, tmp_path: Path) -> None:
    hold, told = HELD[how]
    trained, given = network(), network()
    torch.save(hold(trained.state_dict()), tmp_path / "w.ckpt")
    said = fill(given, read_state_dict(tmp_path / "w.ckpt"), "w.ckpt")
    assert all(torch.equal(own, trained.state_dict()[name]) for name, own in given.state_dict().items())
    assert not said if not told else __import__("re").search(told, said[0])


def test_a_module_that_holds_the_network_takes_weights_that_were_saved_without_it() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = network()

    trained, given = network(), Held()
    assert fill(given, trained.state_dict(), "w.pt") == []
    assert all(torch.equal(own, trained.state_dict()[name]) for name, own in given.model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda state: below("model", {name: own for name, own in state.items() if name != "3.bias"}),
            "missing: .*3.bias",
        ),
        (lambda state: below("model", state | {"9.weight": torch.ones(1)}), r"left over: 9\.weight"),
        (lambda state: below("model", state | {"3.bias": torch.ones(7)}), "of another shape: 3.bias"),
        (lambda state: state | {"9.weight": torch.ones(1)}, r"left over: 9\.weight"),
    ],
)
def test_what_does_not_fit_there_is_listed(change: Callable[[State], State], told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        fill(network(), change(network().state_dict()), "w.pt")
