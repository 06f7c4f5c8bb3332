"""Attention, rollout and token norms, against plain torch and against networks made so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import AscentSettings, Edit, ToolboxError, Unit, preferred_images
from deepvis_toolbox.measure import AttentionMaps, AttentionRollout, LayerMaps, Session, TokenNorms
from tests.nets import Classic, opened
from tests.transformers import HOW, RedFinder, VisionTransformer

SIZE = (32, 64)
FRAME = np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)


def with_red_patch(row: int, column: int) -> np.ndarray:
    """A gray picture of 4×8 patches, one of them red."""
    frame = np.full((*SIZE, 3), 90, np.uint8)
    frame[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = (255, 20, 20)
    return frame


def red_finder(how: str):
    """The finder, for pixels of 0 to 1."""
    net = opened(RedFinder(how).eval(), SIZE)
    net.preprocessing = type(net.preprocessing)(SIZE, scale=(1 / 255,))
    return net


def attending(net) -> list[str]:
    return [layer.name for layer in net.layers.values() if layer.tells_attention]


@pytest.mark.parametrize("way", ["fx", "export"])
@pytest.mark.parametrize("how", HOW)
def test_heads_are_those_that_the_module_computes(how: str, way: str) -> None:
    torch.manual_seed(1)
    module = VisionTransformer(SIZE, how, others=3).eval()
    net = opened(module, SIZE, way)
    names = attending(net)
    assert len(names) == 2
    wanted = _weights_of(module, net.preprocess(FRAME), how)
    session = Session(net)
    for name, weights in zip(names, wanted, strict=True):
        for token in (0, 5):
            found = session.take(FRAME, AttentionMaps(name, token))
            assert found.maps.shape == (4, 4, 8)
            assert np.allclose(found.others, weights[:, token, :3], atol=1e-5)
            assert np.allclose(found.maps.reshape(4, -1), weights[:, token, 3:], atol=1e-5)
    rollout = torch.eye(35)
    for weights in wanted:
        rollout = (0.5 * weights.mean(0) + 0.5 * torch.eye(35)) @ rollout
    found = session.take(FRAME, AttentionRollout())
    assert found.token == 0
    assert np.allclose(found.maps.reshape(-1), rollout[0, 3:], atol=1e-5)
    assert np.allclose(found.others[0], rollout[0, :3], atol=1e-5)
    first = session.take(FRAME, AttentionRollout(names[0], 7))
    assert np.allclose(first.maps.reshape(-1), (0.5 * wanted[0].mean(0) + 0.5 * torch.eye(35))[7, 3:], atol=1e-5)


def _weights_of(module: nn.Module, x: torch.Tensor, how: str) -> list[torch.Tensor]:
    """(heads, T, T) of both blocks, by a forward pass of the module itself."""
    found: list[torch.Tensor] = []

    def keep(block: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        tokens = block.norm1(given[0])
        if how == "module":
            weights = block.attn.attn(tokens, tokens, tokens, average_attn_weights=False)[1]
        else:
            q, k, _ = block.attn.qkv(tokens).unflatten(2, (3, 4, 6)).permute(2, 0, 3, 1, 4)
            weights = torch.einsum("nhtd,nhsd->nhts", q, k).div(6**0.5).softmax(-1)
        found.append(weights[0].detach())

    handles = [block.register_forward_pre_hook(keep) for block in module.blocks]
    module(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("how", ["explicit", "fused"])
def test_a_class_token_that_looks_for_red_looks_where_red_is(how: str) -> None:
    net = red_finder(how)
    (name,) = attending(net)
    session = Session(net)
    for place in ((0, 0), (3, 7), (1, 5)):
        frame = with_red_patch(*place)
        found = session.take(frame, AttentionMaps(name))
        assert found.token == 0
        assert np.unravel_index(found.maps[0].argmax(), (4, 8)) == place
        assert found.maps[0].max() > 0.95
        assert np.ptp(found.maps[1]) < 1e-6, "the second head looks everywhere alike"
        elsewhere = session.take(frame, AttentionMaps(name, 1 + 9))
        assert np.ptp(elsewhere.maps[0]) < 1e-6, "and other tokens, too"


def test_a_unit_that_is_on_for_red_has_its_map_and_its_preferred_image_there() -> None:
    net = red_finder("fused")
    assert net.layers["act"].token_grid == (4, 8)
    found = Session(net).take(with_red_patch(2, 6), LayerMaps("act"))
    assert np.unravel_index(found.maps[2].argmax(), (4, 8)) == (2, 6)
    assert found.others is not None
    assert found.others.shape == (3, 1)
    settings = AscentSettings(max_iter=20, lr_params={"lr": 5000.0}, decay=0.0, start_at="mean")
    (result,) = preferred_images(net, [Unit("act", 2, "mean")], seeds=[0], settings=settings)
    red, green, blue = result.best.reshape(3, -1).mean(1)
    assert red > 0
    assert red > 10 * max(green, blue, 0)


@pytest.mark.parametrize("others", [0, 1, 5])
@pytest.mark.parametrize("size", [(32, 32), (32, 64), (24, 72)])
def test_the_grid_of_tokens_is_that_of_the_patches(size: tuple[int, int], others: int) -> None:
    net = opened(VisionTransformer(size, others=others).eval(), size)
    layer = net.layers["blocks.1.mlp.1"]
    assert layer.token_grid == (size[0] // 8, size[1] // 8)
    assert layer.other_tokens == others
    frame = np.zeros((*size, 3), np.uint8)
    maps = Session(net).take(frame, LayerMaps("blocks.1.mlp.1"))
    assert maps.maps.shape == (48, size[0] // 8, size[1] // 8)
    assert (maps.others is None) == (others == 0)
    assert Session(net).take(frame, AttentionMaps(attending(net)[0])).token == (0 if others else None)


def test_token_norms_are_those_of_the_tokens() -> None:
    net = opened(VisionTransformer(SIZE, others=2).eval(), SIZE)
    found = Session(net).take(FRAME, TokenNorms("blocks.0.add_1"))
    tokens = net.forward(net.preprocess(FRAME), ["blocks.0.add_1"])["blocks.0.add_1"][0]
    norms = tokens.norm(dim=1).numpy()
    assert np.allclose(found.others, norms[:2], rtol=1e-5)
    assert np.allclose(found.map.reshape(-1), norms[2:], rtol=1e-5)


def test_masks_scale_causal_order_and_shared_keys_are_those_of_the_fused_function() -> None:
    class Odd(nn.Module):
        def __init__(self, **asked: object) -> None:
            super().__init__()
            self.patches, self.q, self.k = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 8), nn.Linear(8, asked.pop("keys", 8))
            self.asked = asked

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.patches(x).flatten(2).transpose(1, 2)
            q, k = (each(x).unflatten(2, (-1, 4)).transpose(1, 2) for each in (self.q, self.k))
            return F.scaled_dot_product_attention(q, k, k, **self.asked).mean((1, 2))

    mask = torch.randn(32, 32).gt(0) | torch.eye(32).bool()
    for asked in ({"attn_mask": mask}, {"attn_mask": torch.randn(32, 32)}, {"is_causal": True}, {"scale": 0.7},
                  {"keys": 4, "enable_gqa": True}):  # fmt: skip
        module = Odd(**asked).eval()
        net = opened(module, SIZE)
        x = net.preprocess(FRAME)
        weights = net.record(x).attention(attending(net)[0])
        k = module.k(module.patches(x).flatten(2).transpose(1, 2)).unflatten(2, (-1, 4)).transpose(1, 2)
        mixed = weights @ k.repeat_interleave(weights.shape[1] // k.shape[1], 1)
        assert torch.allclose(mixed.mean((1, 2)), module(x), atol=1e-5), asked


def test_an_edit_below_changes_the_attention() -> None:
    net = red_finder("fused")
    (name,) = attending(net)
    x = net.preprocess(with_red_patch(1, 1))
    plain = net.record(x).attention(name)
    off = net.record(x, edits=[Edit("patches", [0], "zero")]).attention(name)
    assert float(plain[0, 0, 0].max()) > 0.9
    assert float(off[0, 0, 0].max()) < 0.1


def test_where_no_attention_is_known_a_sentence_says_so() -> None:
    net = opened(Classic().eval())
    session = Session(net)
    frame = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ToolboxError, match="no layer of the network does"):
        session.take(frame, AttentionMaps("relu2"))
    with pytest.raises(ToolboxError, match="no layer tells attention"):
        session.take(frame, AttentionRollout())
    with pytest.raises(ToolboxError, match="no tokens that form a grid"):
        session.take(frame, TokenNorms("relu2"))
    other = opened(VisionTransformer(SIZE, others=3).eval(), SIZE)
    with pytest.raises(ToolboxError, match="has tokens 0 to 34, not 35"):
        Session(other).take(FRAME, AttentionMaps(attending(other)[0], 35))
