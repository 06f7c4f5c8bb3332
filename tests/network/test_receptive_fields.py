"""Receptive fields and crops, against what gradients say."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.network.ascent_pass import AscentPass
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import Branching, Classic, Residual, opened


class Gated(nn.Module):
    """Squeeze and excitation: every place is scaled by a mean over all places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.gate = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))


class Widening(nn.Module):
    """Rectangular kernels, dilation, a transposed convolution, uneven padding, channels cut and put together."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (5, 3), stride=(2, 1), padding=(1, 0), dilation=(1, 2))
        self.up = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
        self.last = nn.Conv2d(2, 3, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(self.conv(x), (0, 1, 2, 0))
        first, second = torch.chunk(self.up(x), 2, dim=1)
        return self.last(torch.cat([first, second], dim=1)[:, 1:3])


def seen_by_gradient(network: TorchNetwork, layer: str, place: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The rectangle of input pixels with a gradient, over several images: ReLUs hide some of it on each."""
    x = torch.randn(8, *network.input_shape, generator=torch.Generator().manual_seed(0))
    diff = torch.zeros(8, *network.layers[layer].shape)
    diff[:, :, place[0], place[1]] = torch.randn(8, network.layers[layer].channels)
    touched = network.backward(x, layer, diff)["data"].abs().amax((0, 1)) > 0
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    if not len(rows):
        return None  # a place that holds padding alone
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@pytest.mark.parametrize("net", [Classic, Branching, Widening, Gated])
def test_the_field_inside_the_image_is_where_the_gradient_is(net: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = opened(net())
    for layer in network.layers.values():
        if not layer.is_spatial:
            assert network.receptive_field(layer.name) == (0, 0, 32, 32)
            continue
        for place in {(0, 0), layer.centre, (layer.shape[1] - 1, layer.shape[2] - 1)}:
            field = network.receptive_field(layer.name, place)
            inside = (max(field.top, 0), max(field.left, 0), min(field.bottom, 32), min(field.right, 32))
            found = seen_by_gradient(network, layer.name, place)
            if found is None:
                assert place != layer.centre, (layer.name, place)
            elif place != layer.centre or layer.kind == "pool":
                # at the border a part is padding, or rows that no window reaches; a maximum shows where it was
                holds = inside[0] <= found[0], inside[1] <= found[1], inside[2] >= found[2], inside[3] >= found[3]
                assert all(holds), (layer.name, place)
            else:
                assert found == inside, (layer.name, place)


def test_the_field_leaves_the_image_as_far_as_the_windows_do() -> None:
    network = opened(Classic())
    assert network.receptive_field("conv1", (0, 0)) == (-1, -1, 4, 4)
    assert network.receptive_field("pool1", (0, 0)) == (-1, -1, 8, 8)
    assert network.receptive_field("relu2", (6, 6)) == (19, 19, 36, 36)


class Between(nn.Module):
    """A convolution, something, and another convolution."""

    def __init__(self, between: Callable[[Between, torch.Tensor], torch.Tensor], channels: int = 4) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(channels, 4, 3, padding=1)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.pool = nn.MaxPool2d(3, 2, return_indices=True)
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.between(self, self.conv(x)))


def attend(net: Between, x: torch.Tensor) -> torch.Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return x + net.attention(tokens, tokens, tokens)[0].transpose(1, 2).unflatten(2, (32, 32))


SEVERAL: dict[str, Callable[[], nn.Module]] = {
    "max": lambda: Between(lambda _, x: torch.max(x, 1, keepdim=True)[0], 1),
    "topk": lambda: Between(lambda _, x: torch.topk(x, 2, 1)[0], 2),
    "sort": lambda: Between(lambda _, x: torch.sort(x, 1).values),
    "unbind": lambda: Between(lambda _, x: torch.stack(x.unbind(1), 1)),
    "rows": lambda: Between(lambda _, x: x.chunk(2, 2)[1]),
    "pool": lambda: Between(lambda net, x: net.pool(x)[0]),
    "attention": lambda: Between(attend),
}
PADDED: dict[str, Callable[[], nn.Module]] = {
    mode + how: make
    for mode in ("reflect", "circular", "replicate")
    for how, make in {
        " convolution": lambda mode=mode: nn.Sequential(nn.Conv2d(3, 4, 3, padding=5, padding_mode=mode)),
        " pad": lambda mode=mode: Between(lambda _, x: F.pad(x, (5, 5, 5, 5), mode=mode)),
    }.items()
} | {
    "ReflectionPad2d": lambda: nn.Sequential(nn.ReflectionPad2d(5), nn.Conv2d(3, 4, 3)),
    "CircularPad2d": lambda: nn.Sequential(nn.CircularPad2d(5), nn.Conv2d(3, 4, 3)),
    "ReplicationPad2d": lambda: nn.Sequential(nn.ReplicationPad2d(2), nn.Conv2d(3, 4, 3)),
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in {**SEVERAL, **PADDED}.items()])
def test_no_gradient_lies_outside_the_field(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = opened(make())
    for layer in network.layers.values():
        if not layer.is_spatial:
            continue
        for place in {(0, 0), layer.centre, (layer.shape[1] - 1, 0)}:
            found, field = seen_by_gradient(network, layer.name, place), network.receptive_field(layer.name, place)
            assert found is not None
            holds = field[0] <= found[0], field[1] <= found[1], field[2] >= found[2], field[3] >= found[3]
            assert all(holds), (layer.name, place, field, found)


def test_adaptive_pooling_shares_the_input_out() -> None:
    network = opened(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2),
            nn.AdaptiveAvgPool2d((15, 15)),  # as AlexNet's on images of its own size: it changes nothing
            nn.AdaptiveAvgPool2d((5, 4)),
            nn.AdaptiveAvgPool2d(1),
        )
    )
    for name in ("0", "1", "2", "3"):
        shape = network.layers[name].shape
        for place in {(0, 0), (shape[1] // 2, shape[2] // 2), (shape[1] - 1, shape[2] - 1)}:
            assert network.receptive_field(name, place) == seen_by_gradient(network, name, place), (name, place)
    assert network.receptive_field("1", (3, 4)) == network.receptive_field("0", (3, 4))


def test_dilated_residual_blocks_see_what_arithmetic_says() -> None:
    network = opened(Residual())
    # stem 3, then 3 * 2 more by conv1 (stride 2), then 5 taps wide at stride 2 by the dilated conv2
    field = network.receptive_field("relu_2", (8, 8))
    assert field.bottom - field.top == 3 + 2 * 2 + 4 * 2
    assert field == network.receptive_field("add", (8, 8))


def test_a_place_outside_the_layer_is_refused() -> None:
    with pytest.raises(ToolboxError, match=r"places 0,0 to 14,14, not 15,0"):
        opened(Classic()).receptive_field("conv1", (15, 0))


@pytest.mark.parametrize("net", [lambda: Classic(8 * 15 * 13), Residual, Branching])
def test_a_unit_has_the_same_value_and_gradient_on_its_crop(net: Callable[[], nn.Module]) -> None:
    torch.manual_seed(1)
    network = opened(net(), (64, 57))
    x = torch.randn(3, *network.input_shape)
    cropped = 0
    for layer in network.layers.values():
        if not layer.is_spatial:
            continue
        channels = torch.tensor([0, layer.channels - 1, layer.channels // 2])
        height, width = layer.shape[1:]
        for place in {(0, 0), layer.centre, (height - 1, width - 1), (height // 4, width // 3)}:
            on_crop = network.ascent_pass(layer.name, place)
            cropped += on_crop.region is not None
            for found, wanted in zip(
                on_crop(x, channels), AscentPass(network, layer.name, place)(x, channels), strict=True
            ):
                assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max(), (layer.name, place)
    assert cropped >= 20


def test_the_default_network_crops_its_lower_half(default_network: TorchNetwork) -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(0, 0.5, (2, 3, 224, 224)).astype(np.float32))
    share = {}
    for name in ("stem", "block3", "block5", "block8"):
        layer = default_network.layers[name]
        on_crop = default_network.ascent_pass(layer.name, layer.centre)
        assert on_crop.region is not None
        top, left, bottom, right = on_crop.region
        share[name] = (bottom - top) * (right - left) / 224**2
        channels = torch.tensor([1, layer.channels - 1])
        full = AscentPass(default_network, layer.name, layer.centre)
        for found, wanted in zip(on_crop(x, channels), full(x, channels), strict=True):
            assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()
    assert share["stem"] < share["block3"] < share["block5"] < share["block8"] < 0.6
    assert default_network.ascent_pass("fc", None).region is None


def test_units_that_see_everything_run_on_everything() -> None:
    network = opened(Gated())
    assert network.ascent_pass("conv", (16, 16)).region is not None
    assert network.ascent_pass(next(reversed(network.layers)), (16, 16)).region is None


CUT: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "above": lambda x: F.pad(x, (0, 0, -1, 0)),
    "left": lambda x: F.pad(x, (-1, 0, 0, 0)),
    "below": lambda x: F.pad(x, (0, 0, 0, -3)),
    "right": lambda x: F.pad(x, (0, -2, 0, 0)),
    "around": lambda x: F.pad(x, (-1, -1, -1, -1)),
    "by a module": nn.ZeroPad2d(-1),
    "by an index": lambda x: x[:, :, 1:, 2:-1],
}


@pytest.mark.parametrize("cut", CUT)
def test_an_ascent_passes_a_border_that_is_cut_off_as_autograd_does(cut: str) -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cut, self.conv = CUT[cut], nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(F.max_pool2d(self.cut(x), 3, 2, 1))

    torch.manual_seed(0)
    module = Cut().eval()
    network = opened(module, (33, 29))
    x = torch.randn(1, 3, 33, 29)
    _, height, width = network.layers["conv"].shape
    for place in itertools.product(range(height), range(width)):
        leaf = x.clone().requires_grad_()
        (wanted,) = torch.autograd.grad(module(leaf)[0, 0, place[0], place[1]], leaf)
        found = network.ascent_pass("conv", place)(x, torch.tensor([0]))
        torch.testing.assert_close(found.gradient, wanted, rtol=1e-4, atol=1e-6)
