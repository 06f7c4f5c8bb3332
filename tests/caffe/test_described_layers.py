"""The layers of a hollow graph: told without weights, as the graph with its weights tells them by computing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deepvis_toolbox import load_network, regular_file
from deepvis_toolbox.caffe.graph import graph_of, values_without_data
from deepvis_toolbox.caffe.layer_types import LAYER_TYPES
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.graph_layers import GraphLayers
from deepvis_toolbox.network.layer_nodes import classify, reachable
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.caffe.layer_cases import CASES, Case
from tests.caffe.one_layer import caffemodel_bytes, prototxt_text
from tests.caffe.random_weights import write_random_weights
from tests.caffe.small_networks import convolution, googlenet_like, resnet_like


def _description(shape: tuple[int, ...]) -> ModelDescription:
    return ModelDescription("net", Preprocessing((shape[1], shape[2]), "gray" if shape[0] == 1 else "RGB"))


def _hollow(folder: Path, weights: Path | None) -> GraphLayers:
    graph = graph_of(read_prototxt(folder / "net.prototxt"), weights, hollow=True)
    assert {tensor.device.type for tensor in (*graph.parameters(), *graph.buffers())} <= {"meta"}
    classify(graph)
    return GraphLayers(graph, values_without_data(graph), _description(graph.meta["input_shape"]))


@pytest.mark.parametrize("text", [googlenet_like, resnet_like], ids=["googlenet", "resnet"])
def test_a_network_without_its_weights_is_described_as_with_them(text: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(text())
    write_random_weights(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    found = _hollow(tmp_path, tmp_path / "net.caffemodel")
    graph = graph_of(read_prototxt(tmp_path / "net.prototxt"), tmp_path / "net.caffemodel")
    computed = TorchNetwork(graph, _description(graph.meta["input_shape"]), torch.device("cpu"))
    assert list(found.layers.values()) == list(computed.layers.values())
    assert found.label_layers == computed.label_layers
    for layer in computed.layers.values():
        places = [(0, 0), layer.centre] if layer.is_spatial else [None]
        for place in places:
            assert found.receptive_field(layer.name, place) == computed.receptive_field(layer.name, place)
    for origin in computed.layers:
        wanted = reachable(computed.nodes_of(origin), {name: computed.nodes_of(name) for name in computed.layers})
        assert found.reachable(origin, list(found.layers)) == wanted


class Computed(torch.fx.Interpreter):
    """Runs a graph, and keeps what each node gives."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        super().__init__(graph)
        self.values: dict[torch.fx.Node, torch.Tensor] = {}

    def run_node(self, node: torch.fx.Node) -> object:
        value = super().run_node(node)
        if node.op != "output":
            self.values[node] = value
        return value


@pytest.mark.parametrize(
    ("name", "make"),
    [pytest.param(name, make, id=f"{name}-{make.__name__}") for name in LAYER_TYPES for make in CASES.get(name, [])],
)
def test_every_layer_type_has_the_shapes_that_it_computes(name: str, make: Callable[..., Case], tmp_path: Path) -> None:
    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = make(data.draw)
        (tmp_path / "net.prototxt").write_text(prototxt_text(case.shape, case.layers))
        (tmp_path / "net.caffemodel").write_bytes(caffemodel_bytes(case.blobs, {"under_test": name}))
        weights = tmp_path / "net.caffemodel" if case.blobs else None
        graph = graph_of(read_prototxt(tmp_path / "net.prototxt"), weights)
        told, computed = values_without_data(graph), Computed(graph)
        computed.run(torch.ones(1, *graph.meta["input_shape"]))
        assert {node: (value.shape, value.dtype) for node, value in told.items()} == {
            node: (value.shape, value.dtype) for node, value in computed.values.items()
        }

    check()


def test_a_hollow_graph_refuses_broken_weights_and_notes_what_a_full_one_notes(tmp_path: Path) -> None:
    text = prototxt_text((1, 3, 8, 8), convolution("conv", "data", 4, 3))
    (tmp_path / "net.prototxt").write_text(text)
    weights, values = tmp_path / "net.caffemodel", np.zeros((4, 3, 3, 3), np.float32)
    definition = read_prototxt(tmp_path / "net.prototxt")
    weights.write_bytes(caffemodel_bytes({"conv": [values, np.ones(4, np.float32)]}, {}))
    notes = graph_of(definition, weights, hollow=True).meta["notes"]
    assert notes == graph_of(definition, weights).meta["notes"]
    assert "all zero" in notes[0]
    values[1, 2, 0, 0] = np.nan
    weights.write_bytes(caffemodel_bytes({"conv": [values, np.ones(4, np.float32)]}, {}))
    with pytest.raises(ToolboxError, match="not finite"):
        graph_of(definition, weights, hollow=True)


@pytest.mark.caffe
@pytest.mark.usefixtures("real_caffe")
def test_the_engine_caffe_reads_the_prototxt_once_and_makes_no_network_of_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prototxt, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(resnet_like())
    write_random_weights(prototxt, weights)
    open_regular, read = regular_file.open_regular, []

    def counted(path: Path) -> io.BufferedReader:
        read.append(Path(path))
        return open_regular(path)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a network of torch was made")

    monkeypatch.setattr(regular_file, "open_regular", counted)
    monkeypatch.setattr(TorchNetwork, "__init__", refused)
    with load_network(None, prototxt=prototxt, weights=weights, engine="caffe", device="cpu") as network:
        assert read.count(prototxt) == 1
        probabilities = network.forward(torch.zeros(1, *network.input_shape), ["prob"])["prob"]
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
