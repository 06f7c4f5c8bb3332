"""Caffe files that cannot be opened are refused with one sentence that names file, layer and field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.errors import ToolboxError
from tests.caffe.graphs import build_graph

INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'


def layer(kind: str, more: str = "", bottom: str = "data", top: str = "out") -> str:
    return f'layer {{ name: "here" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}\n'


CONVOLUTION = INPUT + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 3 }")

REFUSED_PROTOTXTS = {
    "an empty file": ("", ["deploy.prototxt", "no layer"]),
    "no network": ("hello world", ["deploy.prototxt", "line 1"]),
    "an unknown field": (INPUT + layer("ReLU", "relu_param { slope: 1 }"), ["line 2", "ReLUParameter", '"slope"']),
    "a broken brace": (INPUT + 'layer { name: "here" ', ["deploy.prototxt", "line"]),
    "an unknown type": (INPUT + layer("Convolutoin"), ['"here"', '"type"', '"Convolution"']),
    "a type not supported": (INPUT + layer("LSTM"), ['"here"', '"type"', '"LSTM"']),
    "one of Caffe's types that is not computed": (
        INPUT + layer("SPP", "spp_param { pyramid_height: 2 }"),
        ['"here"', '"type"', '"SPP" is not supported'],
    ),
    "another one": (INPUT + layer("Embed", "embed_param { num_output: 2 input_dim: 3 }"), ['"Embed" is not supported']),
    "one that recurs": (INPUT + layer("RNN", "recurrent_param { num_output: 2 }"), ['"RNN" is not supported']),
    "both generations": (INPUT + layer("ReLU") + 'layers { name: "a" type: RELU }', ['"layer"', '"layers"']),
    "an unknown type of before 2014": (INPUT + 'layers { layer { name: "c" type: "con" } }', ['"c"', '"con"']),
    "a field that the type of before 2014 has not": (
        INPUT + 'layers { bottom: "data" top: "c" layer { name: "c" type: "relu" kernelsize: 3 } }',
        ['"c"', '"kernelsize"'],
    ),
    "a bottom that nobody makes": (
        INPUT + layer("AbsVal", top="a") + layer("ReLU", bottom="dta"),
        ['"here"', '"bottom"', '"data"'],
    ),
    "a blob made twice": (INPUT + layer("ReLU") + layer("TanH"), ['"top"', '"out"']),
    "in place of another shape": (INPUT + layer("Flatten", top="data"), ['"here"', "in place"]),
    "no kernel": (INPUT + layer("Convolution", "convolution_param { num_output: 2 }"), ['"kernel_size"', "missing"]),
    "too large a kernel": (
        INPUT + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 9 }"),
        ['"kernel_size"', "larger"],
    ),
    "no stride": (
        INPUT + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 stride: 0 }"),
        ['"stride"', "at least 1"],
    ),
    "kernels twice": (
        INPUT + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 kernel_h: 2 kernel_w: 2 }"),
        ['"kernel_size"', "kernel_h"],
    ),
    "groups that do not divide": (
        INPUT + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 group: 2 }"),
        ['"group"', "3 channels"],
    ),
    "three dimensions": (
        INPUT + layer("Convolution", "convolution_param { num_output: 2 kernel_size: [1, 1, 1] }"),
        ['"kernel_size"'],
    ),
    "padding as large as the kernel": (
        INPUT + layer("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"),
        ['"pad"', "smaller"],
    ),
    "a window outside the image": (
        INPUT + layer("Pooling", "pooling_param { kernel_size: 1 stride: 5 }"),
        ['"stride"', "outside"],
    ),
    "an even neighbourhood": (INPUT + layer("LRN", "lrn_param { local_size: 4 }"), ['"local_size"', "odd"]),
    "an axis that is not there": (INPUT + layer("Softmax", "softmax_param { axis: 4 }"), ['"axis"', "4"]),
    "the batch's axis": (INPUT + layer("Softmax", "softmax_param { axis: 0 }"), ['"axis"', "batch"]),
    "parts that do not fit": (
        INPUT + layer("Slice", "slice_param { slice_point: 1 slice_point: 2 }"),
        ['"slice_point"'],
    ),
    "a shape that does not fit": (
        INPUT + layer("Reshape", "reshape_param { shape { dim: 0 dim: 5 } }"),
        ['"shape"', "192"],
    ),
    "the batch's own statistics": (
        INPUT + layer("BatchNorm", "batch_norm_param { use_global_stats: false }"),
        ['"use_global_stats"'],
    ),
    "bottoms of two shapes": (
        INPUT
        + layer("Pooling", "pooling_param { kernel_size: 2 }", top="small")
        + layer("Convolution", 'convolution_param { num_output: 2 kernel_size: 1 } bottom: "small" top: "more"'),
        ['"bottom"', "(3, 7, 7)"],
    ),
    "an epsilon below zero": (INPUT + layer("BatchNorm", "batch_norm_param { eps: -1 }"), ['"eps"', "below zero"]),
    "a sum of one": (INPUT + layer("Eltwise"), ['"bottom"', "at least 2"]),
    "two inputs": (
        'input: "a" input: "b" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }' + layer("Eltwise", 'bottom: "a"', "b"),
        ["a, b", "one input"],
    ),
    "an input without a size": ('input: "data"' + layer("ReLU"), ['input "data"', "size"]),
    "an input that is no image": (
        'input: "data" input_shape { dim: 1 dim: 9 }' + layer("ReLU"),
        ['input "data"', "(1, 9)"],
    ),
    "no input": (layer("ReLU"), ["no input"]),
    "an absurd input": (
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 999999999 input_dim: 99999999 ' + layer("ReLU"),
        ['input "data"', "absurd"],
    ),
    "an absurd layer": (
        INPUT + layer("InnerProduct", "inner_product_param { num_output: 4000000000 }"),
        ['"here"', "absurd"],
    ),
    "an absurd tile": (INPUT + layer("Tile", "tile_param { tiles: 2000000000 }"), ['"here"', "absurd"]),
    "too few sizes": ('input: "data" input_dim: 1 input_dim: 3 ' + layer("ReLU"), ['"input_dim"']),
    "both rules": (
        INPUT + layer("ReLU", "include { phase: TEST } exclude { phase: TRAIN }"),
        ['"here"', '"include"', '"exclude"'],
    ),
}


@pytest.mark.parametrize("what", REFUSED_PROTOTXTS)
def test_a_prototxt_is_refused_that_has(what: str, tmp_path: Path) -> None:
    text, named = REFUSED_PROTOTXTS[what]
    path = tmp_path / "deploy.prototxt"
    path.write_text(text)
    with pytest.raises(ToolboxError) as refusal:
        build_graph(path)
    _check_sentence(str(refusal.value), ["deploy.prototxt", *named])


def _check_sentence(message: str, named: Sequence[str]) -> None:
    assert "\n" not in message
    for part in named:
        assert part in message


def _model(layers: dict[str, list[np.ndarray]]) -> bytes:
    net = formats.NetParameter()
    for name, arrays in layers.items():
        stored = net.layer.add(name=name)
        for array in arrays:
            stored.blobs.add(data=array.ravel()).shape.dim.extend(array.shape)
    return net.SerializeToString()


WEIGHT, BIAS = np.ones((2, 3, 3, 3), np.float32), np.ones(2, np.float32)
GOOD = _model({"here": [WEIGHT, BIAS]})

REFUSED_WEIGHTS = {
    "nothing": (b"", []),
    "a web page": (b"<!DOCTYPE html><html>not found</html>", ["web page"]),
    "text": (b"hello, these are no weights at all", ["not a .caffemodel"]),
    "half of itself": (GOOD[: len(GOOD) // 2], ["cut off"]),
    "all but its last byte": (GOOD[:-1], []),
    "no layer of the network": (_model({"there": [WEIGHT, BIAS]}), ['"here"', "missing"]),
    "one parameter too few": (_model({"here": [WEIGHT]}), ['"here"', "1 parameters", "takes 2"]),
    "one parameter too many": (_model({"here": [WEIGHT, BIAS, BIAS]}), ['"here"', "3 parameters"]),
    "another shape": (_model({"here": [WEIGHT[:, :2], BIAS]}), ['"here"', "(2, 2, 3, 3)", "(2, 3, 3, 3)"]),
    "numbers that are not finite": (_model({"here": [WEIGHT * np.nan, BIAS]}), ['"here"', "not finite"]),
    "infinite numbers": (_model({"here": [WEIGHT, BIAS * np.inf]}), ['"here"', "parameter 1", "not finite"]),
    "fewer values than its shape": (
        formats.NetParameter(
            layer=[formats.LayerParameter(name="here", blobs=[formats.BlobProto(num=2, channels=9, data=[1.0])])]
        ).SerializeToString(),
        ['"here"', "broken"],
    ),
    "a broken HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(100), ["HDF5"]),
}


@pytest.mark.parametrize("what", REFUSED_WEIGHTS)
def test_weights_are_refused_that_hold(what: str, tmp_path: Path) -> None:
    content, named = REFUSED_WEIGHTS[what]
    (tmp_path / "deploy.prototxt").write_text(CONVOLUTION)
    (tmp_path / "my.caffemodel").write_bytes(content)
    with pytest.raises(ToolboxError) as refusal:
        build_graph(tmp_path / "deploy.prototxt", tmp_path / "my.caffemodel")
    _check_sentence(str(refusal.value), ["my.caffemodel" if "missing" not in named else "deploy.prototxt", *named])


@pytest.mark.parametrize("folder", ["no data group", "a link", "odd names", "strings"])
def test_an_hdf5_file_is_refused_with(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "my.caffemodel.h5"
    with h5py.File(path, "w") as file:
        if folder == "no data group":
            file["here/0"] = WEIGHT
        elif folder == "a link":
            file["data/here/0"] = h5py.ExternalLink("/etc/passwd", "/")
        elif folder == "odd names":
            file["data/here/weight"] = WEIGHT
        else:
            file["data/here/0"] = "text"
    _refused(tmp_path, path, "my.caffemodel.h5")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match=r"nowhere\.prototxt"):
        build_graph(tmp_path / "nowhere.prototxt")
    _refused(tmp_path, tmp_path / "nowhere.caffemodel", "nowhere.caffemodel")


def test_a_network_with_parameters_wants_a_weights_file(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_text(CONVOLUTION)
    with pytest.raises(ToolboxError, match=r"deploy\.prototxt: layer \"here\".* no weights file"):
        build_graph(tmp_path / "deploy.prototxt")


def test_weights_given_as_prototxt_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_bytes(GOOD)
    with pytest.raises(ToolboxError, match=r"the prototxt is wanted"):
        build_graph(tmp_path / "deploy.prototxt")


def test_a_variance_of_zero_is_refused_where_nothing_is_added_to_it(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_text(INPUT + layer("BatchNorm", "batch_norm_param { eps: 0 }"))
    (tmp_path / "my.caffemodel").write_bytes(_model({"here": [np.ones(3), np.array([1, 0, 1]), np.ones(1)]}))
    with pytest.raises(ToolboxError, match=r'"eps": is 0, and so is a stored variance'):
        build_graph(tmp_path / "deploy.prototxt", tmp_path / "my.caffemodel")


def test_a_comment_in_an_older_encoding_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_bytes("# für Häuser\n".encode("latin-1") + (INPUT + layer("ReLU")).encode())
    assert build_graph(tmp_path / "deploy.prototxt").meta["blob_shapes"]["out"] == (3, 8, 8)


def test_weights_that_are_all_zero_are_noted(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").write_text(CONVOLUTION)
    (tmp_path / "my.caffemodel").write_bytes(_model({"here": [0 * WEIGHT, BIAS]}))
    notes = build_graph(tmp_path / "deploy.prototxt", tmp_path / "my.caffemodel").meta["notes"]
    assert notes == ['layer "here": its weights are all zero in the weights file']


def _refused(tmp_path: Path, weights: Path, named: str) -> None:
    (tmp_path / "deploy.prototxt").write_text(CONVOLUTION)
    with pytest.raises(ToolboxError) as refusal:
        build_graph(tmp_path / "deploy.prototxt", weights)
    _check_sentence(str(refusal.value), [named])
