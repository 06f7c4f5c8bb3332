"""Exported programs of networks as people write them, whole and in core operations, against plain torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from deepvis_toolbox import Network, load_network
from tests.nets import opened
from tests.network.held_against import SIZE, images, plain
from tests.opening.test_exported_programs import in_json, rewritten

Forward = Callable[[Any, torch.Tensor], torch.Tensor]


class Written(nn.Module):
    """Named parts, and what a forward does with them."""

    def __init__(self, forward: Forward, **parts: nn.Module) -> None:
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._forward(self, x)


def saved(module: nn.Module, path: Path, *, core: bool) -> Path:
    shapes = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(module.eval(), (images(),), dynamic_shapes=shapes, strict=False)
    torch.export.save(program.run_decompositions() if core else program, path)
    return path


def conv(channels: int, units: int, size: int = 3, **given: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, units, size, padding=size // 2, **given)


def borrowed() -> nn.Module:
    """Weights that a function reads before their own layer does."""

    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(net.conv(x))
        x = F.conv2d(x, net.own.weight, net.own.bias, stride=2).mean((2, 3)) + net.own(x).mean((2, 3))
        return net.fc(F.relu(F.linear(x, net.fc.weight)))

    return Written(forward, conv=conv(3, 8), own=conv(8, 8), fc=nn.Linear(8, 8, bias=False))


def within() -> nn.Module:
    """The same inside of another module."""
    return Written(lambda net, x: net.head(F.relu(net.inner(x))), inner=borrowed(), head=nn.Linear(8, 4))


def padded() -> nn.Module:
    first = conv(3, 8, padding_mode="circular")
    return Written(lambda net, x: net.last(F.relu(net.conv(x))), conv=first, last=conv(8, 4))


def tied() -> nn.Module:
    net = Written(
        lambda net, x: net.two(F.relu(net.one(F.relu(net.conv(x))))), conv=conv(3, 8), one=conv(8, 8), two=conv(8, 8)
    )
    net.two.weight = net.one.weight
    return net


def normed(norm: nn.Module) -> nn.Module:
    for tensor in (*norm.parameters(), *(each for each in norm.buffers() if each.ndim)):
        nn.init.uniform_(tensor, 0.5, 1.5)
    return Written(lambda net, x: net.last(F.relu(net.norm(net.conv(x)))), conv=conv(3, 8), norm=norm, last=conv(8, 4))


def rounded() -> nn.Module:
    """Rounds straight through: forward the rounded values, backward the signal as it is."""

    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.conv(x)
        return net.last(x + ((x * 4).round() / 4 - x).detach())

    return Written(forward, conv=conv(3, 8), last=conv(8, 4))


def with_prelu(count: int) -> nn.Module:
    return Written(
        lambda net, x: net.last(net.prelu(net.conv(x))), conv=conv(3, 8), prelu=nn.PReLU(count), last=conv(8, 4)
    )


class Sloping(nn.Module):
    """As a PReLU is written, but with a slope for each column; as many as there are channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = conv(3, 16), conv(16, 4)
        self.slopes = nn.Parameter(torch.rand(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.last(torch.where(x > 0, x, self.slopes * x))


def standardized() -> nn.Module:
    """Takes pixels' mean and scale from numbers in its forward, the second written part by part."""

    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        scale = torch.tensor([4.0, 5.0, 1.0])
        scale[2] = 3.0
        mean = torch.tensor([0.4, 0.5, 0.6])
        return net.last(F.relu(net.conv((x - mean.view(1, 3, 1, 1)) * scale.view(1, 3, 1, 1))))

    return Written(forward, conv=conv(3, 8), last=conv(8, 4))


def enlarging() -> nn.Module:
    return Written(
        lambda net, x: net.last(F.relu(net.up(F.relu(net.conv(x))))),
        conv=conv(3, 8, stride=2),
        up=nn.ConvTranspose2d(8, 6, 4, 2, 1, groups=2),
        last=conv(6, 4),
    )


WRITTEN: dict[str, Callable[[], nn.Module]] = {
    "a layer's weights are read by a function before": borrowed,
    "the same inside of a module": within,
    "circular padding": padded,
    "tied convolutions": tied,
    "instance norm": lambda: normed(nn.InstanceNorm2d(8)),
    "instance norm with weights": lambda: normed(nn.InstanceNorm2d(8, affine=True)),
    "instance norm by kept statistics": lambda: normed(nn.InstanceNorm2d(8, affine=True, track_running_stats=True)),
    "rounding straight through": rounded,
    "PReLU": lambda: with_prelu(8),
    "PReLU of one number": lambda: with_prelu(1),
    "numbers in forward": standardized,
    "a slope for each column": Sloping,
    "transposed convolution": enlarging,
    "weight norm": lambda: Written(
        lambda net, x: net.last(F.relu(net.conv(x))), conv=weight_norm(conv(3, 8)), last=conv(8, 4)
    ),
}


@pytest.mark.parametrize("core", [False, True], ids=["whole", "core"])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_program_is_its_module(name: str, core: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = WRITTEN[name]()
    network = load_network(saved(module, tmp_path / "net.pt2", core=core))
    assert not network.notes
    for count in (1, 3):
        _hold_against(module, network, images(count))
    if name != "weight norm":  # whose convolution bears the name of its operation
        _hold_against_itself_opened(network, opened(module, SIZE))


def _hold_against(module: nn.Module, network: Network, x: torch.Tensor) -> None:
    """Values of all layers that are a module's, and the gradient at the image, as in plain torch."""
    last = list(network.layers)[-1]
    leaf = x.clone().requires_grad_()
    own, output = plain(module, x), module(leaf)
    given = network.forward(x, list(network.layers))
    named = own.keys() & given.keys()
    assert {"own", "fc", "one", "two", "norm", "prelu", "up", "last"} & own.keys() <= named
    for layer in named:
        torch.testing.assert_close(given[layer], own[layer], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(given[last], output.detach(), rtol=1e-4, atol=1e-5)
    diff = torch.randn_like(output)
    (wanted,) = torch.autograd.grad(output, leaf, diff)
    torch.testing.assert_close(network.backward(x, last, diff)["data"], wanted, rtol=1e-3, atol=1e-5)


def _hold_against_itself_opened(network: Network, itself: Network) -> None:
    """Layers, receptive fields and backward modes as of the module that is opened without a file."""
    assert set(itself.layers) <= set(network.layers)
    for layer in itself.layers:
        assert network.layers[layer] == itself.layers[layer]
        assert network.receptive_field(layer) == itself.receptive_field(layer)
    x, last = images(), list(itself.layers)[-1]
    diff = torch.randn_like(itself.forward(x, [last])[last])
    for mode in ("grad", "deconv", "guided"):
        found, wanted = (each.backward(x, last, diff, mode)["data"] for each in (network, itself))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_receptive_field_behind_a_transposed_convolution_is_where_its_gradient_is(stride: int) -> None:
    torch.manual_seed(3)
    net = opened(
        Written(lambda net, x: F.conv_transpose2d(net.conv(x), net.conv.weight, None, stride, 1), conv=conv(3, 4)), SIZE
    )
    layer = list(net.layers)[-1]
    place = net.layers[layer].centre
    assert place is not None
    diff = torch.zeros(1, *net.layers[layer].shape)
    diff[(0, 0, *place)] = 1
    found = net.backward(images(1), layer, diff)["data"].abs().sum((0, 1)).nonzero()
    first, last = found.min(0).values.tolist(), found.max(0).values.tolist()
    assert net.receptive_field(layer, place) == (*first, last[0] + 1, last[1] + 1)


class Halving(nn.Module):
    """Halves its weights at each call, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(3, 8)
        self.register_buffer("rows", torch.randn(5, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows.mul_(0.5)  # type: ignore[operator]
        return F.linear(self.conv(x).relu().mean((2, 3)), self.rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("core", [False, True], ids=["whole", "core"])
def test_what_a_program_writes_into_is_as_in_the_file_after_opening(core: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = Halving()
    network = load_network(saved(module, tmp_path / "net.pt2", core=core))
    last = list(network.layers)[-1]
    with torch.no_grad():
        wanted = module(images())
    for _ in range(2):
        torch.testing.assert_close(network.forward(images(), [last])[last], wanted, rtol=1e-4, atol=1e-5)


def gated(net: Any, x: torch.Tensor) -> torch.Tensor:
    x = net.conv(x).relu()
    with torch.no_grad():
        gate = net.gate(x).sigmoid()
    return net.last(x * gate)


@pytest.mark.parametrize("core", [False, True], ids=["whole", "core"])
def test_a_program_tells_what_is_differentiated_though_forward_does_not(core: bool, tmp_path: Path) -> None:
    module = Written(gated, conv=conv(3, 8), gate=conv(8, 8), last=conv(8, 4))
    (note,) = load_network(saved(module, tmp_path / "net.pt2", core=core)).notes
    assert note == 'what forward computes under torch.no_grad(), from "gate" on, is differentiated all the same'


NAMED = {"mul": "self other", "where": "condition self other", "repeat": "self repeats", "permute": "self dims"}


def by_name(program: Any, _: Path) -> None:
    for node in program["graph_module"]["graph"]["nodes"]:
        names = NAMED.get(node["target"].split(".")[-2], "").split()
        for name, given in list(zip(names, node["inputs"], strict=False))[1:]:
            given.update(kind=2, name=name)


def test_arguments_that_a_program_gives_by_name_are_read(tmp_path: Path) -> None:
    torch.manual_seed(3)
    norm, fc = nn.InstanceNorm2d(8, affine=True), nn.Linear(8, 5)
    module = Written(
        lambda net, x: net.fc(net.norm(net.prelu(net.conv(x))).square().mean((2, 3))),
        conv=conv(3, 8), prelu=nn.PReLU(8), norm=norm, fc=fc,
    )  # fmt: skip
    whole = saved(module, tmp_path / "whole.pt2", core=True)
    network = load_network(rewritten(whole, tmp_path / "net.pt2", in_json("model.json", by_name), tmp_path))
    last = list(network.layers)[-1]
    with torch.no_grad():
        torch.testing.assert_close(network.forward(images(), [last])[last], module(images()), rtol=1e-4, atol=1e-5)
