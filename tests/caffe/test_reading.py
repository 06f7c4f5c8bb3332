"""Reading Caffe's files: both generations, all forms of weights and means, phases, the ends of training networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.graph import blob_shapes
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.caffe.wire import FieldLimit, WireError, fields
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.opening.mean_file import read_mean
from tests.caffe.graphs import build_graph

WEIGHT = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
BIAS = np.arange(4, dtype=np.float32)
FC = np.random.default_rng(1).normal(0, 1, (5, 4)).astype(np.float32)

NEWER = """
input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }
layer { name: "features/conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { global_pooling: true pool: AVE } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 5 bias_term: false } }
"""
OLDER = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 6 input_dim: 6
layers { name: "features/conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 weight_decay: 0
         convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.01 } } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { global_pooling: true pool: AVE } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc"
        inner_product_param { num_output: 5 bias_term: false } }
"""
FIRST = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 6 input_dim: 6
layers { layer { name: "features/conv" type: "conv" num_output: 4 kernelsize: 3 weight_filler { type: "gaussian" } }
         bottom: "data" top: "conv" }
layers { layer { name: "relu" type: "relu" } bottom: "conv" top: "conv" }
layers { layer { name: "pool" type: "pool" kernelsize: 4 pool: AVE } bottom: "conv" top: "pool" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 biasterm: false } bottom: "pool" top: "fc" }
"""
PARAMETERS = {"features/conv": [WEIGHT, BIAS], "fc": [FC]}


def write_newer(path: Path) -> None:
    net = formats.NetParameter()
    for name, arrays in PARAMETERS.items():
        stored = net.layer.add(name=name)
        for array in arrays:
            stored.blobs.add(data=array.ravel()).shape.dim.extend(array.shape)
    path.write_bytes(net.SerializeToString())


def write_doubles(path: Path) -> None:
    net = formats.NetParameter()
    for name, arrays in PARAMETERS.items():
        stored = net.layer.add(name=name)
        for array in arrays:
            stored.blobs.add(double_data=array.ravel()).shape.dim.extend(array.shape)
    path.write_bytes(net.SerializeToString())


def write_older(path: Path) -> None:
    net = formats.NetParameter()
    for name, arrays in PARAMETERS.items():
        stored = net.layers.add(name=name)
        for array in arrays:
            num, channels, height, width = (1,) * (4 - array.ndim) + array.shape
            stored.blobs.add(num=num, channels=channels, height=height, width=width, data=array.ravel())
    path.write_bytes(net.SerializeToString())


def write_first(path: Path) -> None:
    net = formats.NetParameter()
    for name, arrays in PARAMETERS.items():
        stored = net.layers.add().layer
        stored.name = name
        for array in arrays:
            num, channels, height, width = (1,) * (4 - array.ndim) + array.shape
            stored.blobs.add(num=num, channels=channels, height=height, width=width, data=array.ravel())
    path.write_bytes(net.SerializeToString())


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, arrays in PARAMETERS.items():
            for index, array in enumerate(arrays):
                file[f"data/{name}/{index}"] = array


def expected(x: np.ndarray) -> np.ndarray:
    conv = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(WEIGHT), torch.from_numpy(BIAS))
    return conv.clamp(min=0).mean((2, 3)).numpy() @ FC.T


@pytest.fixture
def prototxt(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "deploy.prototxt"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("text", [NEWER, OLDER, FIRST], ids=["newer", "older", "first"])
@pytest.mark.parametrize("write", [write_newer, write_doubles, write_older, write_first, write_hdf5])
def test_every_form_of_network_and_weights_gives_the_same_values(
    text: str, write: Callable[[Path], None], prototxt: Callable[[str], Path], tmp_path: Path
) -> None:
    write(tmp_path / "weights")
    graph = build_graph(prototxt(text), tmp_path / "weights")
    x = np.random.default_rng(2).normal(0, 1, (2, 3, 6, 6)).astype(np.float32)
    (output,) = graph(torch.from_numpy(x))
    np.testing.assert_allclose(output.numpy(), expected(x), rtol=1e-4, atol=1e-5)


def test_padding_layers_of_the_first_form_become_the_next_layers_padding(
    prototxt: Callable[[str], Path], tmp_path: Path
) -> None:
    write_newer(tmp_path / "weights")
    padding = 'layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }'
    first = FIRST.replace('bottom: "data"', 'bottom: "padded"').replace("layers {", padding + "layers {", 1)
    text = first[: first.index('layers { layer { name: "pool"')]
    graph = build_graph(prototxt(text), tmp_path / "weights")
    assert graph.meta["blob_shapes"] == {"data": (3, 6, 6), "conv": (4, 8, 8)}


def test_nodes_carry_their_blobs_names_through_an_in_place_chain(
    prototxt: Callable[[str], Path], tmp_path: Path
) -> None:
    write_newer(tmp_path / "weights")
    graph = build_graph(prototxt(NEWER), tmp_path / "weights")
    named = [(node.meta["layer"], node.meta["layer_type"]) for node in graph.graph.nodes if "layer" in node.meta]
    types = ["Input", "Convolution", "ReLU", "Pooling", "InnerProduct"]
    assert named == list(zip(["data", "conv", "conv", "pool", "fc"], types, strict=True))
    assert graph.meta["input_shape"] == (3, 6, 6)
    assert graph.meta["notes"] == []
    assert not any(parameter.requires_grad for parameter in graph.parameters())


def test_an_input_layer_declares_the_input(prototxt: Callable[[str], Path], tmp_path: Path) -> None:
    write_newer(tmp_path / "weights")
    shape = "input_param { shape { dim: 10 dim: 3 dim: 6 dim: 6 } }"
    layers = NEWER[NEWER.index("layer {") :]
    text = f'layer {{ name: "in" type: "Input" top: "data" {shape} }} {layers}'
    assert build_graph(prototxt(text), tmp_path / "weights").meta["input_shape"] == (3, 6, 6)


TRAINING = """
layer { name: "train" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { crop_size: 8 mirror: true } data_param { source: "a" batch_size: 32 backend: LMDB } }
layer { name: "test" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { crop_size: 6 mean_file: "m" } data_param { source: "b" batch_size: 8 } }
layer { name: "features/conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 }
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "noise" type: "Dropout" bottom: "conv" top: "conv" exclude { phase: TEST } }
layer { name: "late" type: "TanH" bottom: "conv" top: "conv" include { min_level: 2 } }
layer { name: "staged" type: "Sigmoid" bottom: "conv" top: "conv" include { stage: "other" } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" include { phase: TEST not_stage: "other" } }
layer { name: "quiet" type: "Silence" bottom: "label" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "conv" bottom: "label" top: "accuracy" include { phase: TEST } }
"""


def test_a_training_prototxt_loses_its_ends_and_its_other_phases(
    prototxt: Callable[[str], Path], tmp_path: Path
) -> None:
    write_newer(tmp_path / "weights")
    graph = build_graph(prototxt(TRAINING), tmp_path / "weights")
    kinds = [node.meta["layer_type"] for node in graph.graph.nodes if "layer" in node.meta]
    assert kinds == ["Input", "Convolution", "ReLU"]
    assert graph.meta["input_shape"] == (3, 6, 6)
    assert graph.meta["notes"] == [
        "left out, for training only: train, noise, late, staged",
        "left out, data and loss layers: test, quiet, loss, accuracy",
    ]


def test_the_stored_weights_tell_the_channels_that_a_data_layer_does_not(
    prototxt: Callable[[str], Path], tmp_path: Path
) -> None:
    net = formats.NetParameter()
    stored = net.layer.add(name="features/conv")
    stored.blobs.add(data=np.ones(36)).shape.dim.extend([4, 1, 3, 3])
    stored.blobs.add(data=np.ones(4)).shape.dim.extend([4])
    (tmp_path / "weights").write_bytes(net.SerializeToString())
    assert build_graph(prototxt(TRAINING), tmp_path / "weights").meta["input_shape"] == (1, 6, 6)


def test_layers_share_parameters_by_name(prototxt: Callable[[str], Path], tmp_path: Path) -> None:
    net = formats.NetParameter()
    net.layer.add(name="first").blobs.add(data=np.ones(9) * 2).shape.dim.extend([3, 3])
    (tmp_path / "weights").write_bytes(net.SerializeToString())
    shared = 'param { name: "w" } inner_product_param { num_output: 3 bias_term: false }'
    text = f"""input: "data" input_shape {{ dim: 1 dim: 3 dim: 1 dim: 1 }}
    layer {{ name: "first" type: "InnerProduct" bottom: "data" top: "a" {shared} }}
    layer {{ name: "second" type: "InnerProduct" bottom: "a" top: "b" {shared} }}"""
    (output,) = build_graph(prototxt(text), tmp_path / "weights")(torch.ones(1, 3, 1, 1))
    assert output.tolist() == [[36.0] * 3]


def test_dropout_and_split_in_place_make_no_node_and_others_an_identity(prototxt: Callable[[str], Path]) -> None:
    text = """input: "data" input_shape { dim: 1 dim: 3 dim: 2 dim: 2 }
    layer { name: "a" type: "AbsVal" bottom: "data" top: "a" }
    layer { name: "d" type: "Dropout" bottom: "a" top: "a" }
    layer { name: "e" type: "Dropout" bottom: "a" top: "e" }
    layer { name: "s" type: "Split" bottom: "e" top: "s1" top: "s2" }"""
    graph = build_graph(prototxt(text))
    assert [n.meta["layer"] for n in graph.graph.nodes if "layer" in n.meta] == ["data", "a", "e", "s1", "s2"]
    assert len(graph(torch.ones(1, 3, 2, 2))) == 2


@pytest.mark.parametrize("where", ["lrn_param { deconv_ignore: true }", "deconv_ignore: true"])
def test_the_authors_deconv_ignore_marks_the_layer(where: str, prototxt: Callable[[str], Path]) -> None:
    text = f"""input: "data" input_shape {{ dim: 1 dim: 3 dim: 2 dim: 2 }}
    layer {{ name: "norm" type: "LRN" bottom: "data" top: "norm" {where} }}"""
    graph = build_graph(prototxt(text))
    assert [bool(n.meta.get("deconv_pass")) for n in graph.graph.nodes if "layer" in n.meta] == [False, True]


def test_shapes_are_told_without_weights(prototxt: Callable[[str], Path]) -> None:
    shapes = {"data": (3, 6, 6), "conv": (4, 4, 4), "pool": (4, 1, 1), "fc": (5,)}
    assert blob_shapes(prototxt(NEWER)) == shapes


def test_equal_values_in_a_window_send_the_signal_to_the_first(prototxt: Callable[[str], Path]) -> None:
    text = """input: "data" input_shape { dim: 1 dim: 1 dim: 3 dim: 3 }
    layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }"""
    x = torch.ones(1, 1, 3, 3, requires_grad=True)
    (output,) = build_graph(prototxt(text))(x)
    (gradient,) = torch.autograd.grad(output.sum(), x)
    assert gradient[0, 0].tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]


MEAN = np.random.default_rng(3).uniform(0, 255, (3, 5, 4)).astype(np.float32)


@pytest.mark.parametrize("form", ["npy", "npy of doubles", "binaryproto", "newer binaryproto"])
def test_a_mean_image_is_read_from(form: str, tmp_path: Path) -> None:
    path = tmp_path / "mean"
    if form.startswith("npy"):
        with path.open("wb") as file:
            np.save(file, MEAN.astype(np.float64) if "doubles" in form else MEAN)
    else:
        blob = formats.BlobProto(data=MEAN.ravel())
        if form == "binaryproto":
            blob.num, blob.channels, blob.height, blob.width = (1, *MEAN.shape)
        else:
            blob.shape.dim.extend(MEAN.shape)
        path.write_bytes(blob.SerializeToString())
    mean = read_mean(path)
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, MEAN)


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1), (1, 3, 1, 1)])
def test_one_mean_for_each_channel_is_one_number_a_channel_however_it_is_stored(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    values = np.array([104.0, 117.0, 123.0], np.float32)
    np.save(tmp_path / "mean.npy", values.reshape(shape))
    np.testing.assert_array_equal(read_mean(tmp_path / "mean.npy"), values)
    blob = formats.BlobProto(data=values)
    blob.shape.dim.extend(shape)
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    found = read_mean(tmp_path / "mean.binaryproto")
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(Preprocessing((8, 8), mean=found).mean, values)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY", b"<html>", bytes(1000)])
def test_a_broken_mean_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.mean").write_bytes(content)
    with pytest.raises(ToolboxError, match=r"broken\.mean"):
        read_mean(tmp_path / "broken.mean")


def test_a_published_mean_is_read(shared: Path) -> None:
    assert read_mean(shared / "reference" / "ilsvrc_2012_mean.npy").shape == (3, 256, 256)


def test_the_wire_reader_gives_what_protobuf_wrote() -> None:
    content = formats.V1LayerParameter(name="n", bottom=["a", "b"], blobs_lr=[0.5, 2.0]).SerializeToString()
    found = list(fields(content, 0, len(content), FieldLimit()))
    texts = [content[f.start : f.end] for f in found if f.wire_type == 2]
    assert texts == [b"a", b"b", b"n"]
    with pytest.raises(WireError):
        list(fields(content, 0, len(content) - 1, FieldLimit()))


def test_a_layer_that_the_published_squeezenet_names_is_found(shared: Path) -> None:
    layers = read_prototxt(shared / "reference" / "squeezenet" / "deploy.prototxt").layers
    assert layers[0].name == "conv1"
