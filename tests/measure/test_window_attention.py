"""Attention inside of windows, shifted and padded ones too, against plain torch that partitions nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import Edit, ToolboxError
from deepvis_toolbox.measure import AttentionMaps, AttentionRollout, LayerMaps, Session
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.words.network import TraceWay
from tests.nets import opened
from tests.transformers import HOW, VisionTransformer
from tests.window_attentions import WAYS, WindowAttention, swin, weights_place_by_place
from tests.windowed import SwinBlock

SIZE = (40, 24)
"""10×6 places, then 5×3: with windows of 4×4, both axes are padded in both stages."""


def _frame(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def _windowed(net: TorchNetwork) -> list[str]:
    return [layer.name for layer in net.layers.values() if layer.attends_in_windows]


def _attending(net: TorchNetwork) -> list[str]:
    return [layer.name for layer in net.layers.values() if layer.attends_in_windows or layer.tells_attention]


def _hold(net: TorchNetwork, module: nn.Module, frame: np.ndarray) -> None:
    """Hold each layer's attention, of each place and of all, against what is computed place by place."""
    wanted, session = weights_place_by_place(module, net.preprocess(frame)), Session(net)
    names = _attending(net)
    assert len(names) == len(wanted)
    for name, weights in zip(names, wanted, strict=True):
        for token in (*range(weights.shape[1]), None):
            found = session.take(frame, AttentionMaps(name, token))
            own = weights.mean(1) if token is None else weights[:, token]
            assert (found.token, found.layer, found.others.shape) == (token, name, (len(own), 0))
            np.testing.assert_allclose(found.maps.reshape(len(own), -1), own[:, :-1], atol=2e-6)
            np.testing.assert_allclose(found.placeless, own[:, -1], atol=2e-6)


@pytest.mark.parametrize("way", ["fx", "export"])
@pytest.mark.parametrize("how", WAYS)
def test_each_place_attends_in_its_window_as_the_module_computes_it(how: str, way: TraceWay) -> None:
    module = swin(SIZE, how)
    net = opened(module, SIZE, way)
    names = _windowed(net)
    assert len(names) == 4
    assert [net.layers[name].map_shape for name in names] == [(10, 6), (10, 6), (5, 3), (5, 3)]
    heads = {net.layers[name].heads for name in names}
    assert heads == ({0} if (how, way) == ("module", "fx") else {2}), "torch's module mixes what its heads give"
    for seed in (0, 1):
        _hold(net, module, _frame(SIZE, seed))
    padded = Session(net).take(_frame(SIZE), AttentionMaps(names[0], 5))
    assert 0 < float(padded.placeless.min()) < float(padded.placeless.max()) < 1
    inside = padded.maps[0] > 0
    assert inside.sum() == 8
    assert inside[:4, 4:].all(), "nothing outside of its window"


@pytest.mark.parametrize(
    ("size", "side", "windows", "how"),
    [
        ((32, 48), 4, 4, "explicit"),
        ((24, 56), 3, 4, "masked"),
        ((48, 16), 8, 4, "explicit"),
        *(((24, 24), 4, 4, how) for how in ("explicit", "masked", "module")),
        *(((32, 32), 4, 2, how) for how in ("explicit", "masked", "module")),
    ],
)
def test_grids_of_every_size(size: tuple[int, int], side: int, windows: int, how: str) -> None:
    """Padded to the right, sides that are not even, windows as high as the map, one padded window, one whole one."""
    module = swin(size, how, side, seed=3)
    net = opened(module, size)
    assert len(_windowed(net)) == windows, "one window that is the whole map is attention among all tokens"
    _hold(net, module, _frame(size, 5))


def test_the_batch_is_in_front_of_the_windows_and_no_weight_is_between_windows() -> None:
    module = swin(SIZE)
    net = opened(module, SIZE)
    x = torch.cat([net.preprocess(_frame(SIZE, seed)) for seed in (7, 8, 9)])
    recording = net.record(x, ["head"])
    for number, name in enumerate(_windowed(net)):
        found = recording.attention_in_windows(name)
        windows, places = found.places.attending.shape
        assert found.weights.shape == (3, windows, 2, places, places)
        for image in range(3):
            wanted = weights_place_by_place(module, x[image : image + 1])[number]
            dense = torch.zeros_like(wanted)
            for window in range(windows):
                for place, own in zip(
                    found.places.attending[window], found.weights[image, window].unbind(1), strict=True
                ):
                    if place >= 0:
                        dense[:, place].index_add_(1, found.places.attended[window] % wanted.shape[2], own)
            torch.testing.assert_close(dense, wanted, rtol=0, atol=2e-6)


class MeanOfTheBatch(nn.Module):
    """A Swin over pictures less a part of their batch's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.own = swin(SIZE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.own(x - 0.5 * x.mean(0, keepdim=True))


def test_a_network_that_mixes_pictures_attends_in_each_alone() -> None:
    net = opened(MeanOfTheBatch().eval(), SIZE)
    x = torch.randn(2, 3, *SIZE)
    name = _windowed(net)[-1]
    both = net.record(x).attention_in_windows(name).weights
    alone = [net.record(each).attention_in_windows(name).weights for each in x.split(1)]
    torch.testing.assert_close(both, torch.cat(alone))
    assert not torch.allclose(alone[0], alone[1], atol=1e-3)


def _rolled_out(weights: list[torch.Tensor]) -> torch.Tensor:
    """All tokens' rollout, (T, T), by whole matrices; what is missing to 1 in a row went to padding."""
    total = torch.eye(weights[0].shape[1])
    for each in weights:
        total = (0.5 * each[:, :, :-1].mean(0) + 0.5 * torch.eye(len(total))) @ total
    return total


@pytest.mark.parametrize("how", ["explicit", "fused"])
def test_rollout_goes_back_as_far_as_tokens_are_the_same(how: str) -> None:
    module = swin(SIZE, how)
    net, frame = opened(module, SIZE), _frame(SIZE, 2)
    names, weights = _windowed(net), weights_place_by_place(module, net.preprocess(frame))
    session = Session(net)
    for layer, own, since in (
        (names[1], weights[:2], ""),
        (names[3], weights[2:], names[2]),
        (names[0], weights[:1], ""),
    ):
        wanted = _rolled_out(own)
        for token in (*range(len(wanted)), None):
            found = session.take(frame, AttentionRollout(layer, token))
            row = wanted.mean(0) if token is None else wanted[token]
            np.testing.assert_allclose(found.maps.reshape(-1), row, atol=2e-6)
            np.testing.assert_allclose(found.placeless, [1 - row.sum()], atol=2e-6)
            assert (found.layer, found.since, found.token) == (layer, since, token)
    assert session.take(frame, AttentionRollout()).layer == names[3]


class WindowsThenAll(nn.Module):
    """Two blocks in windows, then one in which all places of the map attend to all."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)
        self.blocks = nn.Sequential(*(SwinBlock(8, 2, side, shift, (8, 8)) for side, shift in ((4, 0), (4, 2), (8, 0))))
        for block in self.blocks:
            block.attn = WindowAttention(8, 2, block.side, "explicit")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.patches(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_rollout_through_windows_and_all_tokens() -> None:
    torch.manual_seed(4)
    module = WindowsThenAll().eval()
    net, frame = opened(module, (32, 32)), _frame((32, 32))
    assert (len(_windowed(net)), len(_attending(net))) == (2, 3)
    _hold(net, module, frame)
    wanted = _rolled_out(weights_place_by_place(module, net.preprocess(frame)))
    for token in (0, 13, 63):
        found = Session(net).take(frame, AttentionRollout(token=token))
        np.testing.assert_allclose(found.maps.reshape(-1), wanted[token], atol=2e-6)
        assert found.since == ""


def test_an_edit_of_the_queries_changes_the_attention() -> None:
    module = swin(SIZE)
    net, x = opened(module, SIZE), torch.randn(1, 3, *SIZE)
    name = _windowed(net)[1]
    queries = name.rpartition(".")[0] + ".query"
    edit = Edit(queries, list(range(8)), "zero")
    found = [net.record(x, edits=[edit]), net.record(x).edited([edit]), net.record(x, [name]).edited([edit], [name])]
    plain = net.record(x).attention_in_windows(name)
    block = module.stages[0][1]
    scores = block.attn.bias[None] + block.mask[:, None]
    inside = (plain.places.attending >= 0)[None, :, None].expand(plain.weights.shape[:-1])
    for recording in found:
        weights = recording.attention_in_windows(name).weights
        torch.testing.assert_close(weights[inside], scores.softmax(-1)[None].detach()[inside])
        assert not torch.allclose(weights, plain.weights, atol=0.01)


def test_other_attention_is_as_it_was() -> None:
    for how in HOW:
        net = opened(VisionTransformer((32, 64), how).eval(), (32, 64))
        assert (_windowed(net), len(_attending(net))) == ([], 2)
        session, frame = Session(net), _frame((32, 64))
        found = session.take(frame, AttentionMaps(_attending(net)[0]))
        assert (found.token, found.others.shape, found.placeless.tolist()) == (0, (4, 1), [0, 0, 0, 0])
        assert session.take(frame, AttentionRollout()).since == ""
        with pytest.raises(ToolboxError, match="attends in no windows"):
            net.record(net.preprocess(frame)).attention_in_windows(_attending(net)[0])


class Other(nn.Module):
    """Products inside of windows that are no attention between their places."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.qkv = how, nn.Linear(8, 24)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        q, k, v = self.qkv(x).unflatten(2, (3, 8)).unbind(2)
        if self.how == "channels":
            return ((q.transpose(1, 2) @ k).softmax(-1) @ v.transpose(1, 2)).transpose(1, 2)
        if self.how == "over queries":
            return (q @ k.transpose(1, 2)).softmax(1) @ v
        if self.how == "without softmax":
            return (q @ k.transpose(1, 2)).relu() @ v
        return (q @ k.transpose(1, 2)).softmax(-1).pow(2) @ v


@pytest.mark.parametrize("how", ["channels", "over queries", "without softmax", "squared behind it"])
def test_what_is_no_attention_between_places_is_not_found(how: str) -> None:
    torch.manual_seed(0)
    module = WindowsThenAll()
    for block in module.blocks[:2]:
        block.attn = Other(how)
    net = opened(module.eval(), (32, 32))
    assert _windowed(net) == []
    assert len(_attending(net)) == 1


class Crops(nn.Module):
    """A transformer over each quarter of a picture, all in one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.own = VisionTransformer((16, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[0]
        quarters = x.view(n, 3, 2, 16, 2, 32).permute(0, 2, 4, 1, 3, 5).reshape(4 * n, 3, 16, 32)
        return self.own(quarters).view(n, 4, 5).mean(1)


def test_crops_in_a_batch_are_no_windows() -> None:
    net = opened(Crops().eval(), (32, 64))
    assert _attending(net) == []


def test_a_sentence_says_what_is_asked_wrongly() -> None:
    net = opened(swin(SIZE), SIZE)
    session, frame, name = Session(net), _frame(SIZE), _windowed(net)[2]
    with pytest.raises(ToolboxError, match=rf"{name} has tokens 0 to 14, not 15"):
        session.take(frame, AttentionMaps(name, 15))
    with pytest.raises(ToolboxError, match=r"these do: stages\.0\.0\.attn"):
        session.take(frame, AttentionMaps("stages.0.0.mlp.1"))
    with pytest.raises(ToolboxError, match="attends in windows, not to all tokens"):
        net.record(net.preprocess(frame)).attention(name)


def test_a_padded_single_window_is_shown_on_its_grid_as_several_are() -> None:
    module = swin((24, 24))
    net, frame, kept = opened(module, (24, 24)), _frame((24, 24)), {}
    block = module.stages[1][1]
    hook = block.attn.register_forward_hook(lambda _, __, value: kept.setdefault("attn", value[0]))
    module(net.preprocess(frame))
    hook.remove()
    wanted = kept["attn"].view(4, 4, 16).roll((2, 2), (0, 1))[:3, :3].permute(2, 0, 1)
    found = Session(net).take(frame, LayerMaps("stages.1.1.attn.proj"))
    np.testing.assert_allclose(found.maps, wanted.detach(), atol=1e-5)
