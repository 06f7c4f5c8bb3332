"""A user's own Caffe files: grey, non-square, two-class, without a softmax; what is said of them, and saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from deepvis_toolbox import Network, ToolboxError, load_network
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.opening.found_out import found_out, save_model
from deepvis_toolbox.unit_images import UnitImageStore
from tests.caffe.random_weights import write_random_weights
from tests.caffe.small_networks import convolution, layer, relu

FRAME = np.random.RandomState(0).randint(0, 256, (50, 70, 3)).astype(np.uint8)


def _head(channels: int, height: int, width: int) -> str:
    return f'input: "data" input_shape {{ dim: 1 dim: {channels} dim: {height} dim: {width} }}\n'


def _body(ending: str) -> str:
    pooled = layer("pool1", "Pooling", "conv1", pooling_param="pool: MAX kernel_size: 2 stride: 2")
    return convolution("conv1", "data", 6, 3) + relu("relu1", "conv1") + pooled + ending


def _classifier(classes: int) -> str:
    return layer("fc", "InnerProduct", "pool1", inner_product_param=f"num_output: {classes}")


SOFTMAX = layer("prob", "Softmax", "fc")
NETWORKS = {
    "grey": _head(1, 28, 28) + _body(_classifier(10) + SOFTMAX),
    "not-square": _head(3, 24, 40) + _body(_classifier(5) + SOFTMAX),
    "two-class": _head(3, 20, 20) + _body(_classifier(2) + SOFTMAX),
    "no-softmax": _head(3, 20, 20) + _body(_classifier(4)),
    "no-classes": _head(3, 20, 20) + _body(""),
    "largest-only": _head(3, 20, 20) + _body(_classifier(4) + layer("class", "ArgMax", "fc")),
}


@pytest.fixture(params=["torch", pytest.param("caffe", marks=pytest.mark.caffe)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Network]:
    """opened(name of NETWORKS, mean=…, labels=…): the network on one of the engines."""
    if request.param == "caffe":
        request.getfixturevalue("real_caffe")

    def open_network(name: str, **options: object) -> Network:
        files = tmp_path / "files"
        files.mkdir(exist_ok=True)
        (files / "net.prototxt").write_text(NETWORKS[name])
        write_random_weights(files / "net.prototxt", files / "net.caffemodel")
        network = load_network(
            None, request.param, "cpu", prototxt=files / "net.prototxt", weights=files / "net.caffemodel", **options
        )
        request.addfinalizer(network.close)
        return network

    return open_network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_network_computes_and_comes_back_from_its_model_yaml(
    opened: Callable, tmp_path: Path, name: str
) -> None:
    network = opened(name)
    x = network.preprocess(FRAME)
    last = list(network.layers)[-1]
    values = network.forward(x, [last])[last]
    assert x.shape == (1, *network.input_shape)
    assert network.deprocess(x).shape == (1, *network.input_shape[1:], 3)
    gradient = network.backward(x, "conv1", torch.ones((1, *network.layers["conv1"].shape)))["data"]
    assert gradient.abs().max() > 0
    saved = save_model(network, tmp_path / "saved")
    with load_network(saved, engine=network.engine, device="cpu") as again:
        assert again.name == "saved"
        assert again.label_layers == network.label_layers
        assert torch.equal(again.preprocess(FRAME), x)
        assert torch.equal(again.forward(x, [last])[last], values)


def test_what_is_found_out_is_said_in_a_line_each(opened: Callable) -> None:
    assert found_out(opened("grey")) == [
        "input: 28×28 pixels, 1 channel, grey (--channels changes the order)",
        "mean: none is subtracted; most networks want one: --mean 120, or a file",
        'classes: 10, in "prob" (the last softmax, made from "fc")',
        "labels: none; classes are shown by number: --labels FILE names them, one a line",
    ]
    for name in ("no-softmax", "largest-only"):
        assert 'classes: 4, in "fc" (the last layer; there is no softmax)' in found_out(opened(name))
    assert "classes: no layer gives any; the panes of layers and units work all the same" in found_out(
        opened("no-classes")
    )
    said = found_out(opened("not-square"))
    assert said[0].startswith("input: 24×40 pixels, 3 channels in the order BGR")
    assert said[1].endswith("--mean 104,117,123, or a file")


def test_labels_that_no_layer_takes_are_said_to_be_left_unused(opened: Callable, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    (line,) = [line for line in found_out(opened("no-classes", labels=labels)) if line.startswith("labels")]
    assert f"the 2 from {labels} are not used" in line


def test_each_saved_network_keeps_its_unit_images_to_itself(opened: Callable, tmp_path: Path) -> None:
    for place in ("here/net", "there/net"):
        with load_network(save_model(opened("grey"), tmp_path / place), device="cpu") as network:
            store = UnitImageStore.for_network(network.description)
            assert store.folder == tmp_path / place / "unit_images_made"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("squeezenet/deploy.prototxt", "squeezenet"),
        ("squeezenet/train_val.prototxt", "squeezenet"),
        ("alexnet/alexnet.prototxt", "alexnet"),
        ("nets/lenet.prototxt", "nets-lenet"),
        ("nets/vgg16.deploy.prototxt", "nets-vgg16.deploy"),
    ],
)
def test_a_network_is_named_by_its_folder_and_a_file_that_says_more(tmp_path: Path, place: str, name: str) -> None:
    prototxt = tmp_path / place
    prototxt.parent.mkdir()
    prototxt.write_text(NETWORKS["grey"])
    write_random_weights(prototxt, tmp_path / "net.caffemodel")
    with load_network(None, prototxt=prototxt, weights=tmp_path / "net.caffemodel", device="cpu") as network:
        assert network.name == name


@pytest.mark.parametrize("channels", [2, 4])
def test_a_network_of_other_than_grey_or_colour_images_is_refused_as_such(tmp_path: Path, channels: int) -> None:
    (tmp_path / "net.prototxt").write_text(_head(channels, 20, 20) + _body(""))
    write_random_weights(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    with pytest.raises(ToolboxError, match=rf"net\.prototxt: the network takes images of {channels} channels"):
        load_network(None, prototxt=tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")


def test_mean_and_labels_are_said_and_saved(opened: Callable, tmp_path: Path) -> None:
    mean, labels = tmp_path / "mean.npy", tmp_path / "labels.txt"
    np.save(mean, np.random.RandomState(1).uniform(90, 130, (3, 32, 32)).astype("f4"))
    labels.write_text("cat\ndog\n")
    network = opened("two-class", mean=mean, labels=labels)
    assert f"mean: an image, from {mean}" in found_out(network)
    assert f"labels: 2, from {labels}" in found_out(network)
    saved = save_model(network, tmp_path / "saved")
    assert "mean: ../mean.npy" in saved.read_text()
    with load_network(saved.parent, engine=network.engine, device="cpu") as again:
        assert again.labels == ("cat", "dog")
        assert torch.equal(again.preprocess(FRAME), network.preprocess(FRAME))
    assert "mean: 104, 117.5, 123, in the order of the channels" in found_out(
        opened("two-class", mean=[104, 117.5, 123])
    )


def test_wrong_labels_and_a_mean_that_does_not_fit_are_refused(opened: Callable, tmp_path: Path) -> None:
    labels, mean = tmp_path / "labels.txt", tmp_path / "mean.npy"
    labels.write_text("only one\n")
    with pytest.raises(ToolboxError, match="has 1 lines"):
        opened("two-class", labels=labels)
    np.save(mean, np.zeros((3, 8, 8), "f4"))
    with pytest.raises(ToolboxError, match="mean image is 3×8×8"):
        opened("two-class", mean=mean)


def test_a_model_yaml_that_is_there_is_not_overwritten(opened: Callable, tmp_path: Path) -> None:
    network = opened("grey")
    save_model(network, tmp_path / "saved")
    with pytest.raises(ToolboxError, match="is there already"):
        save_model(network, tmp_path / "saved")
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolboxError, match="cannot write"):
        save_model(network, tmp_path / "file" / "model")


def test_one_run_at_a_time_saves_a_model_yaml_and_the_other_is_told_who(opened: Callable, tmp_path: Path) -> None:
    network, folder = opened("grey"), tmp_path / "saved"
    with FolderLock(folder, "model.yaml"):
        with pytest.raises(
            ToolboxError, match=rf'another run is writing to ".*model.yaml" \(process {os.getpid()} on '
        ):
            save_model(network, folder)
        assert [path.name for path in folder.iterdir()] == [".model.yaml.in_use"]
    save_model(network, folder)
    assert [path.name for path in folder.iterdir()] == ["model.yaml"]


def test_what_training_prototxts_leave_out_is_said(tmp_path: Path) -> None:
    text = (
        'layer { name: "images" type: "Data" top: "data" top: "label" '
        "transform_param { crop_size: 20 force_color: true } }\n"
        + _body(_classifier(3))
        + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }\n'
    )
    (tmp_path / "net.prototxt").write_text(text)
    write_random_weights(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    with load_network(
        None, prototxt=tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel", device="cpu"
    ) as network:
        assert "left out, data and loss layers: images, loss" in found_out(network)


def test_a_network_is_saved_into_a_folder_whose_name_is_no_text(opened: Callable, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    with load_network(save_model(opened("grey"), folder / "net"), device="cpu") as network:
        assert network.name == "net"
    with load_network(save_model(opened("grey"), tmp_path / os.fsdecode(b"\xff")), device="cpu") as network:
        assert network.preprocess(FRAME).shape == (1, *network.input_shape)
