"""Caffe layers that pass nothing backwards, and those that only pass on: the same gradients as real Caffe's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepvis_toolbox import load_network
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.backward import BackwardMode
from tests.caffe.random_weights import write_random_weights
from tests.caffe.small_networks import convolution, layer

MODES: tuple[BackwardMode, ...] = ("grad", "deconv", "guided")
HEAD = 'name: "reached" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 8 }\n'
ARGMAX = (
    convolution("conv", "data", 4, 3)
    + layer("best", "ArgMax", "conv", argmax_param="axis: 1 out_max_val: true")
    + layer("twice", "Power", "best", power_param="scale: 2")
    + layer("relu", "ReLU", "twice")
    + layer("more", "Power", "relu", power_param="scale: 3 shift: 1")
)
PASSING = (
    convolution("conv", "data", 4, 3)
    + layer("relu", "ReLU", "conv")
    + 'layer { name: "split" type: "Split" bottom: "relu" top: "left" top: "right" }\n'
    + layer("drop", "Dropout", "left")
    + convolution("one", "drop", 3, 1)
    + convolution("other", "right", 3, 1)
    + layer("tanh", "TanH", "left")
    + layer("square", "Power", "tanh", power_param="power: 2")
    + convolution("third", "square", 3, 1)
    + layer("sum", "Eltwise", "one other third")
    + layer("flat", "Flatten", "sum")
    + layer("flatter", "Flatten", "flat")
    + layer("fc", "InnerProduct", "flat", inner_product_param="num_output: 5")
)


def opened(text: str, folder: Path, engine: str) -> Network:
    prototxt, weights = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(HEAD + text)
    write_random_weights(prototxt, weights)
    return load_network(None, engine=engine, device="cpu", prototxt=prototxt, weights=weights)


def noise(network: Network) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(0).normal(0, 1, (2, *network.input_shape)).astype("f4"))


@pytest.mark.parametrize("mode", MODES)
def test_argmax_passes_nothing_to_the_layers_below_and_leaves_those_above_alone(
    mode: BackwardMode, tmp_path: Path
) -> None:
    network = opened(ARGMAX, tmp_path, "torch")
    x = noise(network)
    for origin in ("best", "twice", "relu", "more"):
        diff = torch.ones(2, *network.layers[origin].shape)
        found = network.backward(x, origin, diff, mode, ["data", "conv", "best", origin])
        assert not found["data"].any()
        assert not found["conv"].any()
        assert torch.equal(found[origin], diff)
    below = network.forward(x, ["twice"])["twice"]
    rectified = torch.full_like(below, 3.0) if mode == "deconv" else 3.0 * (below > 0)
    assert torch.equal(found["best"], 2 * rectified)


def test_a_split_and_a_dropout_have_gradients_of_their_own(tmp_path: Path) -> None:
    network = opened(PASSING, tmp_path, "torch")
    x = noise(network)
    diff = torch.ones(2, *network.layers["one"].shape)
    found = network.backward(x, "one", diff, at=["drop", "left", "right", "tanh", "flatter"])
    assert found["drop"].any()
    assert torch.equal(found["drop"], found["left"])
    for beside in ("right", "tanh", "flatter"):
        assert not found[beside].any()


@pytest.mark.caffe
@pytest.mark.usefixtures("real_caffe")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", [ARGMAX, PASSING], ids=["argmax", "passing"])
def test_every_layer_is_reached_from_every_other_as_in_real_caffe(
    text: str, mode: BackwardMode, tmp_path: Path
) -> None:
    with opened(text, tmp_path, "torch") as by_torch, opened(text, tmp_path, "caffe") as by_caffe:
        x, names = noise(by_torch), list(by_torch.layers)
        assert list(by_caffe.layers) == names
        for origin in names:
            diff = torch.randn(2, *by_torch.layers[origin].shape, generator=torch.Generator().manual_seed(1))
            wanted, found = (network.backward(x, origin, diff, mode, names) for network in (by_caffe, by_torch))
            for name in names:
                torch.testing.assert_close(
                    found[name], wanted[name], rtol=1e-3, atol=1e-5, msg=f"from {origin} at {name}"
                )
