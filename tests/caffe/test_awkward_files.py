"""Caffe files as forks and training tools write them: in-place activations, stages, boxes, halves, spellings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.engine import CaffeNetwork
from deepvis_toolbox.caffe.graph import graph_of
from deepvis_toolbox.caffe.process import Installation
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.caffe.graphs import build_graph
from tests.caffe.layer_cases import layer
from tests.caffe.one_layer import caffemodel_bytes, prototxt_text

CONV = layer("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }", tops="conv", name="conv")
LAST = layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", "conv", "last", "last")
DESCRIPTION = ModelDescription("net", Preprocessing((8, 8), "BGR"))

IN_PLACE: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "ELU": ("elu_param { alpha: 0.5 }", lambda x: F.elu(x, 0.5)),
    "PReLU": ("", lambda x: F.prelu(x, torch.tensor([0.25, 0.5, -0.1, 0.75]))),
    "Sigmoid": ("", torch.sigmoid),
    "TanH": ("", torch.tanh),
    "BNLL": ("", F.softplus),
    "AbsVal": ("", torch.abs),
}


def written(folder: Path, layers: str, more: dict[str, list[np.ndarray]] | None = None) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    blobs = {
        "conv": [rng.normal(0, 1, (4, 3, 3, 3)), rng.normal(0, 1, 4)],
        "last": [rng.normal(0, 1, (2, 4, 1, 1)), rng.normal(0, 1, 2)],
        **(more or {}),
    }
    prototxt, weights = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(layers if "input" in layers else prototxt_text((1, 3, 8, 8), layers))
    weights.write_bytes(caffemodel_bytes({name: [*map(np.float32, arrays)] for name, arrays in blobs.items()}, {}))
    return prototxt, weights


def in_place_network(folder: Path, kind: str) -> tuple[Path, Path]:
    slopes = {"act": [np.array([0.25, 0.5, -0.1, 0.75])]} if kind == "PReLU" else {}
    return written(folder, CONV + layer(kind, IN_PLACE[kind][0], "conv", "conv", "act") + LAST, slopes)


@pytest.mark.parametrize("kind", IN_PLACE)
def test_origin_and_at_lie_below_an_activation_in_place(kind: str, tmp_path: Path) -> None:
    prototxt, weights = in_place_network(tmp_path, kind)
    network = TorchNetwork(build_graph(prototxt, weights), DESCRIPTION, torch.device("cpu"))
    weight, bias, last = (
        network.graph_module.state_dict()[name] for name in ("conv.weight", "conv.bias", "last.weight")
    )
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    below = F.conv2d(x, weight, bias)
    value = IN_PLACE[kind][1](below)
    recording = network.record(x.detach())
    torch.testing.assert_close(recording.activations(["conv"])["conv"], value.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(recording.below_rectifier("conv"), below.detach(), rtol=1e-4, atol=1e-5)
    diff = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    (wanted,) = torch.autograd.grad(below, x, diff, retain_graph=True)
    torch.testing.assert_close(recording.backward("conv", diff)["data"], wanted, rtol=1e-4, atol=1e-4)
    above = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(3))
    (wanted,) = torch.autograd.grad(F.conv2d(value, last), below, above)
    found = recording.backward("last", above, at=["conv"])["conv"]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.caffe
@pytest.mark.parametrize("kind", IN_PLACE)
def test_both_engines_start_and_arrive_at_the_same_place(kind: str, tmp_path: Path, real_caffe: Installation) -> None:
    assert real_caffe
    files = in_place_network(tmp_path, kind)
    ours = TorchNetwork(build_graph(*files), DESCRIPTION, torch.device("cpu"))
    definition = read_prototxt(files[0])
    hollow = graph_of(definition, files[1], hollow=True)
    with CaffeNetwork(definition, files[1], hollow, DESCRIPTION, torch.device("cpu")) as theirs:
        x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        for origin, at in (("conv", ["data"]), ("last", ["conv", "data"])):
            diff = torch.randn(2, *ours.layers[origin].shape, generator=torch.Generator().manual_seed(2))
            wanted = theirs.backward(x, origin, diff, at=at)
            for name, found in ours.backward(x, origin, diff, at=at).items():
                torch.testing.assert_close(found, wanted[name], rtol=1e-3, atol=1e-4)


def opened(folder: Path, layers: str) -> tuple[list[str], str]:
    """The layers' names and the notes."""
    graph = build_graph(*written(folder, layers))
    network = TorchNetwork(graph, DESCRIPTION, torch.device("cpu"))
    return list(network.layers), "; ".join(graph.meta["notes"])


def test_a_file_with_stages_is_read_at_the_stage_deploy_and_keeps_its_softmax(tmp_path: Path) -> None:
    shape = "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }"
    text = (
        f'layer {{ name: "train-data" type: "Data" top: "data" top: "label" include {{ stage: "train" }} }}\n'
        f'layer {{ name: "data" type: "Input" top: "data" {shape} include {{ stage: "deploy" }} }}\n{CONV}{LAST}'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "last" bottom: "label" top: "loss" '
        'exclude { stage: "deploy" } }\n'
        'layer { name: "prob" type: "Softmax" bottom: "last" top: "prob" include { stage: "deploy" } }\n'
    )
    names, notes = opened(tmp_path, text)
    assert names == ["data", "conv", "last", "prob"]
    assert 'stage "deploy"' in notes


def test_a_detectors_boxes_are_left_out_by_name(tmp_path: Path) -> None:
    boxes = (
        layer("PriorBox", bottoms="conv data", tops="prior", name="prior")
        + layer("Softmax", bottoms="last", tops="prob", name="prob")
        + layer("DetectionOutput", bottoms="prob prior", tops="boxes", name="boxes")
    )
    names, notes = opened(tmp_path, CONV + LAST + boxes)
    assert names == ["data", "conv", "last", "prob"]
    assert "opened up to the layers that make boxes" in notes
    assert "prior (PriorBox)" in notes


def test_a_python_layer_that_gives_the_training_data_needs_one_step(tmp_path: Path) -> None:
    text = (
        'layer { name: "input" type: "Python" top: "data" top: "label" include { phase: TRAIN } '
        'python_param { module: "m" layer: "L" } }\n'
        f"{CONV}{LAST}"
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "last" bottom: "label" top: "loss" }\n'
    )
    files = written(tmp_path, text)
    with pytest.raises(ToolboxError, match="size is not given"):
        build_graph(*files)
    graph = build_graph(*files, (3, 8, 8))
    names = list(TorchNetwork(graph, DESCRIPTION, torch.device("cpu")).layers)
    assert names == ["data", "conv", "last"]


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("convolution", 'did you mean "Convolution"'),
        ("Convolutoin", 'did you mean "Convolution"'),
        ("Inner_Product", 'did you mean "InnerProduct"'),
        ("Poling", 'did you mean "Pooling"'),
        ("RReLU", ""),
        ("ReLU7", ""),
        ("Convolution3D", ""),
        ("Upsample", ""),
    ],
)
def test_only_other_spellings_are_suggested(kind: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match=f'"{kind}" is not supported') as caught:
        build_graph(*written(tmp_path, CONV + layer(kind, bottoms="conv")))
    assert ("did you mean" in str(caught.value)) == bool(hint)
    assert hint in str(caught.value)


@pytest.mark.parametrize(("number", "kind"), [(0, "<f8"), (1, "<f4"), (2, "<f2")])
def test_the_raw_numbers_of_nvidias_caffe_are_read(number: int, kind: str, tmp_path: Path) -> None:
    prototxt, weights = written(tmp_path, CONV + LAST)
    net = formats.NetParameter.FromString(weights.read_bytes())
    stored = bytearray()
    for each in net.layer:
        for blob in each.blobs:
            values = np.array(blob.data, kind)
            del blob.data[:]
            raw = blob.SerializeToString() + raw_fields(number, values.tobytes())
            blob.ParseFromString(raw)  # fields that are not known are kept
    stored += net.SerializeToString()
    whole = build_graph(prototxt, weights)
    weights.write_bytes(bytes(stored))
    found = build_graph(prototxt, weights)
    for name, wanted in whole.state_dict().items():
        as_stored = torch.from_numpy(wanted.numpy().astype(kind).astype(np.float32))
        assert torch.equal(found.state_dict()[name], as_stored)


def raw_fields(number: int, data: bytes) -> bytes:
    """Fields 10 (a number) and 12 (bytes) in protobuf's wire format."""
    length, size = b"", len(data)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([10 << 3, number, 12 << 3 | 2]) + length + bytes([size]) + data


def test_raw_whole_numbers_are_refused_for_what_they_are(tmp_path: Path) -> None:
    prototxt, weights = written(tmp_path, CONV)
    net = formats.NetParameter.FromString(weights.read_bytes())
    blob = net.layer[0].blobs[0]
    del blob.data[:]
    blob.ParseFromString(blob.SerializeToString() + raw_fields(3, bytes(108)))
    weights.write_bytes(net.SerializeToString())
    with pytest.raises(ToolboxError, match="whole numbers"):
        build_graph(prototxt, weights)


@pytest.mark.parametrize(
    ("kind", "fields", "rectifier"),
    [
        ("ReLU6", "", "relu6"),
        ("Clip", "clip_param { min: 0 max: 6 }", "relu6"),
        ("Clip", "clip_param { min: 0 max: 1 }", "clipped_relu"),
        ("Clip", "clip_param { min: -1 max: 1 }", ""),
        ("Swish", "", "silu"),
        ("Swish", "swish_param { beta: 1.5 }", "swish"),
    ],
)
def test_deconv_rectifies_at_the_newer_rectifiers(kind: str, fields: str, rectifier: str, tmp_path: Path) -> None:
    act = layer(kind, fields, "conv", "act", "act")
    last = LAST.replace('bottom: "conv"', 'bottom: "act"')
    network = TorchNetwork(build_graph(*written(tmp_path, CONV + act + last)), DESCRIPTION, torch.device("cpu"))
    assert network.layers["act"].rectifier == rectifier
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    diff = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(2))
    above = F.conv_transpose2d(diff, network.graph_module.state_dict()["last.weight"])
    below = network.forward(x, ["conv"])["conv"]
    wanted = above.clamp_min(0) if rectifier else above * ((below > -1) & (below < 1))
    torch.testing.assert_close(network.backward(x, "last", diff, "deconv", at=["conv"])["conv"], wanted)


def test_blobs_of_more_than_three_axes_are_no_layers_and_are_told(tmp_path: Path) -> None:
    def reshape(dims: str, bottom: str, top: str) -> str:
        wanted = " ".join(f"dim: {size}" for size in dims.split())
        return layer("Reshape", f"reshape_param {{ shape {{ {wanted} }} }}", bottom, top, top)

    shuffled = reshape("0 2 2 6 6", "conv", "parts") + reshape("0 4 6 6", "parts", "whole")
    graph = build_graph(*written(tmp_path, CONV + shuffled + LAST.replace('bottom: "conv"', 'bottom: "whole"')))
    network = TorchNetwork(graph, DESCRIPTION, torch.device("cpu"))
    assert list(network.layers) == ["data", "conv", "whole", "last"]
    assert network.notes == ("layers left out, since they have 4 axes, which cannot be drawn: parts",)
