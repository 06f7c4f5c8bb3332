"""The graph in the making: layers of any name, and of the same name a thousand times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from tests.caffe.graphs import build_graph
from tests.caffe.small_networks import layer

HEAD = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'


@pytest.mark.parametrize("name", ["class", "None", "graph", "code", "meta", "forward", "shape_env", "_code", "1.x", ""])
def test_a_layer_may_be_called(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(HEAD + layer(name, "Pooling", "data", "out", pooling_param="kernel_size: 8 pool: AVE"))
    graph = build_graph(path)
    (values,) = graph(torch.ones(1, 3, 8, 8))
    assert torch.equal(values, torch.ones(1, 3, 1, 1))
    assert [node.meta["layer"] for node in graph.graph.nodes if "layer" in node.meta] == ["data", "out"]


def test_modules_of_one_name_get_names_of_their_own_each_found_at_once() -> None:
    looked_up: list[str] = []

    class Counting(nn.Module):
        def __getattr__(self, name: str) -> Any:  # what `hasattr` asks for all that is not plainly there
            looked_up.append(name)
            return super().__getattr__(name)

    writer = GraphWriter()
    writer.root = Counting()
    data = writer.input("data")
    names = [writer.module(name, nn.Identity(), data).target for name in ["conv_3", *["conv"] * 300]]
    assert len(set(names)) == 301
    assert names[:4] == ["conv_3", "conv", "conv_2", "conv_4"]
    assert len(looked_up) < 4 * 300
