"""Windows of Swin-like networks are shown joined on the grid, heads as tokens; with all that layers have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, Edit, Unit, measure, preferred_images
from deepvis_toolbox.scan.scanning import scan
from deepvis_toolbox.words.network import TraceWay
from tests.nets import opened
from tests.transformers import SelfAttention, VisionTransformer
from tests.windowed import Swin, layers_without_windows, maps_without_windows

SIZE = (32, 48)
INSIDE = [f"attn.{name}" for name in ("qkv", "q", "k", "v", "matmul_1", "proj")]


def _swin(**how: bool) -> Swin:
    torch.manual_seed(0)
    return Swin(SIZE, **how).eval()


@pytest.mark.parametrize(
    ("way", "how"), [("fx", {}), ("export", {}), ("fx", {"in_a_row": True}), ("fx", {"fused": True})], ids=str
)
def test_joined_maps_are_those_computed_place_by_place(way: TraceWay, how: dict[str, bool]) -> None:
    """Windows of 4×4 on 8×12 and, padded, on 4×6 places; every second block shifted."""
    module, x = _swin(**how), torch.randn(2, 3, *SIZE)
    net, wanted = opened(module, SIZE, way), maps_without_windows(module, x)
    torch.testing.assert_close(module(x), wanted["head"], rtol=1e-4, atol=1e-5)
    names = [f"stages.{stage}.{block}.{name}" for stage in (0, 1) for block in (0, 1) for name in INSIDE]
    own = {name: name.replace("matmul_1", "scaled_dot_product_attention") if "fused" in how else name for name in names}
    values = net.forward(x, list(own.values()))
    for name in names:
        torch.testing.assert_close(values[own[name]], wanted[name], rtol=1e-4, atol=1e-5)
        assert net.layers[own[name]].shape == wanted[name].shape[1:]
    assert net.layers[own["stages.0.0.attn.q"]].unit_names[:5] == (
        *(f"head 0 value {number}" for number in range(4)),
        "head 1 value 0",
    )
    assert not any(layer.tells_attention for layer in net.layers.values())
    maps = [layer for layer in net.layers.values() if len(layer.shape) == 3]
    assert {layer.shape[1:] for layer in maps} <= {SIZE, (8, 12), (4, 6), (4, 8), (4, 12)}, "channels lead in all"


@pytest.mark.parametrize("how", [{}, {"fused": True}], ids=["maps", "fused"])
def test_gradients_edits_and_recordings_are_those_of_torch(how: dict[str, bool]) -> None:
    module, x = _swin(**how), torch.randn(2, 3, *SIZE)
    net, layer = opened(module, SIZE), "stages.1.1.attn.proj"
    leaf = x.clone().requires_grad_()
    wanted = layers_without_windows(module, leaf)
    diff = torch.randn(2, 16, 4, 6)
    end = (wanted[layer] * diff.permute(0, 2, 3, 1)).sum()
    arrived = torch.autograd.grad(end, [leaf, wanted["stages.0.1.attn.qkv"]])
    recording = net.record(x, None)
    found = recording.backward(layer, diff, "grad", ["data", "stages.0.1.attn.qkv"])
    torch.testing.assert_close(found["data"], arrived[0], rtol=1e-3, atol=1e-5)
    at_qkv = arrived[1].permute(0, 3, 1, 2)
    torch.testing.assert_close(found["stages.0.1.attn.qkv"], at_qkv, rtol=1e-3, atol=1e-5)
    values = recording.activations([layer, "head"])
    torch.testing.assert_close(values[layer], wanted[layer].detach().permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)
    edited = net.forward(x, ["head", layer], [Edit(layer, [2, 5], "scale", 3.0)])

    factor = torch.ones(16)
    factor[[2, 5]] = 3
    handle = module.stages[1][1].attn.proj.register_forward_hook(lambda _, __, value: value * factor)
    torch.testing.assert_close(edited["head"], module(x).detach(), rtol=1e-4, atol=1e-5)
    handle.remove()
    unchanged = net.forward(x, ["head"])["head"]
    torch.testing.assert_close(unchanged, module(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_layer_that_nobody_asks_for_is_not_joined() -> None:
    net = opened(_swin(), SIZE)
    copies = {node for node in net.graph_module.graph.nodes if node.meta.get("is_copy")}
    assert len(copies) == 28
    for layers, wanted in ((["head"], 0), (["head", "stages.0.1.attn.proj"], 1)):
        net.forward(torch.randn(1, 3, *SIZE), layers)
        program = net._programs[next(reversed(net._programs))]
        assert len(copies & {step.node for step in program._steps}) == wanted


def test_units_have_places_preferred_images_and_top_images(tmp_path: Path) -> None:
    module = _swin()
    net, layer = opened(module, SIZE), "stages.0.1.attn.proj"
    settings = AscentSettings(max_iter=4, lr_policy="constant", lr_params={"lr": 10.0})
    (made,) = preferred_images(net, [Unit(layer, 3, (6, 11))], seeds=[0], settings=settings)
    assert made.objective[-1] > made.objective[0]
    dice = np.random.default_rng(0)
    frames = [dice.integers(0, 256, (*SIZE, 3)).astype(np.uint8) for _ in range(5)]
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame[..., ::-1])
    top = scan(net, str(tmp_path), layers=[layer], top=2)
    wanted = torch.cat([maps_without_windows(module, net.preprocess(frame))[layer] for frame in frames]).detach()
    best = wanted.flatten(2).amax(2)
    assert np.array_equal(top.images[layer][:, 0], best.argmax(0).numpy())
    row, column = top.places[layer][5, 0]
    assert float(wanted[top.images[layer][5, 0], 5, row, column]) == pytest.approx(float(best[:, 5].max()), rel=1e-4)
    found = measure.Session(net).take(frames[0], measure.LayerMaps(layer)).maps
    np.testing.assert_allclose(found, wanted[0].detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("way", "how"), [("fx", "explicit"), ("fx", "fused"), ("export", "explicit")])
def test_the_heads_of_a_vision_transformer_are_tokens_that_lie_on_its_grid(how: str, way: TraceWay) -> None:
    torch.manual_seed(0)
    module = VisionTransformer((32, 64), how=how).eval()
    net, x = opened(module, (32, 64), way), torch.randn(2, 3, 32, 64)
    kept = {}
    handle = module.blocks[0].attn.qkv.register_forward_hook(lambda _, __, value: kept.setdefault("qkv", value))
    module(x)
    handle.remove()
    parts = dict(zip("qkv", kept["qkv"].chunk(3, -1), strict=True))
    for name, wanted in parts.items():
        layer = net.layers[f"blocks.0.attn.{name}"]
        torch.testing.assert_close(net.forward(x, [layer.name])[layer.name], wanted.detach(), rtol=1e-4, atol=1e-5)
        assert (layer.grid, layer.is_tokens) == (net.layers["blocks.0.attn.qkv"].grid, True)
        assert layer.unit_names[0] == "head 0 value 0"
        assert len(layer.unit_names) == layer.channels
    attending = [layer for layer in net.layers.values() if layer.tells_attention]
    assert len(attending) == len(module.blocks)
    others = [layer.shape for layer in list(net.layers.values())[2:] if not layer.is_tokens and len(layer.shape) > 1]
    assert set(others) <= {(4, 33, 33)}  # scores; what attention gives, (tokens, heads, values), is tokens too


def test_what_attention_gives_is_tokens_before_its_heads_are_put_together() -> None:
    torch.manual_seed(0)
    module = VisionTransformer((32, 64)).eval()
    net, x, kept = opened(module, (32, 64)), torch.randn(2, 3, 32, 64), {}
    handle = module.blocks[1].attn.proj.register_forward_hook(lambda _, given, __: kept.setdefault("given", given[0]))
    module(x)
    handle.remove()
    layer = net.layers["blocks.1.attn.transpose"]
    assert (layer.shape, layer.grid) == ((33, 24), (4, 8))
    assert layer.unit_names[7] == "head 1 value 1"
    torch.testing.assert_close(net.forward(x, [layer.name])[layer.name], kept["given"].detach(), rtol=1e-4, atol=1e-5)


class FlatNorm(nn.Module):
    """A batch norm over flattened maps, before attention."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.act = nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm1d(6), nn.ReLU()
        self.patches, self.attn, self.fc = nn.Conv2d(6, 8, 4, 4), SelfAttention(8, 2, "fused"), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.first(x)
        maps = self.act(self.norm(maps.flatten(2)).view(maps.shape))
        return self.fc(self.attn(self.patches(maps).flatten(2).transpose(1, 2)).mean(1))


def test_what_a_batch_norm_over_flattened_maps_gives_is_maps_again_beside_attention() -> None:
    torch.manual_seed(0)
    module = FlatNorm().eval()
    net, x = opened(module, (32, 64)), torch.randn(2, 3, 32, 64)
    assert [layer.shape for layer in net.layers.values()].count((6, 16, 32)) == 3  # first, the view, act
    maps = module.first(x)
    wanted = module.act(module.norm(maps.flatten(2)).view(maps.shape))
    torch.testing.assert_close(net.forward(x, ["act"])["act"], wanted.detach(), rtol=1e-4, atol=1e-5)


class Grids(nn.Module):
    """MaxViT's grid attention, without attention: each 'window' takes places from all over the map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.inside, self.act, self.fc = nn.Conv2d(3, 4, 4, 4), nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x).permute(0, 2, 3, 1)
        n, rows, columns, width = x.shape
        x = x.reshape(n, 2, rows // 2, 3, columns // 3, width).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        x = self.act(self.inside(x))
        return self.fc(x.view(n, -1, 2, 3, 6).mean((1, 2, 3)))


def test_places_from_all_over_a_map_are_joined_too_and_what_rectifies_them() -> None:
    torch.manual_seed(0)
    module = Grids().eval()
    net, x = opened(module, SIZE), torch.randn(2, 3, *SIZE)
    before = module.inside(module.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(net.forward(x, ["inside"])["inside"], before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net.forward(x, ["act"])["act"], nn.functional.gelu(before), rtol=1e-4, atol=1e-5)
    assert (net.layers["act"].rectifier, net.layers["act"].shape) == ("gelu", (6, 8, 12))
    diff = torch.randn(before.shape)
    leaf = x.clone().requires_grad_()
    below = module.inside(module.conv(leaf).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    (wanted,) = torch.autograd.grad((below * diff).sum(), leaf)
    found = net.record(x).backward("act", diff, "grad", ["data"])["data"]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
