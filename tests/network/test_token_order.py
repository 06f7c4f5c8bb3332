"""Tokens that lie otherwise than row by row behind all others are shown so: registers behind, columns first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import Edit, measure
from deepvis_toolbox.words.network import TraceWay
from tests.nets import opened

SIZE, ROWS, COLUMNS = (32, 48), 4, 6

Arrange = Callable[["Tokens", torch.Tensor], torch.Tensor]
"""From a map (N, 8, rows, columns) to tokens (N, T, 8)."""


def _registers_behind(net: Tokens, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x.flatten(2).transpose(1, 2), net.others.expand(x.shape[0], -1, -1)], 1)


def _of_no_others(_: Tokens, x: torch.Tensor) -> torch.Tensor:
    x = x.flatten(2).transpose(1, 2)
    return torch.cat([x[:, :0].abs(), x], 1)


def _in_the_middle(net: Tokens, x: torch.Tensor) -> torch.Tensor:
    x = x.flatten(2).transpose(1, 2)
    return torch.cat([x[:, :12], net.others.expand(x.shape[0], -1, -1), x[:, 12:]], 1)


def _columns_first(_: Tokens, x: torch.Tensor) -> torch.Tensor:
    return x.transpose(2, 3).flatten(2).transpose(1, 2)


def _as_usual(net: Tokens, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([net.others.expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)], 1)


ORDERS: dict[str, tuple[Arrange, list[int]]] = {
    "registers behind": (_registers_behind, [24, 25, *range(24)]),
    "of no others": (_of_no_others, [*range(24)]),
    "in the middle": (_in_the_middle, [12, 13, *range(12), *range(14, 26)]),
    "columns first": (_columns_first, [row + column * ROWS for row in range(ROWS) for column in range(COLUMNS)]),
    "as usual": (_as_usual, list(range(26))),
}
"""And which token is which, others first, then row by row."""


class Tokens(nn.Module):
    """Attention over tokens and a linear layer of each."""

    def __init__(self, arrange: Arrange, *, fused: bool, mixes: bool) -> None:
        super().__init__()
        self.patches, self.others = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.randn(1, 2, 8))
        self.qkv, self.proj, self.head = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 5)
        self.act, self.arrange, self.fused, self.mixes = nn.GELU(), arrange, fused, mixes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.arrange(self, self.patches(x))
        batch, count, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if not self.mixes:
            mixed = q + k * v
        elif self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v
        x = x + self.act(self.proj(mixed.transpose(1, 2).reshape(batch, count, width)))
        return self.head(x.mean(1))


def _module(order: str, *, fused: bool = False, mixes: bool = True) -> Tokens:
    torch.manual_seed(2)
    return Tokens(ORDERS[order][0], fused=fused, mixes=mixes).eval()


def _kept(module: Tokens, x: torch.Tensor, order: str) -> dict[str, torch.Tensor]:
    """What the module's layers give, and the tokens that they read, in the order in which they are to be shown."""
    kept: dict[str, torch.Tensor] = {}
    hooks = [
        part.register_forward_hook(
            lambda _, given, value, name=name: kept.update({name: value, f"below {name}": given[0]})
        )
        for name, part in module.named_children()
        if name in ("qkv", "proj", "act")
    ]
    module(x)
    for hook in hooks:
        hook.remove()
    return {name: value[:, ORDERS[order][1]] for name, value in kept.items()}


@pytest.mark.parametrize("way", ["fx", "export"])
@pytest.mark.parametrize("how", ["explicit", "fused", "apart"])
@pytest.mark.parametrize("order", ORDERS)
def test_tokens_lie_on_their_grid_in_every_order(order: str, how: str, way: TraceWay) -> None:
    module, x = _module(order, fused=how == "fused", mixes=how != "apart"), torch.randn(2, 3, *SIZE)
    net, wanted = opened(module, SIZE, way), _kept(module, x, order)
    found = net.forward(x, [*net.layers])
    for name in ("qkv", "proj", "act"):
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-4, atol=1e-5)
        assert net.layers[name].token_grid == (ROWS, COLUMNS)
        assert net.layers[name].other_tokens == wanted[name].shape[1] - ROWS * COLUMNS
    torch.testing.assert_close(found["head"], module(x), rtol=1e-4, atol=1e-5)
    shown = [name for name, layer in net.layers.items() if layer.is_tokens and layer.shape == net.layers["proj"].shape]
    tokens = [name for name in shown if torch.allclose(found[name], wanted["below qkv"], atol=1e-5)]
    assert tokens, "what lies below, too"
    field = net.receptive_field(tokens[-1], (1, 4))
    assert field == (8, 32, 16, 40)
    if how != "apart":
        layer = next(layer.name for layer in net.layers.values() if layer.tells_attention)
        q, k, _ = wanted["qkv"].reshape(2, -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / 2).softmax(-1)
        torch.testing.assert_close(net.record(x).attention(layer), weights.detach(), rtol=1e-4, atol=1e-5)
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    maps = measure.Session(net).take(frame, measure.LayerMaps("proj")).maps
    one = _kept(module, net.preprocess(frame), order)["proj"][0, -ROWS * COLUMNS :].detach()
    np.testing.assert_allclose(maps, one.T.reshape(8, ROWS, COLUMNS), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_gradients_and_edits_are_those_of_torch(order: str) -> None:
    module, x = _module(order), torch.randn(2, 3, *SIZE)
    net, place = opened(module, SIZE), ORDERS[order][1]
    diff = torch.randn(2, len(place), 8)
    leaf = x.clone().requires_grad_()
    wanted = _kept(module, leaf, order)
    arrived = torch.autograd.grad((wanted["proj"] * diff).sum(), leaf, retain_graph=True)[0]
    recording = net.record(x)
    torch.testing.assert_close(recording.backward("proj", diff)["data"], arrived, rtol=1e-3, atol=1e-5)
    at_proj = recording.backward("head", torch.ones(2, 5), "grad", ["proj"])["proj"]
    kept: list[torch.Tensor] = []
    hook = module.proj.register_forward_hook(lambda _, __, value: kept.append(value))
    (own,) = torch.autograd.grad(module(x).sum(), kept)
    hook.remove()
    torch.testing.assert_close(at_proj, own[:, place], rtol=1e-3, atol=1e-6)
    factor = torch.ones(8)
    factor[3] = 3
    hook = module.proj.register_forward_hook(lambda _, __, value: value * factor)
    edited = net.forward(x, ["head", "proj"], [Edit("proj", [3], "scale", 3.0)])
    torch.testing.assert_close(edited["head"], module(x), rtol=1e-4, atol=1e-5)
    hook.remove()
    torch.testing.assert_close(edited["proj"], (wanted["proj"] * factor).detach(), rtol=1e-4, atol=1e-5)


class TorchsAttention(Tokens):
    """The same by `nn.MultiheadAttention`."""

    def __init__(self, arrange: Arrange) -> None:
        super().__init__(arrange, fused=False, mixes=True)
        self.whole = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.arrange(self, self.patches(x))
        return self.head(self.act(self.proj(x + self.whole(x, x, x, need_weights=False)[0])).mean(1))


@pytest.mark.parametrize("order", ORDERS)
def test_tokens_that_torchs_module_mixes_lie_on_their_grid_in_every_order(order: str) -> None:
    torch.manual_seed(3)
    module, x, place = TorchsAttention(ORDERS[order][0]).eval(), torch.randn(2, 3, *SIZE), ORDERS[order][1]
    net, tokens = opened(module, SIZE, "fx"), module.arrange(module, module.patches(x))
    layer = next(layer.name for layer in net.layers.values() if layer.tells_attention)
    mixed, weights = module.whole(tokens, tokens, tokens, average_attn_weights=False)
    found = net.record(x)
    torch.testing.assert_close(found.attention(layer), weights[:, :, place][..., place].detach())
    torch.testing.assert_close(found.activations([layer])[layer], mixed[:, place].detach())
    assert net.layers[layer].token_grid == net.layers["proj"].token_grid == (ROWS, COLUMNS)
