"""Networks that are shown several pictures at a time, or more bands than a picture has."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, load_network, measure, preferred_images
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.words.comparison import Pinned
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.perturbation import Perturbation
from tests.network.test_input_channels import FRAME, SIZE, opened


class Two(nn.Module):
    """Takes a pair as two inputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.fc((F.relu(self.conv(x)) - 2 * F.relu(self.conv(y))).mean((2, 3)))


PAIR = np.random.default_rng(7).integers(0, 256, (*SIZE, 6)).astype(np.uint8)
HOW = {"mean": [100.0, 120.0, 140.0], "std": 64.0}


def _two_inputs(folder: Path, way: str) -> dict[str, object]:
    """Write the network of pairs; return how it is opened."""
    image = torch.randn(2, 3, *SIZE)
    if way == "module":
        (folder / "net.py").write_text("from tests.network.test_pairs import Two\nmake = Two\n")
        (folder / "model.yaml").write_text(
            f"factory: net:make\ninput: {{size: [{SIZE[0]}, {SIZE[1]}]}}\ninputs: {{y: image 2}}"
        )
        return {"model": folder / "model.yaml", "trust": True}
    shapes = ({0: torch.export.Dim.AUTO},) * 2
    if way == "program":
        torch.export.save(
            torch.export.export(Two().eval(), (image, image.clone()), dynamic_shapes=shapes), folder / "net.pt2"
        )
        return {"model": folder / "net.pt2"}
    import onnx

    from tests.onnx_files.made_files import model_of, saved

    module = Two()
    tensors = {name: value.detach().numpy() for name, value in module.state_dict().items()} | {"two": np.float32([2])}
    make = onnx.helper.make_node
    nodes = [
        *(make("Conv", [name, "conv.weight", "conv.bias"], [f"c_{name}"]) for name in ("image", "y")),
        *(make("Relu", [f"c_{name}"], [f"r_{name}"]) for name in ("image", "y")),
        make("Mul", ["r_y", "two"], ["twice"]),
        make("Sub", ["r_image", "twice"], ["difference"]),
        make("GlobalAveragePool", ["difference"], ["pooled"]),
        make("Flatten", ["pooled"], ["flat"]),
        make("Gemm", ["flat", "fc.weight", "fc.bias"], ["result"], transB=1),
    ]
    model = model_of(nodes, tensors, ("n", 3, *SIZE), ("result",))
    model.graph.input.append(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3, *SIZE]))
    saved(model, folder / "net.onnx")
    return {"model": folder / "net.onnx"}


@pytest.mark.parametrize("way", ["module", "program", "ONNX"])
def test_a_network_of_two_inputs_sees_a_pair_in_them_and_one_picture_in_both(tmp_path: Path, way: str) -> None:
    module = Two().eval()
    with load_network(**_two_inputs(tmp_path, way), device="cpu", **HOW) as net:
        assert net.preprocessing.channels == "RGB+RGB"
        last, relu = list(net.layers)[-1], next(name for name in net.layers if net.layers[name].kind == "relu")
        for frame in (PAIR, FRAME):
            x = net.preprocess(frame)
            first, second = (
                (frame[..., part].astype(np.float32) - HOW["mean"]) / 64 for part in (slice(3), slice(-3, None))
            )
            images = [torch.tensor(each.transpose(2, 0, 1)[None], dtype=torch.float32) for each in (first, second)]
            for image in images:
                image.requires_grad_()
            wanted = module(*images)
            torch.testing.assert_close(net.forward(x, [last])[last], wanted.detach(), rtol=1e-4, atol=1e-5)
            diff = torch.eye(5)[2:3]
            found = net.backward(x, last, diff, "grad", ["data"])["data"]
            arrived = torch.cat(torch.autograd.grad(wanted, images, diff), 1)
            torch.testing.assert_close(found, arrived, rtol=1e-4, atol=1e-6)
        assert net.receptive_field(relu, (2, 3)) == Rect(2, 3, 5, 6)
        assert net.layers[relu].shape == (4, 10, 14)
        settings = AscentSettings(max_iter=4, lr_policy="constant", lr_params={"lr": 10.0})
        (made,) = preferred_images(net, [Unit(last, 1)], seeds=[0], settings=settings)
        assert made.best.shape == (6, *SIZE)
        assert made.objective[-1] > made.objective[0]


def test_a_pair_is_shown_compared_covered_and_blurred_as_a_pair() -> None:
    net = opened(Preprocessing(SIZE, "BGR+gray", 127, std=64))
    x = net.preprocess(PAIR)
    assert torch.equal(x[0, :3], net.preprocess(PAIR[..., :3])[0, :3])
    assert torch.equal(x[0, 3], net.preprocess(np.ascontiguousarray(PAIR[..., 3:]))[0, 3])
    session = measure.Session(net)
    taken = session.take_all(PAIR, [measure.LayerMaps("fc")], perturbation=Perturbation(shift=0.25))
    np.testing.assert_array_equal(taken.image, taken.fitted[..., :3])
    moved = PAIR[:, np.clip(np.arange(16) - 4, 0, 15)]
    np.testing.assert_array_equal(taken.fitted, moved)
    values = net.forward(net.preprocess(moved), ["fc"])["fc"][0]
    np.testing.assert_allclose(taken.answers[measure.LayerMaps("fc")].maps, values, rtol=1e-4, atol=1e-6)
    pinned = Pinned(taken.image, bands=taken.fitted)
    difference = session.take(PAIR, measure.Difference(pinned, measure.LayerMaps("fc")))
    wanted = net.forward(x, ["fc"])["fc"][0] - values
    np.testing.assert_allclose(difference.maps, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "bands", "told"),
    [
        ("RGB", 6, "a pair of pictures, or six bands; the network takes one picture .channels RGB"),
        ("RGB+RGB", 9, "9 bands; the network takes 2 pictures .or one, for all of them., or bands for its 6 channels"),
        ("1+BGR+9", 6, "the network takes one picture, or bands for its 13 channels"),
    ],
)
def test_frames_that_a_network_does_not_take_are_told(channels: str, bands: int, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        Preprocessing(SIZE, channels).fit(np.zeros((*SIZE, bands), np.uint8))


def test_bands_of_any_depth_are_taken_as_they_are_and_cut_and_resized_as_pictures_are() -> None:
    mean, std = np.arange(13.0) * 10, np.arange(13.0) + 1
    how = Preprocessing(SIZE, "1+BGR+9", mean, std=std, white=510)
    bands = np.random.default_rng(3).uniform(0, 300, (30, 30, 13)).astype(np.float32)
    deep = np.round(bands).astype(np.uint16)
    half = Preprocessing(SIZE, "1+BGR+9", mean, std=std).to_input(deep)
    np.testing.assert_allclose(
        half * std[:, None, None] + mean[:, None, None], how.fit(deep).transpose(2, 0, 1) * 510 / 65535, atol=1e-3
    )
    found = how.to_input(bands)
    for number in range(13):
        cut = cv2.resize(bands[4:26, :, number], SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(found[number], (cut / 2 - mean[number]) / std[number], rtol=1e-4, atol=1e-3)
