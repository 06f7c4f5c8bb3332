"""Inputs of more than three channels: what fills them, what is shown of them, what is said where that is unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, load_network, measure, preferred_images
from deepvis_toolbox.drawing.backward_views import backward_picture
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.opened_module import network_of_module
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.opening.found_out import save_model
from deepvis_toolbox.optimize.files.shown_image import with_mean
from deepvis_toolbox.optimize.method.parametrization import COLOUR_COVARIANCE, DecorrelatedFourier
from deepvis_toolbox.words.input_channels import parsed_channels
from deepvis_toolbox.words.layer import Rect
from tests.caffe.one_layer import prototxt_text
from tests.caffe.random_weights import write_random_weights

SIZE = (12, 16)
FRAME = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


class Net(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(channels, 4, 3), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.relu(self.conv(x)).mean((2, 3)))


def opened(how: Preprocessing) -> TorchNetwork:
    net = Net(how.channel_count).eval()
    return network_of_module(net, ModelDescription("net", how), torch.device("cpu"))


def test_each_channel_is_filled_as_written_with_its_own_mean_and_deviation() -> None:
    mean, std = np.arange(6.0) * 10, np.arange(6.0) + 1
    how = Preprocessing(SIZE, "1+BGR+gray+1", mean=mean, std=std)
    found = how.to_input(FRAME)
    grey = FRAME.astype(np.float64) @ [0.299, 0.587, 0.114]
    for number, plane in {1: FRAME[..., 2], 2: FRAME[..., 1], 3: FRAME[..., 0], 4: grey}.items():
        np.testing.assert_allclose(found[number], (plane - mean[number]) / std[number], atol=0.6 / std[number])
    assert not found[[0, 5]].any()
    np.testing.assert_array_equal(how.to_rgb(found[None])[0], FRAME)
    assert how.shows_pictures


def test_the_same_picture_twice_is_what_a_network_of_pairs_gives_for_it() -> None:
    net = opened(Preprocessing(SIZE, "RGB+RGB", 127, std=64))
    one = torch.from_numpy(Preprocessing(SIZE, "RGB", 127, std=64).to_input(FRAME))[None]
    with torch.no_grad():
        wanted = Net(6).eval()(torch.cat([one, one], 1))
    torch.testing.assert_close(net.forward(net.preprocess(FRAME), ["fc"])["fc"], wanted)


def test_the_channels_to_view_are_those_that_are_shown_everywhere() -> None:
    view = (5, 0, 4)
    net = opened(Preprocessing(SIZE, "RGB+3", 100, view_channels=view))
    pixels = np.random.default_rng(1).normal(0, 30, (6, *SIZE)).astype(np.float32)
    wanted = np.clip(np.rint(pixels[list(view)].transpose(1, 2, 0) + 100), 0, 255)
    np.testing.assert_array_equal(net.preprocessing.rgb_from_zero_centred(pixels), wanted)
    shown = with_mean(pixels, Rect(0, 0, *SIZE), net.preprocessing).astype(float)
    values = pixels[list(view)].transpose(1, 2, 0)
    assert np.abs(shown - 255 * (values - values.min()) / np.ptp(values)).max() <= 1
    session = measure.Session(net)
    contributions = session.take(FRAME, measure.InputContributions("fc", 1))
    gradient = session.take(FRAME, measure.BackwardImage("fc", 1)).image
    x = net.preprocess(FRAME)
    arrived = net.backward(x, "fc", net.forward(x, ["fc"])["fc"] * torch.eye(5)[1], at=["data"])["data"][0]
    np.testing.assert_allclose(gradient[..., :3], arrived[list(view)].permute(1, 2, 0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(contributions.map, (arrived * x[0]).sum(0), rtol=1e-4, atol=1e-6)
    assert backward_picture(gradient, "raw").shape == (*SIZE, 3)


@pytest.mark.parametrize("channels", ["RGB", "BGR", "gray", "gray+gray", "RGB+RGB", "1+BGR+9"])
def test_the_order_of_pictures_and_the_networks_are_undone_by_each_other(channels: str) -> None:
    how = Preprocessing(SIZE, channels)
    values = np.random.default_rng(0).normal(size=(2, how.channel_count))
    np.testing.assert_array_equal(how.in_network_order(how.in_rgb_order(values)), values)
    assert sorted(how.in_rgb_order(np.arange(how.channel_count))) == list(range(how.channel_count))


def test_preferred_images_have_all_channels_and_colours_go_together_in_each_picture() -> None:
    how = Preprocessing(SIZE, "RGB+1+BGR", 100)
    settings = AscentSettings(max_iter=5, lr_policy="constant", lr_params={"lr": 10.0})
    (found,) = preferred_images(opened(how), [Unit("fc", 1)], seeds=[0], settings=settings)
    assert found.best.shape == (7, *SIZE)
    assert found.objective[-1] > found.objective[0]
    own = DecorrelatedFourier(how, torch.device("cpu"))
    step = own.step(torch.ones(1, 7, *SIZE))[0].mean((1, 2))
    alone = DecorrelatedFourier(Preprocessing(SIZE), torch.device("cpu")).step(torch.ones(1, 3, *SIZE))[0].mean((1, 2))
    torch.testing.assert_close(step[:3], alone)
    torch.testing.assert_close(step[4:], alone.flip(0))
    assert COLOUR_COVARIANCE.shape == (3, 3)


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ("RGBA", r'channels "RGBA" must be one of RGB, BGR, gray, or several of these .* RGB\+1'),
        ("RGB+", "must be one of"),
        ("6", r"says of none what fills it; say what fills them: channels RGB\+RGB \(the same picture again\) or RGB"),
        ("RGB+999", "are 1002; an input has at most 512"),
    ],
)
def test_what_is_no_order_of_channels_is_told(channels: str, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        parsed_channels(channels)


@pytest.mark.parametrize(
    ("channels", "view", "told"),
    [
        ("RGB", (0, 1, 2), "for inputs of more than three channels"),
        ("RGB+1", (0, 1, 4), "three different numbers from 0 to 3"),
        ("RGB+1", (0, 1, 1), "three different numbers"),
    ],
)
def test_channels_that_cannot_be_viewed_are_told(channels: str, view: tuple[int, ...], told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        Preprocessing(SIZE, channels, view_channels=view)


SAY = r"--input-size|RGB\+RGB \(the same picture again\) or RGB\+3 \(the others stay at their mean\)"


def test_files_and_modules_of_more_channels_open_once_it_is_said_what_fills_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.onnx_files.made_files import model_of, saved

    program = torch.export.export(Net(6).eval(), (torch.randn(2, 6, *SIZE),))
    torch.export.save(program, tmp_path / "net.pt2")
    import onnx

    nodes = [onnx.helper.make_node("Conv", ["image", "w"], ["y"], kernel_shape=[3, 3])]
    weights = {"w": np.random.default_rng(0).normal(size=(4, 6, 3, 3)).astype(np.float32)}
    saved(model_of(nodes, weights, ("n", 6, *SIZE)), tmp_path / "net.onnx")
    last = [onnx.helper.make_node("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]), *nodes]
    last[1].input[0] = "x"
    saved(model_of(last, weights, ("n", 16, 16, 6)), tmp_path / "last.onnx")
    (tmp_path / "six_channels.py").write_text("from torch import nn\nmake = lambda: nn.Conv2d(6, 4, 3)\n")
    monkeypatch.chdir(tmp_path)
    for model, size in {"net.pt2": None, "net.onnx": None, "last.onnx": None, "six_channels:make": SIZE}.items():
        with pytest.raises(ToolboxError, match=SAY):
            load_network(model, device="cpu", input_size=size)
        with load_network(model, device="cpu", input_size=size, channels="RGB+RGB", view_channels=[3, 4, 5]) as net:
            assert net.input_shape[0] == 6
            assert net.preprocessing.shown == (3, 4, 5)
    with pytest.raises(ToolboxError, match=r"channels is RGB\+1, but the network of net.pt2 takes 6"):
        load_network("net.pt2", device="cpu", channels="RGB+1")


def test_a_caffe_network_of_four_channels_is_saved_with_what_was_said_of_them(tmp_path: Path) -> None:
    layers = """layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
                  convolution_param { num_output: 6 kernel_size: 5 stride: 2 } }"""
    (tmp_path / "deploy.prototxt").write_text(prototxt_text((1, 4, 16, 16), layers))
    files = {"prototxt": tmp_path / "deploy.prototxt", "weights": tmp_path / "net.caffemodel"}
    write_random_weights(*files.values())
    with pytest.raises(ToolboxError, match=r"4 channels; .* say what fills them: channels RGB\+1"):
        load_network(None, device="cpu", **files)
    said = {"channels": "BGR+1", "mean": [1, 2, 3, 4], "view_channels": [3, 1, 0]}
    with load_network(None, device="cpu", **files, **said) as net:
        save_model(net, tmp_path / "saved")
    with load_network(tmp_path / "saved", device="cpu") as again:
        assert again.preprocessing.shown == (3, 1, 0)
        assert again.preprocessing.identity() == net.preprocessing.identity()
