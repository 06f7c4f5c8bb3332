"""Networks without presets of their own: what they climb with by default, however small their gradients are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox.optimize import preferred_images
from deepvis_toolbox.optimize.files.presets import DEFAULT, PARTS, SMALL, default_preset, default_settings, presets_of
from deepvis_toolbox.words.unit import Unit
from tests.nets import opened


class Classes(nn.Module):
    """Sees a bright bar across the image; `scale` of its input is what gradients are scaled by."""

    def __init__(self, scale: float, norms: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scale = scale
        self.conv = nn.Conv2d(3, 6, 5, padding=2)
        self.norm = nn.BatchNorm2d(6) if norms else nn.Identity()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.norm(self.conv(x * self.scale))).mean((2, 3)))


def test_units_climb_by_the_presets_for_any_network_where_a_model_has_none() -> None:
    net = opened(Classes(1.0), (24, 24))
    assert default_preset(net, Unit("fc", 1)) == DEFAULT
    assert default_preset(net, Unit("conv", 1)) == SMALL
    assert default_settings(net, Unit("fc", 1)).lr_policy == "adam"
    assert not default_settings(net, Unit("fc", 1)).norm_prior
    assert default_settings(opened(Classes(1.0, norms=True), (24, 24)), Unit("fc", 1)).norm_prior == 1


def test_a_models_own_default_goes_before_that_for_any_network() -> None:
    net = opened(Classes(1.0), (24, 24))
    net.description = replace(net.description, presets={DEFAULT: {"max_iter": 7}})
    assert default_settings(net, Unit("fc", 1)).max_iter == 7
    assert default_settings(net, Unit("conv", 1)).max_iter == 7, "it has none for parts"
    assert {PARTS, SMALL} <= presets_of(net).keys()


@pytest.mark.parametrize("unit", [Unit("fc", 1), Unit("conv", 2)], ids=str)
def test_the_picture_moves_as_far_however_small_the_gradients_are(unit: Unit) -> None:
    moved = []
    for scale in (1.0, 1e-3):
        net = opened(Classes(scale), (24, 24))
        settings = replace(default_settings(net, unit), max_iter=30)
        (climbed,) = preferred_images(net, unit, settings=settings)
        (start,) = preferred_images(net, unit, settings=replace(settings, max_iter=1))
        moved.append(float(np.std(climbed.last - start.last)))
    assert min(moved) > 5, "pixel values"
    assert moved[1] == pytest.approx(moved[0], rel=0.5)
