"""Edits: a pass with changed values, against plain torch, and without a trace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import Edit, ToolboxError
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import opened
from tests.network.awkward_networks import EQUAL
from tests.network.test_awkward_networks import images as awkward_images
from tests.network.test_awkward_networks import made


class Branches(nn.Module):
    """A residual block with rectifiers in place, a concatenation and a classifier; `change` stands for an edit."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.side = nn.Conv2d(6, 4, 1)
        self.fc = nn.Linear(10, 5)
        self.relu = nn.ReLU(inplace=True)
        self.change: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {}

    def at(self, name: str, value: torch.Tensor) -> torch.Tensor:
        return self.change[name](value) if name in self.change else value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.at("relu", F.relu_(self.stem(x)))
        y = self.at("add", x + self.at("norm", self.norm(self.conv(x))))
        z = torch.cat([F.relu_(y), self.side(y)], 1)
        return self.at("fc", self.fc(z.mean((2, 3)))).softmax(1)


LAYERS = {"relu": (6, 16, 16), "norm": (6, 16, 16), "add": (6, 16, 16), "fc": (5,)}


@pytest.fixture
def module() -> Branches:
    return Branches().eval()


@pytest.fixture(scope="module")
def network() -> TorchNetwork:
    plain = Branches().eval()
    plain.at = lambda _, value: value  # type: ignore[method-assign]
    return opened(plain, (16, 16))


def images(count: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def named(network: TorchNetwork, name: str) -> str:
    """The listed name of one of Branches' values."""
    if name == "relu":
        return next(each for each in network.layers if each.startswith("relu"))
    return name if name in network.layers else next(each for each in network.layers if each.startswith(name))


def values_for(shape: tuple[int, ...], units: int, form: str) -> np.ndarray:
    random = np.random.default_rng(4)
    sizes = {
        "number": (), "each": (units,), "maps": (units, *shape[1:]), "one map": shape[1:], "whole": shape,
        "batch": (2, units, *shape[1:]), "whole batch": (2, *shape),
    }  # fmt: skip
    return random.normal(size=sizes[form]).astype(np.float32)


def expected(value: torch.Tensor, units: list[int], what: str, given: np.ndarray | None) -> torch.Tensor:
    """What the edit says, in plain torch."""
    changed = value.clone()
    for place, unit in enumerate(units):
        if given is None:
            changed[:, unit] = 0
            continue
        own = torch.from_numpy(given)
        if own.ndim == value.ndim:
            own = own[:, unit] if own.shape[1] != len(units) else own[:, place]
        elif own.ndim == value.ndim - 1 and own.ndim and len(own) in (len(units), value.shape[1]):
            own = own[unit] if len(own) == value.shape[1] else own[place]
        elif own.ndim == 1:
            own = own[place]
        changed[:, unit] = {
            "scale": value[:, unit] * own,
            "add": value[:, unit] + own,
            "paste": own + 0 * value[:, unit],
        }[what]
    return changed


FORMS = ("number", "each", "maps", "one map", "whole", "batch", "whole batch")
CASES = [
    *((name, "zero", "") for name in LAYERS),
    *((name, "paste", form) for name in LAYERS for form in FORMS if (name, form) != ("fc", "one map")),
    *(("add", what, form) for what in ("scale", "add") for form in FORMS),
]


@pytest.mark.parametrize(("name", "what", "form"), CASES)
def test_the_network_computes_on_from_the_edited_value(
    module: Branches, network: TorchNetwork, name: str, what: str, form: str
) -> None:
    units = [3, 1]
    given = None if what == "zero" else values_for(LAYERS[name], len(units), form)
    x = images()
    module.change[name] = lambda value: expected(value, units, what, given)
    leaf = x.clone().requires_grad_()
    wanted = module(leaf)
    edit = Edit(named(network, name), units, what, given)  # type: ignore[arg-type]
    last = network.label_layers[-1]
    fresh = network.record(x, None, [edit])
    base = network.record(x)
    before = base.activations(list(network.layers))
    for recording in (fresh, base.edited([edit]), network.record(x, edits=[edit])):
        torch.testing.assert_close(recording.activations([last])[last], wanted, rtol=1e-4, atol=1e-6)
        diff = torch.zeros_like(wanted)
        diff[:, 2] = 1
        (gradient,) = torch.autograd.grad(wanted, leaf, diff, retain_graph=True)
        torch.testing.assert_close(recording.backward(last, diff)[network.input_name], gradient, rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(network.forward(x, [last], [edit])[last], wanted, rtol=1e-4, atol=1e-6)
    for layer, value in base.activations(list(network.layers)).items():
        assert torch.equal(value, before[layer]), f"{layer} was changed by an edit"
    module.change = {}
    with torch.no_grad():
        torch.testing.assert_close(network.forward(x, [last])[last], module(x), rtol=1e-4, atol=1e-6)


def test_several_edits_act_in_the_networks_order_and_edited_passes_can_be_edited(
    module: Branches, network: TorchNetwork
) -> None:
    x = images()
    low, high = Edit(named(network, "relu"), [0, 1], "scale", 3.0), Edit(named(network, "add"), [2], "zero")
    module.change = {
        "relu": lambda value: expected(value, [0, 1], "scale", np.array(3, np.float32)),
        "add": lambda value: expected(value, [2], "zero", None),
    }
    with torch.no_grad():
        wanted = module(x)
    last, base = network.label_layers[-1], network.record(x)
    for edits in ([low, high], [high, low]):
        torch.testing.assert_close(base.edited(edits).activations([last])[last], wanted, rtol=1e-4, atol=1e-6)
    for first, then in ((low, high), (high, low)):
        twice = base.edited([first]).edited([then])
        torch.testing.assert_close(twice.activations([last])[last], wanted, rtol=1e-4, atol=1e-6)
    double = base.edited([Edit(low.layer, [0], "add", 1.0)]).edited([Edit(low.layer, [0], "scale", 2.0)])
    relu = named(network, "relu")
    own = base.activations([relu])[relu]
    torch.testing.assert_close(double.activations([relu])[relu][:, 0], (own[:, 0] + 1) * 2)


def test_nothing_below_the_lowest_edit_is_computed_again(
    network: TorchNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, counted = images(), []
    base = network.record(x)
    plain = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *args, **named: counted.append(args[1].shape[1]) or plain(*args, **named))
    network.record(x, edits=[Edit(named(network, "add"), [0], "zero")])
    assert len(counted) == 1, "only `side` lies above the addition"
    network.forward(x, [network.label_layers[-1]], [Edit("fc", [0], "zero")])
    assert len(counted) == 1
    del base


def test_an_edit_of_the_input_is_one_too(module: Branches, network: TorchNetwork) -> None:
    x = images()
    with torch.no_grad():
        wanted = module(torch.stack([x[:, 0], torch.zeros_like(x[:, 1]), x[:, 2]], 1))
    last, edit = network.label_layers[-1], Edit(network.input_name, [1], "zero")
    for recording in (network.record(x).edited([edit]), network.record(x, edits=[edit])):
        torch.testing.assert_close(recording.activations([last])[last], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("idiom", EQUAL)
def test_a_layer_pasted_whole_makes_of_one_picture_another(idiom: str) -> None:
    module = made(idiom)
    network = opened(module, (12, 12))
    last = network.label_layers[-1]
    if "conv" not in network.layers:
        pytest.skip("everything reads the first convolution, which this network does not show")
    one, other = awkward_images(), awkward_images(4)[2:]
    given = network.forward(other, ["conv", last])
    edit = Edit("conv", range(network.layers["conv"].channels), "paste", given["conv"])
    wanted = given[last]
    for found in (network.forward(one, [last], [edit]), network.record(one).edited([edit]).activations([last])):
        torch.testing.assert_close(found[last], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("fc", [0], "silence", None), "zero, scale, paste, add"),
        (("fc", [], "zero", None), "at least one"),
        (("fc", [0, 0], "zero", None), "twice"),
        (("fc", ["a"], "zero", None), "numbers"),
        (("fc", [True], "zero", None), "numbers"),
        (("fc", [0], "zero", 1.0), "no value"),
        (("fc", [0], "scale", None), "a value"),
        (("fc", [0], "scale", "much"), "number"),
        (("fc", [0], "scale", float("nan")), "NaN"),
        (("fc", [0], "add", [[[[[1.0]]]]]), "shape"),
        (("fc", [0], "paste", [1.0, 2.0]), "shape"),
        (("fc", [5], "zero", None), "units 0 to 4, not 5"),
        (("fc", [-1], "zero", None), "units 0 to 4, not -1"),
        (("fd", [0], "zero", None), "fc"),
        (("conv", [0], "paste", np.zeros((3, 1, 16, 16))), "3 images, not 2"),
    ],
)
def test_what_is_no_edit_is_refused_in_a_sentence(network: TorchNetwork, arguments: tuple, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        network.record(images(), edits=[Edit(*arguments)])
    with pytest.raises(ToolboxError, match=told):
        network.record(images()).edited([Edit(*arguments)])


def test_equal_edits_are_one_and_nobody_writes_to_their_values() -> None:
    value = np.ones((1, 2, 2), np.float32)
    edit = Edit("conv", [1], "paste", value)
    value[:] = 7
    assert edit == Edit("conv", (1,), "paste", torch.ones(1, 2, 2)) != Edit("conv", (1,), "paste", value)
    assert len({edit, Edit("conv", [1], "paste", np.ones((1, 2, 2)))}) == 1
    with pytest.raises(ValueError, match="read-only"):
        edit.value[0] = 3
    assert [str(Edit("conv", [1, 2], "zero")), str(Edit("conv", 1, "scale", 2))] == ["conv:1,2 off", "conv:1 × 2"]  # type: ignore[arg-type]
