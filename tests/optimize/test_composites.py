"""Sums over layers, areas and whole layers: against plain torch, and where their gradient is zero."""

from collections import OrderedDict

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, preferred_images
from deepvis_toolbox.optimize.method.gradient import gradient_reader_for
from deepvis_toolbox.optimize.method.pixel_space import PixelSpace
from deepvis_toolbox.optimize.method.starts import start_image
from deepvis_toolbox.optimize.method.sums import parse_targets
from deepvis_toolbox.optimize.method.targets import objective_of
from deepvis_toolbox.unit_images.picture_file import write_picture
from tests.optimize.networks import curved_module, curved_network, network_of, rectified_module, rectified_network


def values_of(module, pixels):
    """What each part of the module gives for zero-centred pixels (N, C, H, W), by its name."""
    found, x = {}, pixels / 64
    for name, part in module.named_children():
        found[name] = x = part(x)
    return found


@pytest.mark.parametrize("direction", [1, -1])
def test_a_sum_over_layers_and_areas_climbs_as_in_plain_torch(direction):
    net, module = rectified_network(), rectified_module()
    text = "fc:1 - 0.5*relu2:2@1-3,2-4 + 0.01*relu1@deepdream + 0.2*relu2:3@1,1 + 0.3*relu1:0@mean"
    settings = AscentSettings(max_iter=2, push_dir=direction, start_at="randu", lr_params={"lr": 50})
    (found,) = preferred_images(net, text, [3], settings)
    start = start_image("randu", 3, net.preprocessing)
    values = values_of(module, torch.from_numpy(start)[None])
    climbed = values["fc"][0, 1] - 0.5 * values["relu2"][0, 2, 1:4, 2:5].mean() + 0.2 * values["relu2"][0, 3, 1, 1]
    climbed = climbed + 0.01 * values["relu1"].square().mean() + 0.3 * values["relu1"][0, 0].mean()
    np.testing.assert_allclose(found.objective[0], climbed.item(), rtol=1e-4)
    assert direction * (found.objective[1] - found.objective[0]) > 0


def test_the_gradient_of_a_sum_is_that_of_plain_torch():
    net, module = curved_network(), curved_module()
    (target,) = parse_targets("fc:1 - 0.5*conv1:2@1-3,2-4 + 0.7*conv2@deepdream", net)
    space = PixelSpace(net.preprocessing, net.device)
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 40, (2, 3, 24, 20)).astype(np.float32))
    reading, gradient = gradient_reader_for(net, objective_of([target], net, AscentSettings()), space)(
        x, objective_of([target], net, AscentSettings())
    )
    leaf = x.clone().requires_grad_()
    values = values_of(module, leaf)
    climbed = values["fc"][:, 1] - 0.5 * values["conv1"][:, 2, 1:4, 2:5].flatten(1).mean(1)
    climbed = climbed + 0.7 * values["conv2"].square().flatten(1).mean(1)
    (expected,) = torch.autograd.grad(climbed.sum(), leaf)
    torch.testing.assert_close(reading.objective, climbed.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient.whole, expected, rtol=1e-3, atol=1e-7)


def test_a_sum_whose_gradient_is_zero_climbs_below_the_rectifiers():
    module = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3, padding=1), relu=nn.ReLU(), pool=nn.MaxPool2d(4),
                                       flat=nn.Flatten(), fc=nn.Linear(4 * 6 * 5, 3)))  # fmt: skip
    nn.init.constant_(module.conv.bias, -40.0)
    net = network_of(module)
    (found,) = preferred_images(
        net, "fc:1 + 2*pool:3", [0], AscentSettings(max_iter=60, lr_policy="adam", lr_params={"lr": 8.0})
    )
    assert found.outcome != "zero gradient"
    assert found.objective[-1] > found.objective[0]


@pytest.fixture
def mask(tmp_path):
    """A picture of another shape than the layers', white to the left, grey at the top right, else black."""
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[:, :50], picture[:20, 50:] = 255, 100
    write_picture(tmp_path / "a mask.png", picture)
    return tmp_path / "a mask.png", picture


def test_a_mask_says_how_much_each_place_counts(mask):
    path, picture = mask
    net, module = curved_network(), curved_module()
    (target,) = parse_targets(f"conv1:2@mask:{path}", net)
    weights = cv2.resize(picture[..., 0].astype(np.float32), (10, 12), interpolation=cv2.INTER_AREA)
    weights = torch.from_numpy(weights / weights.sum())
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 40, (2, 3, 24, 20)).astype(np.float32))
    space, objective = PixelSpace(net.preprocessing, net.device), objective_of([target], net, AscentSettings())
    reading, gradient = gradient_reader_for(net, objective, space)(x, objective)
    leaf = x.clone().requires_grad_()
    climbed = (values_of(module, leaf)["conv1"][:, 2] * weights).sum((1, 2))
    torch.testing.assert_close(reading.objective, climbed.detach(), rtol=1e-4, atol=1e-5)
    (wanted,) = torch.autograd.grad(climbed.sum(), leaf)
    torch.testing.assert_close(gradient.whole, wanted, rtol=1e-4, atol=1e-7)


def test_masks_stand_in_sums_and_other_pictures_are_other_targets(mask, tmp_path):
    path, picture = mask
    net = curved_network()
    renamed = tmp_path / "mask.png"
    renamed.write_bytes(path.read_bytes())
    (whole,) = parse_targets(f"fc:1 + 0.5*conv1:2@mask:{renamed}", net)
    assert str(whole) == "fc:1+0.5*conv1:2@mask:mask"
    write_picture(renamed, 255 - picture)
    (other,) = parse_targets(f"fc:1 + 0.5*conv1:2@mask:{renamed}", net)
    assert str(other) == str(whole)
    assert other.key != whole.key
    first, second = (parse_targets(f"conv1:{unit}@mask:{path}", net)[0] for unit in (0, 1))
    assert str(first) != str(second)
    (found,) = preferred_images(net, f"conv1:2@mask:{path}", [0], AscentSettings(max_iter=3, lr_params={"lr": 50}))
    assert found.objective[-1] > found.objective[0]


def test_a_mask_that_tells_nothing_is_refused_in_a_sentence(tmp_path):
    net = curved_network()
    write_picture(tmp_path / "black.png", np.zeros((4, 4, 3), np.uint8))
    for address, message in (
        (f"conv1:2@mask:{tmp_path / 'black.png'}", "black everywhere"),
        (f"conv1:2@mask:{tmp_path / 'none.png'}", "none.png"),
        (f"fc:2@mask:{tmp_path / 'black.png'}", "no map of places"),
    ):
        with pytest.raises(ToolboxError, match=message):
            parse_targets(address, net)
