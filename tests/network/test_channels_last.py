"""Layers that hold channels last, as ConvNeXt does: their units are channels, with all that a unit has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, Edit, Unit, preferred_images
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.words.network import TraceWay
from tests.nets import opened

SIZE = (32, 48)


class Block(nn.Module):
    """A block of ConvNeXt: depthwise convolution, then norm and MLP over channels that are last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm, self.expand, self.act = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.GELU()
        self.project, self.scale = nn.Linear(3 * width, width), nn.Parameter(torch.rand(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.project(self.act(self.expand(y)))).permute(0, 3, 1, 2)


class First(nn.Module):
    """The same with channels first: 1×1 convolutions, and a norm by hand."""

    def __init__(self, other: Block) -> None:
        super().__init__()
        self.depthwise, self.norm, self.act, self.scale = other.depthwise, other.norm, other.act, other.scale
        self.expand, self.project = (self._as_convolution(each) for each in (other.expand, other.project))

    @staticmethod
    def _as_convolution(linear: nn.Linear) -> nn.Conv2d:
        found = nn.Conv2d(linear.in_features, linear.out_features, 1)
        found.weight, found.bias = nn.Parameter(linear.weight[:, :, None, None]), linear.bias
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depthwise(x)
        y = (y - y.mean(1, True)) / (y.var(1, unbiased=False, keepdim=True) + self.norm.eps).sqrt()
        return x + self.scale[:, None, None] * self.project(self.act(self.expand(y)))


class Whole(nn.Module):
    def __init__(self, blocks: list[nn.Module], stem: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.Sequential(*blocks), head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def both():
    torch.manual_seed(0)
    stem, head, blocks = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5), [Block(8), Block(8)]
    return Whole(blocks, stem, head).eval(), Whole([First(block) for block in blocks], stem, head).eval()


NAMES = ["blocks.0.expand", "blocks.0.act", "blocks.1.project", "blocks.1.add"]


@pytest.mark.parametrize("way", ["fx", "export"])
def test_all_is_as_where_channels_are_first(way: str, both) -> None:
    net, other = opened(both[0], SIZE, way), opened(both[1], SIZE)
    assert [
        name for name in net.layers if net.layers[name].shape[-1] in (8, 24) and len(net.layers[name].shape) == 3
    ] == []
    x = torch.randn(2, 3, *SIZE)
    other_name = {"blocks.1.add": next(name for name in reversed(other.layers) if name.startswith("blocks.1.add"))}
    for name in NAMES:
        theirs = other_name.get(name, name)
        assert net.layers[name].shape == other.layers[theirs].shape
        wanted = other.forward(x, [theirs])[theirs]
        assert torch.allclose(net.forward(x, [name])[name], wanted, atol=1e-5)
        diff = torch.randn(wanted.shape)
        for mode in ("grad", "deconv", "guided"):
            found = net.backward(x, name, diff, mode)["data"]
            assert torch.allclose(found, other.backward(x, theirs, diff, mode)["data"], atol=1e-4), (name, mode)
        assert net.receptive_field(name, (3, 5)) == _seen(both[0], x, "01".index(name[7]))
    at = net.record(x).backward("blocks.1.project", torch.ones(2, 8, 8, 12), "grad", ["blocks.0.act"])["blocks.0.act"]
    wanted = other.record(x).backward("blocks.1.project", torch.ones(2, 8, 8, 12), "grad", ["blocks.0.act"])
    assert torch.allclose(at, wanted["blocks.0.act"], atol=1e-4)


def _seen(module: nn.Module, x: torch.Tensor, block: int) -> tuple[int, int, int, int]:
    """What a place of a block sees, by the derivative of its convolution: 4 pixels a place, one more place around for
    each block."""
    inside = 4 * (1 + 2 * (block + 1))
    top, left = 4 * (3 - block - 1), 4 * (5 - block - 1)
    leaf = x[:1].clone().requires_grad_()
    out = module.blocks[:block](module.stem(leaf))
    module.blocks[block].depthwise(out)[0, :, 3, 5].sum().backward()
    rows, columns = leaf.grad[0].abs().sum(0).nonzero(as_tuple=True)
    found = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    assert found == (top, left, top + inside, left + inside)
    return found


def test_units_are_fed_edited_weighed_and_climbed(both) -> None:
    net, other = opened(both[0], SIZE), opened(both[1], SIZE)
    assert net.layers["blocks.0.act"].rectifier == "gelu"
    assert net.layers_feeding("blocks.1.project") == ("blocks.1.act",)
    below, weights, through = net.weights_of("blocks.1.project", 3)
    assert (below, through) == ("blocks.1.act", False)
    assert torch.allclose(weights[:, 4, 6], both[0].blocks[1].project.weight[3])
    x = torch.randn(1, 3, *SIZE)
    edit = [Edit("blocks.0.act", [2, 5], "scale", 3.0)]
    assert torch.allclose(net.forward(x, ["head"], edit)["head"], other.forward(x, ["head"], edit)["head"], atol=1e-5)
    settings = AscentSettings(max_iter=5, lr_params={"lr": 10.0})
    for each in (net, other):
        (result,) = preferred_images(each, [Unit("blocks.0.expand", 7, (3, 5))], seeds=[0], settings=settings)
        each.climbed = result.best
    assert np.allclose(net.climbed, other.climbed, atol=1e-2)
    net.add_layers([AddedLayer("blocks.0.act", "own", np.eye(2, 24))])
    values = net.forward(x, ["blocks.0.act", "blocks.0.act/own"])
    assert torch.allclose(values["blocks.0.act/own"], values["blocks.0.act"][:, :2])


def test_a_scan_finds_places(both, tmp_path: Path) -> None:
    import cv2

    from deepvis_toolbox.scan.scanning import scan

    random = np.random.RandomState(0)
    for number in range(6):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), random.randint(0, 255, (*SIZE, 3)).astype(np.uint8))
    net = opened(both[0], SIZE)
    top = scan(net, str(tmp_path), layers=["blocks.0.act"], top=2)
    frames = [cv2.imread(path)[:, :, ::-1].copy() for path in top.paths]
    values = torch.cat([net.forward(net.preprocess(frame), ["blocks.0.act"])["blocks.0.act"] for frame in frames])
    best = values.flatten(2).amax(2)
    assert np.array_equal(top.images["blocks.0.act"][:, 0], best.argmax(0).numpy())
    row, column = top.places["blocks.0.act"][4, 0]
    picture = top.images["blocks.0.act"][4, 0]
    assert float(values[picture, 4, row, column]) == pytest.approx(float(best[picture, 4]), rel=1e-5)


class AlongTheSides(nn.Module):
    """Linear layers along the width and the height of a map whose channels are first, as sMLPNet has them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 5, 3, padding=1), nn.MaxPool2d(2)
        self.width, self.height, self.norm = nn.Linear(24, 24), nn.Linear(16, 16), nn.LayerNorm(24)
        self.fc = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv(x)))
        y = torch.relu(self.width(x)) + self.height(x.permute(0, 1, 3, 2)).permute(0, 1, 3, 2)
        return self.fc((self.norm(y) + x).mean((2, 3)))


@pytest.mark.parametrize("way", ["fx", "export"])
def test_a_linear_layer_along_the_width_leaves_channels_first(way: TraceWay) -> None:
    torch.manual_seed(0)
    module = AlongTheSides().eval()
    network = opened(module, SIZE, way)
    x = torch.randn(1, 3, *SIZE)
    values = network.forward(x, list(network.layers))
    pooled = module.pool(torch.relu(module.conv(x)))
    torch.testing.assert_close(values["width"], module.width(pooled), rtol=1e-4, atol=1e-5)
    turned = module.height(pooled.permute(0, 1, 3, 2))
    torch.testing.assert_close(values["height"], turned, rtol=1e-4, atol=1e-5)
    wanted = module.norm(torch.relu(module.width(pooled)) + turned.permute(0, 1, 3, 2))
    torch.testing.assert_close(values["norm"], wanted, rtol=1e-4, atol=1e-5)
    rows = network.receptive_field("width", (3, 0))
    assert (rows.left, rows.right) == (0, SIZE[1]) or rows.right - rows.left >= SIZE[1], "it sees whole rows"
