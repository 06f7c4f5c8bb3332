"""What a unit sees: in the layers below against every place's own receptive field, and moved about against NumPy."""

import numpy as np
import pytest
import torch

from deepvis_toolbox.optimize.method.seen_places import seen_places
from deepvis_toolbox.optimize.method.windows import alone, cut, moved_there
from deepvis_toolbox.scan.patches.patches import cut_out
from deepvis_toolbox.words.layer import Rect
from tests.optimize.networks import rectified_network


@pytest.mark.parametrize("place", [(3, 2), (0, 4), (5, 0)])
def test_the_windows_hold_the_places_whose_field_has_its_middle_in_the_units_own(place):
    net = rectified_network()
    seen = seen_places(net, "conv2", place)
    field = net.receptive_field("conv2", place)
    assert seen.field == field
    assert set(seen.windows) == {name for name in net.layers_below("conv2") if net.layers[name].is_spatial}
    for name, window in seen.windows.items():
        height, width = net.layers[name].map_shape
        inside = np.zeros((height, width), bool)
        for row in range(height):
            for column in range(width):
                own = net.receptive_field(name, (row, column))
                down, across = (own.top + own.bottom) / 2, (own.left + own.right) / 2
                inside[row, column] = field.top <= down < field.bottom and field.left <= across < field.right
        wanted = np.zeros_like(inside)
        wanted[window.top : window.bottom, window.left : window.right] = True
        np.testing.assert_array_equal(inside, wanted)
        assert inside.any()


def test_a_unit_that_sees_the_whole_image_has_none():
    net = rectified_network()
    assert seen_places(net, "fc", None) is None
    assert seen_places(net, "conv2", "mean") is None


@pytest.mark.parametrize(("down", "across"), [(0, 0), (3, -4), (-30, 50), (9, 8)])
def test_images_are_moved_with_a_mirror_at_the_border(down, across):
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 9)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (64, 64), (64, 64)), "symmetric")
    wanted = padded[:, :, 64 + down : 72 + down, 64 + across : 73 + across]
    there, here = Rect(2 + down, 1 + across, 5 + down, 6 + across), Rect(2, 1, 5, 6)
    np.testing.assert_array_equal(moved_there(torch.from_numpy(x), there, here).numpy(), wanted)


@pytest.mark.parametrize("there", [Rect(1, 1, 5, 4), Rect(-2, 6, 2, 9), Rect(5, -1, 9, 2)])
@pytest.mark.parametrize("here", [Rect(2, 2, 6, 5), Rect(-1, -1, 3, 2), Rect(6, 7, 10, 10)])
def test_alone_is_what_was_cut_out_on_the_mean(there, here):
    x = np.random.default_rng(1).normal(size=(8, 9, 3)).astype(np.float32)
    wide = np.zeros((28, 29, 3), np.float32)
    wide[10 + here.top : 10 + here.bottom, 10 + here.left : 10 + here.right] = cut_out(x, there, 0)
    found = alone(torch.from_numpy(x.transpose(2, 0, 1))[None], there, here)[0].numpy()
    np.testing.assert_array_equal(found.transpose(1, 2, 0), wide[10:18, 10:19])


def test_no_window_is_all_of_a_map():
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert cut(x, None) is x
    assert cut(x, Rect(1, 2, 3, 4)).tolist() == x[:, :, 1:3, 2:4].tolist()
