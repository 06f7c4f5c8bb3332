"""Units that see a few pixels: their own preset, the kernel as the picture, and those without weights."""

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import Unit, preferred_images
from deepvis_toolbox.optimize import AscentSettings
from deepvis_toolbox.optimize.files.presets import default_preset, preset
from tests.optimize.networks import network_of


def small_fields():
    """A 3×3 convolution whose unit 1 has next to no weights, as pruned ones."""
    torch.manual_seed(3)
    module = nn.Sequential()
    module.add_module("conv", nn.Conv2d(3, 3, 3, padding=1))
    module.add_module("relu", nn.ReLU6())
    with torch.no_grad():
        module.conv.weight[1] *= 1e-9
        module.conv.bias[1] = -5.9
    return network_of(module, std=128.0), module


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        (Unit("stem", 0), "small"),
        (Unit("block2.project", 0), "small"),
        (Unit("block3.add", 0), "parts"),
        (Unit("stem", 0, "mean"), "default"),
        (Unit("fc", 9), "default"),
    ],
)
def test_the_default_of_units_that_see_a_few_pixels_is_small(default_network, unit, name):
    assert default_preset(default_network, unit) == name


def test_the_picture_of_a_first_layers_unit_is_its_kernel(default_network):
    settings, (net, module) = preset(default_network, "small"), small_fields()
    for seed in (0, 1):
        (found,) = preferred_images(net, [Unit("relu", 0, (5, 5))], [seed], settings)
        seen = found.best[:, 4:7, 4:7]
        kernel = module.conv.weight[0].detach().numpy()
        assert np.corrcoef(seen.ravel(), kernel.ravel())[0, 1] > 0.99


def test_a_unit_without_weights_has_found_nothing_and_a_weak_one_has(default_network):
    settings, (net, module) = preset(default_network, "small"), small_fields()
    for result in preferred_images(net, [Unit("relu", 1, (5, 5))], list(range(4)), settings):
        assert result.best_step == 0
        assert result.found_nothing("mean_plus_rand")
        assert not np.array_equal(result.best, result.last)
    with torch.no_grad():
        module.conv.weight[1] *= 1e5
    weak = network_of(module, std=128.0)
    (result,) = preferred_images(
        weak, [Unit("relu", 1, (5, 5))], [0], AscentSettings(max_iter=9, lr_params={"lr": 1e7})
    )
    assert not result.found_nothing("mean_plus_rand")
