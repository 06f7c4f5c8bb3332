"""Units of tokens at a place of their grid: addresses, objectives, sums, preferred images, against plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.method.sums import parse_targets
from deepvis_toolbox.words.unit import parse_unit, parse_units
from tests.nets import opened
from tests.transformers import VisionTransformer

SIZE = (32, 64)


class Reds(nn.Module):
    """Tokens of patches of 8 pixels behind a class token; unit 1 is the red of each token's own patch."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mlp, self.first = nn.Conv2d(3, 2, 8, 8), nn.Linear(2, 2), nn.Parameter(torch.zeros(1, 1, 2))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.patches.weight[1, 0] = 1 / 64
            self.mlp.weight[1, 1] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.mlp(torch.cat([self.first.expand(len(x), -1, -1), x], 1))


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    return opened(VisionTransformer(SIZE).eval(), SIZE)


def _other_tokens(net, layer: str) -> int:
    return net.layers[layer].shape[0] - 32


def test_an_address_names_a_place_of_the_grid(vit) -> None:
    layer = "blocks.0.mlp.1"
    assert vit.layers[layer].grid == (4, 8)
    assert parse_unit(f"{layer}:5@3,7", vit.layers) == Unit(layer, 5, (3, 7))
    assert len(parse_units(f"{layer}:0-3@0,0", vit.layers)) == 4
    with pytest.raises(ToolboxError, match=r'has places 0,0 to 3,7; "blocks.0.mlp.1:5" at 4,0 lies outside'):
        parse_unit(f"{layer}:5@4,0", vit.layers)


@pytest.mark.parametrize("against", [0.0, 0.5])
def test_a_unit_at_a_place_climbs_its_own_tokens_value(vit, against: float) -> None:
    layer, place = "blocks.0.mlp.0", (2, 5)
    token = _other_tokens(vit, layer) + 2 * 8 + 5
    settings = AscentSettings(max_iter=3, lr_policy="constant", lr_params={"lr": 5.0}, against=against)
    (made,) = preferred_images(vit, [Unit(layer, 7, place)], seeds=[0], settings=settings)
    assert made.objective[-1] > made.objective[0]
    x = torch.from_numpy(vit.preprocessing.gain.reshape(-1, 1, 1) * made.last)[None]
    assert float(vit.forward(x, [layer])[layer][0, token, 7]) == pytest.approx(float(made.objective[-1]), rel=1e-4)
    ascent, units = vit.ascent_pass(layer, place), torch.tensor([7])
    value = vit.forward(x, [layer])[layer]
    diff = torch.zeros_like(value)
    diff[0, token, 7] = 1
    found = ascent(x, units)
    torch.testing.assert_close(found.gradient, vit.backward(x, layer, diff)["data"], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found.values, value[:, token], rtol=1e-4, atol=1e-5)


def test_the_picture_is_made_where_the_token_looks() -> None:
    net = opened(Reds().eval(), SIZE)
    settings = AscentSettings(max_iter=5, lr_policy="constant", lr_params={"lr": 2000.0}, start_at="mean_plus_rand")
    (made,) = preferred_images(net, [Unit("mlp", 1, (2, 5))], seeds=[3], settings=settings)
    (other,) = preferred_images(net, [Unit("mlp", 1, (0, 0))], seeds=[3], settings=settings)
    differing = np.abs(made.last - other.last)
    rows, columns = np.nonzero(differing[0] > 1)
    inside = {(int(row) // 8, int(column) // 8) for row, column in zip(rows, columns, strict=True)}
    assert inside == {(2, 5), (0, 0)}
    assert differing[1:].max() < 1e-3
    assert (made.last[0, 16:24, 40:48] > other.last[0, 16:24, 40:48] + 1).all()


def test_sums_take_tokens_at_their_places(vit) -> None:
    layer = "blocks.0.mlp.0"
    first = _other_tokens(vit, layer)
    text = f"{layer}:3@1,2 - 0.5*{layer}:4@2-3,6-7"
    (target,) = parse_targets(text, vit)
    settings = AscentSettings(max_iter=2, lr_policy="constant", lr_params={"lr": 5.0})
    (made,) = preferred_images(vit, [target], seeds=[0], settings=settings)
    x = torch.from_numpy(vit.preprocessing.gain.reshape(-1, 1, 1) * made.last)[None]
    tokens = vit.forward(x, [layer])[layer][0, first:].reshape(4, 8, -1)
    wanted = tokens[1, 2, 3] - 0.5 * tokens[2:4, 6:8, 4].mean()
    assert float(wanted) == pytest.approx(float(made.objective[-1]), rel=1e-3, abs=1e-5)
