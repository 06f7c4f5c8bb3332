"""A unit's weights, without any picture, against products of the module's own parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError, Unit, measure
from deepvis_toolbox.measure import UnitWeights
from deepvis_toolbox.measure.unit_weights import Weights
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.measure.test_questions import Residual, picture
from tests.nets import opened


@pytest.fixture(scope="module")
def network() -> TorchNetwork:
    return opened(Residual())


def in_order(answer: Weights) -> np.ndarray:
    """The kernels by the units' numbers."""
    assert list(answer.sizes) == sorted(answer.sizes, reverse=True)
    found = dict(zip((unit.channel for unit in answer.units), answer.kernels, strict=True))
    return np.stack([found[unit] for unit in range(len(found))])


def asked(network: TorchNetwork, layer: str, unit: int) -> Weights:
    return measure.Session(network).take(picture(), UnitWeights(layer, unit))


def test_a_convolutions_weights_are_its_kernel(network: TorchNetwork) -> None:
    answer = asked(network, "stem", 3)
    np.testing.assert_allclose(in_order(answer), Residual().stem.weight[3].detach(), rtol=1e-4, atol=1e-6)
    assert (answer.layer, answer.through_rectifiers) == (network.input_name, False)


def test_through_a_depthwise_convolution_below_or_above_the_kernels_are_multiplied(network: TorchNetwork) -> None:
    module = Residual().eval()
    expand, depthwise = module.expand.weight.detach(), module.depthwise.weight.detach()
    scale = (module.norm.weight / (module.norm.running_var + module.norm.eps).sqrt()).detach()
    answer = asked(network, "depthwise", 5)
    wanted = expand[5, :, 0, 0][:, None, None] * depthwise[5, 0] * scale[5]
    np.testing.assert_allclose(in_order(answer), wanted, rtol=1e-4, atol=1e-6)
    assert (answer.layer, answer.through_rectifiers) == ("relu6", True)
    answer = asked(network, "project", 2)
    wanted = (module.project.weight[2, :, 0, 0].detach() * scale)[:, None, None] * depthwise[:, 0]
    np.testing.assert_allclose(in_order(answer), wanted, rtol=1e-4, atol=1e-6)
    assert (answer.layer, answer.through_rectifiers) == ("silu", True)


def test_a_product_behind_a_mean_has_one_weight_a_unit() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.pool, self.fc = nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.pool(torch.relu(self.conv(x))).flatten(1))

    network = opened(Pooled())
    answer = asked(network, "fc", 4)
    assert answer.units[0].layer == "relu"
    torch.manual_seed(0)
    np.testing.assert_allclose(in_order(answer)[:, 0, 0], Pooled().fc.weight[4].detach(), rtol=1e-4, atol=1e-6)
    assert measure.Session(network).take(picture(), UnitWeights("fc", 4, top=2)).units == answer.units[:2]
    assert isinstance(answer.units[0], Unit)


@pytest.mark.parametrize(("layer", "told"), [("add", "it joins"), ("softmax", "a softmax lies between"), ("", "input")])
def test_a_layer_without_weights_says_why(network: TorchNetwork, layer: str, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        asked(network, layer or network.input_name, 0)


def test_asking_leaves_no_trace(network: TorchNetwork) -> None:
    before = network.weights_hash
    asked(network, "depthwise", 1)
    network.__dict__.pop("_weights_hash", None)
    assert network.weights_hash == before
    assert not any(parameter.requires_grad for parameter in network.graph_module.parameters())
