"""Statistics and spectra of photographs that images are held to: against plain NumPy and torch, and from a folder."""

import json

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.method.magnitudes import FREQUENCIES, PHOTOGRAPHS, AmplitudeProfile, NaturalMagnitudes
from deepvis_toolbox.optimize.method.norm_prior import norm_prior_for
from deepvis_toolbox.optimize.method.photographs import photograph_statistics
from deepvis_toolbox.optimize.method.targets import objective_of
from tests.optimize.networks import network_of, rectified_module, rectified_network

CPU = torch.device("cpu")
MODEL = ["--model", "tests.optimize.networks:small_classifier", "--input-size", "24x20", "--mean", "110"]


def photographs(count=5, size=(24, 20)):
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(count)]


def test_the_statistics_are_those_of_all_photographs_and_places_below_the_rectifier():
    net, module = rectified_network(), rectified_module()
    found = photograph_statistics(net, photographs())
    x = torch.from_numpy(np.stack(photographs()).transpose(0, 3, 1, 2).astype(np.float32) - 110) / 64
    first = module.conv1(x)
    second = module.conv2(module.pool1(module.relu1(first)))
    assert list(found.layers) == ["conv1", "conv2"]
    for name, values in (("conv1", first), ("conv2", second)):
        flat = values.detach().transpose(0, 1).flatten(1)
        torch.testing.assert_close(found.layers[name].mean, flat.mean(1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.layers[name].deviation, flat.std(1, unbiased=False), rtol=1e-4, atol=1e-5)


def test_other_photographs_have_another_key_and_the_same_ones_the_same():
    net, some = rectified_network(), photographs()
    assert photograph_statistics(net, some).key == photograph_statistics(net, some).key
    assert photograph_statistics(net, some).key != photograph_statistics(net, some[1:]).key


def test_a_prior_from_photographs_takes_the_place_of_batch_norms():
    net = rectified_network()
    with pytest.raises(ToolboxError, match="give --statistics"):
        norm_prior_for(net, objective_of([Unit("fc", 3)], net, AscentSettings()), AscentSettings(norm_prior=1))
    settings = AscentSettings(norm_prior=1, statistics=photograph_statistics(net, photographs()))
    prior = norm_prior_for(net, objective_of([Unit("fc", 3)], net, settings), settings)
    assert prior is not None
    assert prior.layers == ("conv1", "conv2")


def test_held_to_photographs_an_image_comes_nearer_to_their_statistics():
    net = rectified_network()
    statistics = photograph_statistics(net, photographs(20))
    steps = {"max_iter": 30, "lr_policy": "adam", "lr_params": {"lr": 2.0}}
    far, near = (
        preferred_images(net, [Unit("fc", 3)], [0], AscentSettings(**steps, **more))[0].last
        for more in ({}, {"norm_prior": 20.0, "statistics": statistics})
    )

    def distance(image):
        own = net.record(torch.from_numpy(image)[None] / 64, ["conv1"]).below_rectifier("conv1")[0].flatten(1)
        learnt = statistics.layers["conv1"]
        return float(((own.mean(1) - learnt.mean) / learnt.deviation).square().mean())

    assert distance(near) < 0.5 * distance(far)


def test_too_few_photographs_and_networks_without_convolutions_are_refused():
    with pytest.raises(ToolboxError, match="at least 2 photographs"):
        photograph_statistics(rectified_network(), photographs(1))
    flat = network_of(nn.Sequential(nn.Flatten(), nn.Linear(24 * 20 * 3, 4)))
    with pytest.raises(ToolboxError, match="no convolutions"):
        photograph_statistics(flat, photographs())


def test_the_general_amplitudes_are_those_of_free_photographs():
    profile = AmplitudeProfile()
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        picture = getattr(skimage.data, name)()
        side, (height, width) = min(picture.shape[:2]), picture.shape[:2]
        top, left = (height - side) // 2, (width - side) // 2
        square = cv2.resize(picture[top : top + side, left : left + side], (256, 256), interpolation=cv2.INTER_AREA)
        profile.add(square.transpose(2, 0, 1).astype(np.float32) - 127)
    np.testing.assert_allclose(profile.mean(), PHOTOGRAPHS, rtol=0.01)


@pytest.mark.parametrize("size", [(32, 32), (24, 20), (21, 33)])
def test_whole_strength_sets_the_amplitudes_and_keeps_phases_and_mean_colour(size):
    x = torch.from_numpy(np.random.default_rng(1).normal(0, 30, (2, 3, *size)).astype(np.float32))
    y = NaturalMagnitudes(1.0, size, None, CPU).applied(x)
    before, after = (np.fft.fft2(each.double().numpy(), norm="ortho") for each in (x, y))
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None]
    cycles = np.maximum(np.hypot(rows, columns) * max(size), 1)
    wanted = np.exp(np.interp(np.log(cycles), np.log(FREQUENCIES), np.log(PHOTOGRAPHS))) * np.sqrt(size[0] * size[1])
    wanted[0, 0] = 0
    wanted = np.broadcast_to(wanted, after.shape).copy()
    wanted[..., 0, 0] = np.abs(before[..., 0, 0])
    np.testing.assert_allclose(np.abs(after), wanted, rtol=2e-3, atol=1e-2)
    np.testing.assert_allclose(np.cos(np.angle(after) - np.angle(before)), 1, atol=2e-3)


def test_half_the_strength_goes_half_the_way_and_none_leaves_all_as_it_was():
    x = torch.from_numpy(np.random.default_rng(1).normal(0, 30, (1, 3, 16, 16)).astype(np.float32))
    whole, half, none = (NaturalMagnitudes(each, (16, 16), None, CPU).applied(x) for each in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half, (whole + x) / 2, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(none, x, rtol=1e-4, atol=1e-3)


def test_with_magnitudes_an_ascent_climbs_by_phases_alone():
    settings = AscentSettings(max_iter=12, magnitudes=1, lr_policy="adam", lr_params={"lr": 2.0})
    (found,) = preferred_images(rectified_network(), [Unit("fc", 1)], [0], settings)
    assert found.objective[-1] > found.objective[1]
    amplitudes = [np.abs(np.fft.rfft2(image)) for image in (found.last, found.best)]
    assert np.median(np.abs(amplitudes[0] - amplitudes[1]) / amplitudes[1]) < 0.1


def test_the_command_reads_a_folder_and_says_what_it_cannot_read(tmp_path, capsys):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index, pixels in enumerate(photographs(4, (40, 30))):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    asked = [*MODEL, "--units", "fc:1", "--max-iter", "3", "--store", str(tmp_path / "store"), "-q"]
    assert main([*asked, "--statistics", str(folder)]) == 0
    said = capsys.readouterr()
    assert "torn.png" in said.err
    record = json.loads(next((tmp_path / "store").rglob("*_info.json")).read_text())
    assert record["settings"]["norm_prior"] == 1
    assert len(record["settings"]["statistics"]) == 64
    assert main([*asked, "--statistics", str(folder)]) == 0
    assert "1 were there already" in capsys.readouterr().out
    assert main(asked) == 2  # another picture of the same name


@pytest.mark.parametrize("given", ["nowhere", "empty"])
def test_a_folder_that_tells_nothing_is_refused_in_a_sentence(tmp_path, given):
    (tmp_path / "empty").mkdir()
    asked = [*MODEL, "--units", "fc:1", "--store", str(tmp_path / "store"), "--statistics", str(tmp_path / given)]
    with pytest.raises(ToolboxError, match=given):
        main(asked)
