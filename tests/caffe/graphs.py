"""A Caffe network's graph, from the files as they lie on the disk."""

from __future__ import annotations

from pathlib import Path

from torch import fx

from deepvis_toolbox.caffe.graph import graph_of
from deepvis_toolbox.caffe.prototxt import read_prototxt


def build_graph(
    prototxt: Path, weights: Path | None = None, input_shape: tuple[int, int, int] | None = None
) -> fx.GraphModule:
    """The network of a prototxt with its trained weights, as `graph_of` makes it."""
    return graph_of(read_prototxt(Path(prototxt)), weights, input_shape)
