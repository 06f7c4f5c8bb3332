"""Colours held inside the range of photographs: against plain NumPy, and through an ascent."""

import numpy as np
import pytest
import torch

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.method.natural_colours import (
    DECORRELATED,
    DEVIATIONS,
    GROWTH,
    MEANS,
    MIDDLE,
    NaturalColours,
)
from deepvis_toolbox.optimize.method.parametrization import COLOUR_COVARIANCE
from deepvis_toolbox.words.layer import Rect
from tests.optimize.networks import curved_network, network_of

CPU = torch.device("cpu")


def decorrelated(pixels):
    """(means, deviations), of an image in red, green and blue, (3, H, W), pixel values."""
    colours = np.einsum("dc,chw->dhw", DECORRELATED, pixels.astype(np.float64) - MIDDLE).reshape(3, -1)
    return colours.mean(1), colours.std(1)


def image(scale=(90.0, 20.0, 8.0), middle=(0.0, 0.0, 0.0)):
    """Of given decorrelated colours, as pixel values."""
    noise = np.random.default_rng(0).normal(0, 1, (3, 24, 20))
    noise = (noise - noise.mean((1, 2), keepdims=True)) / noise.std((1, 2), keepdims=True)
    colours = noise * np.array(scale)[:, None, None] + np.array(middle)[:, None, None]
    return (np.einsum("dc,dhw->chw", DECORRELATED, colours) + MIDDLE).astype(np.float32)


def held(pixels, strength=1.0, region=None, channels="RGB"):
    how = Preprocessing((24, 20), mean=np.array([100.0, 110.0, 120.0], np.float32), channels=channels)
    own = pixels if channels == "RGB" else pixels[::-1]
    x = torch.from_numpy(own - how.mean_map)[None]
    found = NaturalColours(strength, how, region, CPU).applied(x)[0].numpy() + how.mean_map
    return found if channels == "RGB" else found[::-1]


def test_decorrelated_colours_vary_each_by_itself():
    mixed = DECORRELATED @ COLOUR_COVARIANCE @ DECORRELATED.T
    np.testing.assert_allclose(mixed, np.diag(np.diag(mixed)), atol=1e-9)
    np.testing.assert_allclose(DECORRELATED @ DECORRELATED.T, np.eye(3), atol=1e-12)
    assert (DECORRELATED[0] > 0.5).all()


def test_colours_inside_the_range_stay():
    np.testing.assert_allclose(held(image()), image(), atol=1e-3)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_what_is_outside_comes_to_its_edge(channels):
    loud = image(scale=(90.0, 80.0, 40.0), middle=(120.0, -80.0, 5.0))
    means, deviations = decorrelated(held(loud, channels=channels))
    np.testing.assert_allclose(means, [MEANS[0][1], MEANS[1][0], 5], atol=1e-2)
    np.testing.assert_allclose(deviations, [90, DEVIATIONS[1][1], DEVIATIONS[2][1]], rtol=1e-4)


def test_half_the_strength_goes_half_the_way():
    loud = image(scale=(90.0, 80.0, 8.0), middle=(120.0, 0.0, 0.0))
    np.testing.assert_allclose(held(loud, 0.5), (held(loud) + loud) / 2, atol=1e-3)


def test_a_pale_image_gains_no_more_than_a_little():
    pale = image(scale=(5.0, 1.0, 0.1))
    _, deviations = decorrelated(held(pale))
    np.testing.assert_allclose(deviations, np.array([5.0, 1.0, 0.1]) * GROWTH, rtol=1e-3)


def test_of_a_region_its_own_colours_count():
    loud = image(scale=(90.0, 80.0, 8.0))
    region = Rect(4, 4, 16, 12)
    _, deviations = decorrelated(held(loud, region=region)[:, 4:16, 4:12])
    assert deviations[1] == pytest.approx(DEVIATIONS[1][1], rel=1e-4)


def test_an_ascent_with_it_stays_inside_where_one_without_leaves():
    steps = {"max_iter": 40, "lr_policy": "adam", "lr_params": {"lr": 20.0}}
    net = curved_network()
    without, with_it = (
        preferred_images(net, [Unit("fc", 1)], [0], AscentSettings(**steps, natural_colours=each))[0].last + 110
        for each in (0, 1)
    )
    assert decorrelated(without)[1][2] > DEVIATIONS[2][1] * 1.2
    assert decorrelated(with_it)[1][2] < DEVIATIONS[2][1] * 1.2
    assert AscentSettings(natural_colours=1).as_record()["natural_colours"] == 1
    assert "natural_colours" not in AscentSettings().as_record()


def test_a_unit_that_sees_a_part_has_the_colours_of_that_part_held():
    steps = {"max_iter": 20, "lr_policy": "adam", "lr_params": {"lr": 20.0}, "natural_colours": 1}
    net, unit = curved_network(), Unit("conv2", 2, (6, 5))
    field = net.receptive_field(unit.layer, unit.place)
    found = preferred_images(net, [unit], [0], AscentSettings(**steps))[0].last + 110
    seen = found[:, field.top : field.bottom, field.left : field.right]
    assert decorrelated(seen)[1][2] < DEVIATIONS[2][1] * 1.2


def test_a_network_of_grey_images_refuses_it():
    net = network_of(torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU()), channels="gray")
    with pytest.raises(ToolboxError, match="images in colour"):
        preferred_images(net, [Unit("0", 1)], [0], AscentSettings(max_iter=2, natural_colours=1))
