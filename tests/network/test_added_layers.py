"""Directions that a user puts on a layer: they are units like any other, and the network computes what it did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import AscentSettings, Edit, ToolboxError, Unit, measure, parse_units, preferred_images
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import Classic, Residual, opened

RANDOM = np.random.RandomState(0)


class Tokens(nn.Module):
    """Patches as tokens, and a mean over them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mlp, self.fc = nn.Conv2d(3, 6, 8, 8), nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.fc((tokens + self.mlp(tokens).relu()).mean(1))


def directions(units: int, channels: int) -> np.ndarray:
    return RANDOM.randn(units, channels).astype(np.float32)


def plain(value: torch.Tensor, added: AddedLayer) -> torch.Tensor:
    """What an added layer is, for values (N, C, H, W), (N, T, C) or (N, C)."""
    axis = -1 if value.ndim == 3 else 1
    below = torch.tensordot(value.movedim(axis, -1), torch.tensor(added.directions).T, 1)
    below = below + (0 if added.bias is None else torch.tensor(added.bias))
    if added.encoder != "linear":
        below = below.relu()
    if added.top:
        least = below.sort(-1, descending=True).values[..., added.top - 1 : added.top]
        below = torch.where(below >= least, below, 0)
    return below.movedim(-1, axis)


HOSTS: dict[str, tuple[Callable[[], nn.Module], str, int]] = {
    "maps": (Classic, "relu2", 8),
    "a sum's maps": (Residual, "relu_2", 8),
    "a flat layer": (Classic, "fc", 10),
    "tokens": (Tokens, "add", 6),
    "the image": (Classic, "data", 3),
}


@pytest.mark.parametrize("encoder", ["linear", "relu", "topk:2"])
@pytest.mark.parametrize("host", HOSTS)
def test_values_and_gradients_are_those_of_plain_torch(host: str, encoder: str) -> None:
    make, layer, channels = HOSTS[host]
    torch.manual_seed(1)
    module = make().eval()
    net, other = opened(module), opened(module)
    added = AddedLayer(layer, "own", directions(5, channels), directions(1, 5)[0], encoder)
    net.add_layers([added])
    x = torch.randn(2, 3, 32, 32)
    name = f"{layer}/own"
    host_value = other.forward(x, [layer])[layer]
    wanted = plain(host_value, added)
    assert torch.allclose(net.forward(x, [name])[name], wanted, atol=1e-5)
    recording = net.record(x)
    assert torch.allclose(recording.activations([name])[name], wanted, atol=1e-5)
    diff = torch.randn(wanted.shape)
    below = torch.tensordot(diff.movedim(1 if diff.ndim != 3 else -1, -1), torch.tensor(added.directions), 1)
    arrives = below.movedim(-1, 1 if diff.ndim != 3 else -1)  # below the encoder, as at a rectifier
    at_host = recording.backward(name, diff, "grad", [layer])[layer]
    if not net.layers[layer].rectifier:
        assert torch.allclose(at_host, arrives, atol=1e-5)
    for mode in ("grad", "deconv", "guided"):
        found = net.backward(x, name, diff, mode)["data"]
        behind = _through_the_rectifier(net, layer, host_value, arrives, mode)
        assert torch.allclose(found, other.backward(x, layer, behind, mode)["data"], atol=1e-4), mode


def _through_the_rectifier(
    net: TorchNetwork, layer: str, value: torch.Tensor, signal: torch.Tensor, mode: str
) -> torch.Tensor:
    """What arrives below the host's own rectifier: a backward pass that starts at the host starts there."""
    if not net.layers[layer].rectifier:
        return signal
    if mode == "grad":
        return signal * (value > 0)
    return signal.clamp(min=0) * (1 if mode == "deconv" else (value > 0))


def test_the_network_is_what_it_was() -> None:
    module = Residual().eval()
    net, other = opened(module), opened(module)
    net.add_layers([AddedLayer("relu_2", "a", directions(3, 8)), AddedLayer("fc", "b", directions(2, 5))])
    net.add_layers([AddedLayer("relu_2", "c", directions(3, 8))])
    x = torch.randn(2, 3, 32, 32)
    assert [name for name in net.layers if not net.layers[name].added_to] == list(other.layers)
    assert net.weights_hash == other.weights_hash
    assert net.label_layers == other.label_layers == ("fc",)
    assert {name: value for name, value in net.answer.items() if "/" not in name} == other.answer
    names = list(net.layers)
    assert names[names.index("relu_2") + 1 : names.index("relu_2") + 3] == ["relu_2/a", "relu_2/c"]
    for name in other.layers:
        assert torch.equal(net.forward(x, [name])[name], other.forward(x, [name])[name]), name
    assert net.receptive_field("relu_2/a", (2, 3)) == other.receptive_field("relu_2", (2, 3))
    below, weights, _ = net.weights_of("relu_2/a", 1)
    assert below == "relu_2"
    assert weights.shape == (8, 16, 16)


def test_a_groups_name_still_means_its_own_last_layer() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block(x).mean((2, 3))

    net = opened(Grouped())
    net.add_layers([AddedLayer("block", "own", directions(2, 4))])
    assert net.layers.canonical("block") == "block.1"
    assert "block.1/own" in net.layers


def test_a_layer_can_be_put_on_an_added_one() -> None:
    net = opened(Classic().eval())
    net.add_layers([AddedLayer("fc", "a", directions(4, 10), None, "relu"), AddedLayer("fc/a", "b", directions(2, 4))])
    x = torch.randn(1, 3, 32, 32)
    values = net.forward(x, ["fc/a", "fc/a/b"])
    assert values["fc/a/b"].shape == (1, 2)
    assert net.layers["fc/a/b"].added_to == "fc/a"


def test_units_have_their_names_in_addresses() -> None:
    net = opened(Classic().eval())
    net.add_layers([AddedLayer("relu2", "own", directions(3, 8), unit_names=["striped", "dotted", "red, warm"])])
    assert parse_units("relu2/own:dotted", net.layers, net.class_names) == [Unit("relu2/own", 1)]
    assert parse_units("relu2/own:warm", net.layers, net.class_names) == [Unit("relu2/own", 2)]
    with pytest.raises(ToolboxError, match='did you mean "relu2/own:dotted"'):
        parse_units("relu2/own:doted", net.layers, net.class_names)


def test_an_edit_of_an_added_layer_is_refused_and_one_below_changes_it() -> None:
    net = opened(Classic().eval())
    net.add_layers([AddedLayer("relu2", "own", directions(3, 8))])
    x = torch.randn(1, 3, 32, 32)
    with pytest.raises(ToolboxError, match='nothing of the network reads it; edit "relu2"'):
        net.forward(x, ["fc"], [Edit("relu2/own", [0], "zero")])
    edited = net.forward(x, ["relu2/own", "relu2"], [Edit("relu2", range(8), "zero")])
    assert not edited["relu2/own"].any()


def test_a_preferred_image_makes_the_direction_stronger_also_where_the_encoder_is_off() -> None:
    net = opened(Classic().eval())
    bias = np.full(3, -50, np.float32)  # off at first
    net.add_layers([AddedLayer("relu2", "own", directions(3, 8), bias, "topk:1")])
    settings = AscentSettings(max_iter=8, lr_params={"lr": 2.0}, decay=0.0)
    (found,) = preferred_images(net, [Unit("relu2/own", 1)], seeds=[0], settings=settings)
    assert found.outcome != "zero gradient"
    assert found.distance[-1] > found.distance[0]


def test_measurements_take_it_as_any_other_layer() -> None:
    net = opened(Classic().eval())
    net.add_layers([AddedLayer("relu2", "own", directions(3, 8), None, "relu")])
    session = measure.Session(net)
    frame = RANDOM.randint(0, 255, (32, 32, 3)).astype(np.uint8)
    maps = session.take(frame, measure.LayerMaps("relu2/own")).maps
    assert np.allclose(maps, net.forward(net.preprocess(frame), ["relu2/own"])["relu2/own"][0].numpy(), atol=1e-5)
    shares = session.take(frame, measure.Contributors("relu2/own", 0))
    assert {unit.layer for unit in shares.units} == {"relu2"}
    strongest = int(maps.max((1, 2)).argmax())
    assert session.take(frame, measure.BackwardImage("relu2/own", strongest, "deconv")).image.any()


REFUSED: dict[str, tuple[Callable[[], AddedLayer], str]] = {
    "a layer that is not there": (lambda: AddedLayer("conv9", "own", directions(2, 8)), 'no layer "conv9"'),
    "other channels": (lambda: AddedLayer("relu2", "own", directions(2, 7)), "have 7 values each, but .* has 8 units"),
    "a name with a colon": (lambda: AddedLayer("relu2", "a:b", directions(2, 8)), '"a:b" is no name'),
    "one vector": (lambda: AddedLayer("relu2", "own", directions(1, 8)[0]), "are 8, not units × channels"),
    "NaN": (lambda: AddedLayer("relu2", "own", directions(2, 8) * np.nan), "holds NaN"),
    "a bias of another size": (lambda: AddedLayer("relu2", "own", directions(2, 8), np.zeros(3)), "one for each of 2"),
    "too few names": (lambda: AddedLayer("relu2", "own", directions(2, 8), unit_names=["a"]), "1 names for its 2"),
    "an encoder that is none": (lambda: AddedLayer("relu2", "own", directions(2, 8), None, "rellu"), '"rellu"; it is'),
    "more than there are": (lambda: AddedLayer("relu2", "own", directions(2, 8), None, "topk:3"), "has only 2 units"),
    "no numbers": (lambda: AddedLayer("relu2", "own", np.array([["a"]])), "no array of numbers"),
    "more than memory": (lambda: AddedLayer("data", "own", np.zeros((1 << 22, 3))), "of the memory that is free"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(what: str) -> None:
    make, sentence = REFUSED[what]
    net = opened(Classic().eval(), (32, 32))
    before = list(net.layers)
    with pytest.raises(ToolboxError, match=sentence):
        net.add_layers([make()])
    assert list(net.layers) == before


def test_a_name_is_given_once() -> None:
    net = opened(Classic().eval())
    net.add_layers([AddedLayer("relu2", "own", directions(2, 8))])
    with pytest.raises(ToolboxError, match='there is a layer "relu2/own" already'):
        net.add_layers([AddedLayer("relu2", "own", directions(2, 8))])


def test_a_store_does_not_mix_two_files_of_one_name(tmp_path: Path) -> None:
    from deepvis_toolbox.unit_images.store import UnitImageStore

    module = Classic().eval()
    plain_net, first, second = opened(module), opened(module), opened(module)
    first.add_layers([AddedLayer("relu2", "own", directions(2, 8))])
    second.add_layers([AddedLayer("relu2", "own", directions(2, 8))])
    store = UnitImageStore(tmp_path)
    store.claim(plain_net)
    picture = np.zeros((30, 30, 3), np.uint8)
    store.write_montage("regularized_opt", Unit("relu2", 0), picture)
    store.claim(first)
    store.write_montage("regularized_opt", Unit("relu2/own", 0), picture)
    store.claim(first)
    store.claim(plain_net)
    with pytest.raises(ToolboxError, match='computes something else in "relu2/own"'):
        store.claim(second)


def test_a_pool_of_the_kept_units_is_what_functional_says() -> None:
    """`topk` keeps as many at each place as it says, and they are the largest."""
    net = opened(Classic().eval())
    net.add_layers([AddedLayer("relu2", "own", directions(9, 8), None, "topk:3")])
    x = torch.randn(1, 3, 32, 32)
    found = net.forward(x, ["relu2", "relu2/own"])
    every = F.conv2d(found["relu2"], net.graph_module.added_layers_of_the_toolbox[0].weight).relu()
    kept = found["relu2/own"] > 0
    assert int(kept.sum(1).max()) <= 3
    assert bool((torch.where(kept, every, torch.inf).amin(1) >= torch.where(kept, -torch.inf, every).amax(1)).all())
