"""Layers of one name, parameters of several layers, a layer in place on the input: as real Caffe takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepvis_toolbox import load_network
from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.network.interface import Network

INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 15 }\n'
CONVOLUTION = 'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 }'
ONE_NAME = (
    INPUT
    + f'layer {{ name: "a" bottom: "data" top: "x" {CONVOLUTION} }}\n'
    + 'layer { name: "a" type: "ReLU" bottom: "x" top: "x" }\n'
    + f'layer {{ name: "b" bottom: "x" top: "y" {CONVOLUTION} }}\n'
    + 'layer { name: "b" type: "ReLU" bottom: "y" top: "z" }\n'
)
SHARED = (
    INPUT
    + f'layer {{ name: "a" bottom: "data" top: "x" param {{ name: "w" }} param {{ name: "b" }} {CONVOLUTION} }}\n'
    + f'layer {{ name: "b" bottom: "x" top: "y" param {{ name: "w" }} param {{ name: "b" }} {CONVOLUTION} }}\n'
)
BEFORE_IN_PLACE = (
    INPUT
    + 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 3 } }\n'
    + 'layer { name: "l2" type: "ReLU" bottom: "data" top: "data" }\n'
    + f'layer {{ name: "a" bottom: "data" top: "c" {CONVOLUTION} }}\n'
)


def files(folder: Path, text: str, order: str = "ab") -> dict[str, Path]:
    """Write the prototxt, and random parameters of the layers a and b, stored in this order."""
    prototxt, weights = folder / "deploy.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    model = formats.NetParameter(name="random")
    for name in order:
        random = np.random.default_rng(ord(name))
        stored = model.layer.add(name=name, type="Convolution")
        for shape in ((3, 3, 3, 3), (3,)):
            blob = stored.blobs.add(data=random.normal(0, 0.3, np.prod(shape)))
            blob.shape.dim.extend(shape)
    weights.write_bytes(model.SerializeToString())
    return {"prototxt": prototxt, "weights": weights}


def opened(folder: Path, text: str, engine: str = "torch", order: str = "ab") -> Network:
    return load_network(None, engine=engine, channels="RGB", **files(folder, text, order))


def images() -> torch.Tensor:
    return torch.randn(2, 3, 9, 15, generator=torch.Generator().manual_seed(1))


@pytest.mark.caffe
@pytest.mark.usefixtures("real_caffe")
@pytest.mark.parametrize("mode", ["grad", "deconv", "guided"])
@pytest.mark.parametrize(
    ("text", "last", "order"), [(ONE_NAME, "z", "ab"), (SHARED, "y", "ab"), (SHARED, "y", "ba"), (SHARED, "x", "ba")]
)
def test_both_engines_compute_the_same(tmp_path: Path, text: str, last: str, order: str, mode: str) -> None:
    ours = opened(tmp_path, text, order=order)
    with opened(tmp_path, text, "caffe", order) as caffe:
        layers = [layer for layer in ours.layers if layer != "data"]
        for layer in layers:
            found, wanted = (net.forward(images(), [layer])[layer] for net in (ours, caffe))
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        diff = torch.randn(2, *ours.layers[last].shape, generator=torch.Generator().manual_seed(2))
        found, wanted = (net.backward(images(), last, diff, mode)["data"] for net in (ours, caffe))  # type: ignore[arg-type]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_parameters_that_are_stored_twice_the_last_in_the_file_are_taken(tmp_path: Path, order: str) -> None:
    net = opened(tmp_path, SHARED, order=order)
    random = np.random.default_rng(ord(order[-1]))
    weight, bias = (torch.from_numpy(random.normal(0, 0.3, shape)).float() for shape in ((3, 3, 3, 3), (3,)))
    wanted = torch.nn.functional.conv2d(images(), weight, bias)
    torch.testing.assert_close(net.forward(images(), ["x"])["x"], wanted, rtol=1e-4, atol=1e-5)


def test_the_input_comes_first_though_a_layer_reads_it_before_another_works_on_it_in_place(tmp_path: Path) -> None:
    net = opened(tmp_path, BEFORE_IN_PLACE)
    assert list(net.layers) == ["data", "p", "c"]
    assert net.input_name == "data"
    x, diff = images(), torch.ones(2, 3, 7, 13)
    random = np.random.default_rng(ord("a"))
    weight = torch.from_numpy(random.normal(0, 0.3, (3, 3, 3, 3))).float()
    wanted = torch.nn.functional.conv_transpose2d(diff, weight)
    torch.testing.assert_close(net.backward(x, "c", diff)["data"], wanted * (x > 0), rtol=1e-4, atol=1e-5)
