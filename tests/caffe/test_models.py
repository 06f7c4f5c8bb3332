"""The models that one can name: their prototxts against published facts, and their model.yaml files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.caffe.graph import blob_shapes
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.opening.described import read_labels
from deepvis_toolbox.opening.model_file import ModelFile, read_model_file
from tests.caffe.random_weights import parameter_shapes, write_random_weights
from tests.conftest import ROOT

NUMBERS = {"caffenet-yos": 60_965_224, "bvlc-googlenet": 6_998_552, "squeezenet": 1_248_424, "vgg16": 138_357_544}
"""How many parameters the published networks have."""
RESNET50 = 25_557_032
"""Published without the bias of conv1, which Caffe's has, and without BatchNorm's statistics."""
CLASSES = {
    "caffenet-yos": "fc8",
    "bvlc-googlenet": "loss3/classifier",
    "squeezenet": "pool10",
    "vgg16": "fc8",
    "resnet50": "fc1000",
}
SHAPES = {
    "caffenet-yos": {
        "conv1": (96, 55, 55),
        "norm1": (96, 27, 27),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
        "fc7": (4096,),
    },
    "bvlc-googlenet": {
        "conv1/7x7_s2": (64, 112, 112),
        "pool2/3x3_s2": (192, 28, 28),
        "inception_3a/output": (256, 28, 28),
        "inception_4e/output": (832, 14, 14),
        "inception_5b/output": (1024, 7, 7),
        "pool5/7x7_s1": (1024, 1, 1),
    },
    "squeezenet": {
        "conv1": (96, 111, 111),
        "fire2/expand3x3": (64, 55, 55),
        "fire9/concat": (512, 13, 13),
        "conv10": (1000, 15, 15),
    },
    "vgg16": {"conv1_2": (64, 224, 224), "pool3": (256, 28, 28), "conv5_3": (512, 14, 14), "fc6": (4096,)},
    "resnet50": {
        "conv1": (64, 112, 112),
        "res2a": (256, 56, 56),
        "res3a_branch2b": (128, 28, 28),
        "res5c": (2048, 7, 7),
    },
}
"""From the papers' tables."""


def _prototxt(name: str) -> Path:
    return ROOT / "models" / name / "deploy.prototxt"


def _model(name: str) -> ModelFile:
    return read_model_file(ROOT / "models" / name / "model.yaml")


@pytest.mark.parametrize("name", NUMBERS)
def test_the_prototxt_has_as_many_parameters_as_the_published_network(name: str) -> None:
    shapes = parameter_shapes(_prototxt(name))
    assert sum(math.prod(shape) for _, several in shapes.values() for shape in several) == NUMBERS[name]


def test_the_prototxt_of_resnet50_has_as_many_parameters_as_the_published_network() -> None:
    shapes = parameter_shapes(_prototxt("resnet50"))
    learned = [shape for kind, several in shapes.values() if kind != "BatchNorm" for shape in several]
    assert sum(map(math.prod, learned)) == RESNET50 + 64
    assert {f"bn{name[3:]}" for name in shapes if name.startswith("res")} <= set(shapes)
    assert {f"scale{name[3:]}" for name in shapes if name.startswith("res")} <= set(shapes)


@pytest.mark.parametrize("name", CLASSES)
def test_blobs_have_the_published_names_and_shapes(name: str) -> None:
    shapes = {blob: tuple(shape) for blob, shape in blob_shapes(_prototxt(name)).items()}
    assert {blob: shapes[blob] for blob in SHAPES[name]} == SHAPES[name]
    assert shapes[CLASSES[name]][0] == shapes["prob"][0] == 1000


def test_squeezenet_is_the_reference_network_under_its_later_names(shared: Path) -> None:
    ours = read_prototxt(_prototxt("squeezenet")).layers[1:]  # without its Input layer
    theirs = read_prototxt(shared / "reference" / "squeezenet" / "deploy.prototxt").layers
    later_names: dict[str, str] = {"data": "data"}
    for own, reference in zip(ours, theirs, strict=True):
        later_names.update(zip(reference.top, own.top, strict=True))
        assert own.type == reference.type
        assert [later_names[bottom] for bottom in reference.bottom] == list(own.bottom)
        for message in ("convolution_param", "pooling_param"):
            assert _plain(getattr(own, message)) == _plain(getattr(reference, message)), own.name


def _plain(message: Any) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields() if not field.name.endswith("filler")}


@pytest.mark.parametrize("name", CLASSES)
def test_the_model_yaml_says_where_everything_is(name: str) -> None:
    model = _model(name)
    assert model.label_layers == (CLASSES[name], "prob")
    assert len(read_labels(model.path(str(model.labels)))) == 1000
    files = {item.file or item.url.rpartition("/")[2] for item in model.fetch if not item.unpack}
    needed = {model.weights, model.input.mean} if isinstance(model.input.mean, str) else {model.weights}
    assert needed == files
    assert model.input.channels == "BGR"


def test_the_addresses_and_hashes_are_the_published_ones() -> None:
    yos, googlenet = _model("caffenet-yos"), _model("bvlc-googlenet")
    assert [item.url.removeprefix("http://c.yosinski.com/") for item in yos.fetch] == [
        "caffenet-yos-weights",
        "ilsvrc_2012_mean.npy",
        "caffenet-yos_regularized_opt.tar.gz",
        "caffenet-yos_max_im.tar.gz",
        "caffenet-yos_max_deconv.tar.gz",
    ]
    assert yos.unit_images.shared == {"pool1": "conv1", "pool2": "conv2", "pool5": "conv5"}
    assert googlenet.fetch[0].url == "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
    assert googlenet.fetch[0].sha1 == "405fc5acd08a3bb12de8ee5e23a96bec22f08204"


@pytest.mark.parametrize("name", ["bvlc-googlenet", "squeezenet", "resnet50"])
def test_the_model_opens_once_its_weights_are_there(name: str, tmp_path: Path) -> None:
    """With random ones in their place."""
    write_random_weights(_prototxt(name), tmp_path / "net.caffemodel")
    mean = [104, 117, 123]
    with load_network(name, device="cpu", weights=tmp_path / "net.caffemodel", mean=mean) as network:
        assert len(network.labels) == 1000
        frame = np.random.RandomState(0).randint(0, 256, (256, 300, 3)).astype(np.uint8)
        probabilities = network.forward(network.preprocess(frame), ["prob"])["prob"].flatten()
        assert float(probabilities.sum()) == pytest.approx(1, abs=1e-4)
        assert torch.isfinite(probabilities).all()


def test_a_model_without_its_weights_says_how_to_get_them(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in ("deploy.prototxt", "model.yaml"):
        (folder / file).write_text((ROOT / "models" / "squeezenet" / file).read_text())
    with pytest.raises(ToolboxError, match="--fetch squeezenet"):
        load_network(folder, trust=True)
