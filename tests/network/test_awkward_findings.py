"""What opening finds out about a network: names, the batch's place, random numbers, hooks, hidden rectifiers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.awkward_networks import SIZE, hooked
from tests.network.test_awkward_networks import images, made


def test_names_are_unique_whatever_users_call_their_modules() -> None:
    names = list(opened(made("module called like a second use"), SIZE).layers)
    assert names[:5] == ["data", "conv", "relu", "relu_2", "relu_1"]
    network = opened(made("module called data"), SIZE)
    assert list(network.layers)[:4] == ["data", "conv", "data_1", "relu"]
    assert network.layers["data"].kind == "input"
    names = list(opened(made("module called add_1"), SIZE).layers)
    assert names[:6] == ["data", "conv", "add", "add_2", "add_1", "relu"]


def test_a_gradient_is_that_of_the_layer_that_is_named() -> None:
    module = made("module called like a second use")
    network = opened(module, SIZE)
    x = images()
    diff = torch.ones(2, *network.layers["relu_1"].shape)
    wanted = torch.autograd.grad(module.conv(leaf := x.clone().requires_grad_()), leaf, (module.conv(x) > 0) * diff)[0]
    torch.testing.assert_close(network.backward(x, "relu_1", diff)["data"], wanted, rtol=1e-4, atol=1e-6)


def test_layers_that_hold_the_tokens_first_are_shown_by_picture() -> None:
    module = made("tokens first")
    network = opened(module, SIZE)
    x = images()
    with torch.no_grad():
        tokens = module.linear(module.conv(x).flatten(2).transpose(1, 2))
    assert network.layers["linear"].shape == (144, 4)
    torch.testing.assert_close(network.forward(x, ["linear"])["linear"], tokens, rtol=1e-4, atol=1e-6)
    assert network.layers["relu"].rectifier == "relu"
    recording = network.record(x)
    torch.testing.assert_close(recording.below_rectifier("relu"), tokens, rtol=1e-4, atol=1e-6)
    diff = torch.randn(2, 144, 4, generator=torch.Generator().manual_seed(3))
    leaf = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(module.linear(module.conv(leaf).flatten(2).transpose(1, 2)), leaf, diff)
    for origin in ("linear", "relu"):
        found = recording.backward(origin, diff, at=["data", "linear"])
        torch.testing.assert_close(found["data"], wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found["linear"], diff)


@pytest.mark.parametrize(
    ("idiom", "left_out", "told"),
    [
        ("windows in the batch", ["reshape_1"], "first axis is not the batch: .*reshape_1"),
        ("channel shuffle", ["view", "transpose"], "they have 4 axes"),
        ("one picture at a time", [], "it takes one picture at a time"),
        ("flattened with the batch", [], "it takes one picture at a time"),
        ("mixes the batch", [], 'depends on the others in its batch, from "sub"'),
        ("batch norm without running statistics", [], 'depends on the others in its batch, from "norm"'),
    ],
)
def test_what_is_left_out_or_run_otherwise_is_told(idiom: str, left_out: list[str], told: str) -> None:
    network = opened(made(idiom), SIZE)
    assert not set(left_out) & set(network.layers)
    assert any(re.search(told, note) for note in network.notes), network.notes


def test_windows_in_the_batch_are_joined_again() -> None:
    module = made("windows in the batch")
    network, x = opened(module, SIZE), torch.randn(2, 3, *SIZE)
    found = {name: value.clone() for name, value in network.forward(x, ["conv", "linear", "relu"]).items()}
    with torch.inference_mode():
        expected = module.linear(found["conv"].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        torch.testing.assert_close(found["linear"], expected)
        torch.testing.assert_close(found["relu"], expected.relu())


def test_plain_networks_have_no_notes() -> None:
    assert opened(made("rectifier: where"), SIZE).notes == ()


class DropsAlways(nn.Module):
    """Forgets training=self.training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.conv(x), 0.5)


def test_a_network_that_draws_random_numbers_is_told_with_its_line() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    network = opened(DropsAlways(), SIZE)
    assert any("random numbers" in note and "F.dropout(self.conv(x), 0.5)" in note for note in network.notes)
    torch.manual_seed(3)
    DropsAlways()
    assert torch.equal(torch.get_rng_state(), _after(state))


def _after(state: torch.Tensor) -> torch.Tensor:
    """The state once the module has been made, and nothing else has been drawn."""
    torch.set_rng_state(state)
    DropsAlways()
    return torch.get_rng_state()


class Counts(nn.Module):
    """Keeps what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.register_buffer("seen", torch.zeros(()))
        self.calls: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(1)
        self.seen = self.seen + 1
        return self.norm(self.conv(x))


def test_opening_leaves_the_modules_state_flags_and_random_numbers_alone() -> None:
    module = Counts().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    opened(module, SIZE)
    assert torch.equal(torch.get_rng_state(), state)
    assert not module.calls
    assert module.training
    assert module.norm.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_a_relu_whose_hook_changes_its_value_is_no_rectifier_and_deconv_is_refused_by_name() -> None:
    network = opened(hooked("relu")(), SIZE)
    assert not network.layers["relu"].rectifier
    with pytest.raises(ToolboxError, match="relu, which hides a rectifier"):
        network.backward(images(), "last", torch.ones(2, 5), "deconv")


def test_a_hook_that_only_looks_leaves_deconv_usable() -> None:
    module, seen = made("branch on is_tensor"), []
    module.relu.register_forward_hook(lambda _, __, given: seen.append(given.shape))
    network = opened(module, SIZE)
    assert network.layers["relu"].rectifier == "relu"
    network.backward(images(), "last", torch.ones(2, 5), "deconv")
    assert seen


def test_a_hooked_rectifier_is_not_overwritten_in_the_quick_pass() -> None:
    module, seen = made("branch on is_tensor"), []
    module.conv.register_forward_hook(lambda _, __, given: seen.append(given))
    network = opened(module, SIZE)
    seen.clear()
    network.forward(images(), ["last"])
    assert (seen[0] < 0).any()


class HidesInside(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, stride=4)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.conv(x).flatten(2).transpose(1, 2)).mean(1)


class Kept(nn.Module):
    kind = "custom"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x) if x.sum() else x


@pytest.mark.parametrize("make", [lambda: HidesInside(1), lambda: HidesInside(3), lambda: nn.Sequential(Kept())])
def test_deconv_is_refused_where_a_rectifier_is_deep_inside_a_kept_module(make: Any) -> None:
    network = opened(make(), SIZE)
    last = list(network.layers)[-1]
    with pytest.raises(ToolboxError, match="hides a rectifier"):
        network.backward(images(), last, torch.ones(2, *network.layers[last].shape), "guided")


def test_pictures_of_a_network_that_takes_one_at_a_time_are_scanned_and_climbed() -> None:
    module = made("one picture at a time")
    network = opened(module, SIZE)
    x = images(3)
    seen: dict[str, torch.Tensor] = {}
    network.visit(x, ["relu", "last"], lambda name, value, _: seen.update({name: value.clone()}))
    assert seen["relu"].shape == (3, 4, 12, 12)
    with torch.no_grad():
        torch.testing.assert_close(seen["last"], torch.cat([module(part) for part in x.split(1)]))
    found = network.ascent_pass("last", None)(x, torch.tensor([0, 3, 4]))
    leaf = x.clone().requires_grad_()
    values = torch.cat([module(part) for part in leaf.split(1)])
    (wanted,) = torch.autograd.grad(values[[0, 1, 2], [0, 3, 4]].sum(), leaf)
    torch.testing.assert_close(found.gradient, wanted, rtol=1e-4, atol=1e-6)


class PrunedToNothing(nn.Module):
    """A branch of which no channel is left."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.last(torch.cat([x, x[:, :0]], 1))


def test_a_layer_of_no_channels_is_no_layer() -> None:
    network = opened(PrunedToNothing(), SIZE)
    assert list(network.layers) == ["data", "conv", "cat", "last"]
    assert network.notes == ("layers left out, since they have no units: getitem",)
