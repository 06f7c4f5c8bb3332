"""Pictures become network values and come back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.frames import centre_crop
from deepvis_toolbox.network.preprocessing import Preprocessing


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_value_is_pixel_minus_mean_times_scale_over_std_per_channel() -> None:
    frame = picture(6, 6)
    how = Preprocessing((6, 6), "RGB", mean=[10, 20, 30], scale=[1, 2, 4], std=[5, 1, 8])
    values = how.to_input(frame)
    expected = (frame.astype(np.float64) - [10, 20, 30]) * [1, 2, 4] / [5, 1, 8]
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected.transpose(2, 0, 1), rtol=1e-6)


def test_bgr_networks_get_blue_first_and_a_mean_in_that_order() -> None:
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[..., 0] = 200  # red
    values = Preprocessing((2, 2), "BGR", mean=[104, 117, 123]).to_input(frame)
    assert values[:, 0, 0].tolist() == [-104, -117, 77]


def test_grey_networks_get_the_luma_that_opencv_computes() -> None:
    frame = picture(5, 7)
    values = Preprocessing((5, 7), "gray").to_input(frame)
    np.testing.assert_array_equal(values[0], cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))


def test_halving_a_picture_averages_blocks_of_four_pixels() -> None:
    frame = picture(8, 8)
    values = Preprocessing((4, 4)).to_input(frame)
    blocks = frame.astype(np.float64).reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(values.transpose(1, 2, 0) - blocks).max() <= 0.5


@pytest.mark.parametrize(("shape", "size", "crop", "expected"), [
    ((256, 256), (224, 224), 0.875, (16, 16, 224, 224)),
    ((256, 340), (224, 224), 0.875, (16, 58, 224, 224)),
    ((100, 300), (10, 20), 1.0, (0, 50, 100, 200)),
    ((300, 100), (10, 20), 1.0, (125, 0, 50, 100)),
])  # fmt: skip
def test_the_crop_is_centred_and_keeps_the_inputs_aspect(
    shape: tuple[int, int], size: tuple[int, int], crop: float, expected: tuple[int, int, int, int]
) -> None:
    frame = picture(*shape)
    top, left, height, width = expected
    np.testing.assert_array_equal(centre_crop(frame, size, crop), frame[top : top + height, left : left + width])


@given(
    height=st.integers(1, 90), width=st.integers(1, 90), size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    crop=st.floats(0.01, 1), channels=st.sampled_from(["RGB", "BGR", "gray"]),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_every_frame_gives_an_input_of_the_networks_shape(
    height: int, width: int, size: tuple[int, int], crop: float, channels: str
) -> None:
    how = Preprocessing(size, channels, crop=crop)  # type: ignore[arg-type]
    values = how.to_input(picture(height, width))
    assert values.shape == how.input_shape
    assert 0 <= values.min() <= values.max() <= 255


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_a_picture_of_the_inputs_size_comes_back_unchanged(channels: str) -> None:
    frame = picture(9, 12)
    how = Preprocessing((9, 12), channels, mean=[103.9, 116.8, 123.7], std=[58.4, 57.1, 57.4])  # type: ignore[arg-type]
    np.testing.assert_array_equal(how.to_rgb(how.to_input(frame)[None])[0], frame)


def test_a_grey_networks_input_comes_back_as_a_grey_picture() -> None:
    frame = np.repeat(picture(4, 4)[..., :1], 3, axis=2)
    how = Preprocessing((4, 4), "gray", mean=33, scale=1 / 256)
    np.testing.assert_array_equal(how.to_rgb(how.to_input(frame)[None])[0], frame)


def test_zero_centred_pixels_are_the_pixel_minus_the_mean_for_arrays_and_tensors_alike() -> None:
    frame = picture(5, 5)
    how = Preprocessing((5, 5), "BGR", mean=[104, 117, 123], scale=0.017, std=[1, 2, 3])
    values = how.to_input(frame)
    centred = frame[..., ::-1].transpose(2, 0, 1) - np.float32([[[104]], [[117]], [[123]]])
    np.testing.assert_allclose(how.to_pixels(values), centred, atol=1e-3)
    np.testing.assert_allclose(how.to_pixels(torch.from_numpy(values)[None])[0].numpy(), centred, atol=1e-3)
    np.testing.assert_array_equal(how.rgb_from_zero_centred(centred), frame)
    low, high = how.zero_centred_range
    assert (low.ravel().tolist(), high.ravel().tolist()) == ([-104, -117, -123], [151, 138, 132])


def test_gradients_flow_through_the_change_of_units() -> None:
    how = Preprocessing((1, 1), mean=127, std=128)
    values = torch.zeros(1, 3, 1, 1, requires_grad=True)
    how.to_pixels(values).sum().backward()
    assert values.grad is not None
    assert values.grad.unique().tolist() == [128]


def test_the_centre_of_a_larger_mean_image_is_used() -> None:
    mean = np.random.default_rng(1).uniform(90, 130, (3, 8, 10)).astype(np.float32)
    how = Preprocessing((4, 4), mean=mean)
    np.testing.assert_array_equal(how.mean, mean[:, 2:6, 3:7])
    np.testing.assert_allclose(how.to_input(np.zeros((4, 4, 3), np.uint8)), -mean[:, 2:6, 3:7])


def test_pictures_out_of_range_or_not_finite_are_clipped() -> None:
    how = Preprocessing((1, 4), "gray")
    values = np.float32([[[[-5, 300, np.nan, np.inf]]]])
    assert how.to_rgb(values)[0, 0, :, 0].tolist() == [0, 255, 0, 255]


@pytest.mark.parametrize(("changes", "message"), [
    ({"channels": "RBG"}, "channels"),
    ({"size": (0, 4)}, "input size"),
    ({"crop": 0.0}, "crop"),
    ({"crop": 1.1}, "crop"),
    ({"std": 0}, "must not be 0"),
    ({"mean": [1, 2]}, "mean"),
    ({"mean": float("nan")}, "mean"),
    ({"scale": float("inf")}, "scale"),
    ({"mean": np.zeros((3, 3, 4), np.float32)}, "mean image"),
    ({"mean": np.zeros((1, 4, 4), np.float32)}, "mean image"),
])  # fmt: skip
def test_what_cannot_be_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ToolboxError, match=message):
        Preprocessing(**{"size": (4, 4), **changes})


@pytest.mark.parametrize("frame", [
    np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)
])  # fmt: skip
def test_what_is_no_frame_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ToolboxError, match="frame"):
        Preprocessing((4, 4)).to_input(frame)
