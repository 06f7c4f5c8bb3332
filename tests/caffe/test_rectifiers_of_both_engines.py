"""Both engines hold backward modes' rules for the same layers. Caffe 1.0 lacks some of them, so plans are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepvis_toolbox.caffe.process_definition import Definition, caffe_definition
from deepvis_toolbox.caffe.process_passes import CaffeLayer, Passes
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.network.layer_nodes import classify
from tests.caffe.graphs import build_graph
from tests.caffe.random_weights import write_random_weights
from tests.caffe.small_networks import every_rectifier


@pytest.fixture
def prototxt(tmp_path: Path) -> Path:
    path = tmp_path / "deploy.prototxt"
    path.write_text(every_rectifier())
    return path


@pytest.fixture
def definition(prototxt: Path) -> Definition:
    return caffe_definition(read_prototxt(prototxt), (3, 20, 18), ())


def test_real_caffe_has_the_rectifiers_that_torch_has(prototxt: Path, definition: Definition) -> None:
    weights = prototxt.with_suffix(".caffemodel")
    write_random_weights(prototxt, weights)
    graph = build_graph(prototxt, weights)
    classify(graph)
    in_torch = {str(node.target) for node in graph.graph.nodes if node.meta.get("operation") and _rectifies(node)}
    assert definition.rectifiers == in_torch == {"swish1", "clip2", "clip3", "swish4", "leaky5"}


def _rectifies(node) -> bool:
    return bool(node.meta["operation"].rectifier)


def test_passes_start_below_them_in_place_or_not(definition: Definition) -> None:
    below = definition.below
    assert (below["swish1"], below["clip2"]) == ("conv1", "conv2")
    assert {"conv3", "conv4", "conv5", "conv7"} <= set(below)
    assert "clip6" not in below


@pytest.mark.parametrize("mode", ["deconv", "guided"])
def test_their_backward_pass_is_the_rule_s_and_no_other_s(definition: Definition, mode) -> None:
    kinds = ["Convolution", "Swish", "Convolution", "Clip", "Convolution", "Clip", "Convolution", "ELU"]
    names = ["conv1", "swish1", "conv2", "clip2", "conv6", "clip6", "conv7", "elu7"]
    layers = [
        CaffeLayer(name, kind, (number,), (number + 1,))
        for number, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    steps, reached = Passes(layers, (), definition.rectifiers).backward(8, {0}, mode)
    assert reached == {0}
    assert [step for step in steps if step[0] != "clear_diffs"] == [
        ("set_diff", 8), ("backward", 7, 4), ("rectify_diff", 4, 3, mode == "guided"), ("backward", 2, 2),
        ("rectify_diff", 2, 1, mode == "guided"), ("backward", 0, 0),
    ]  # fmt: skip
