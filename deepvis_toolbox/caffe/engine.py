"""Real Caffe as an engine: the interface of a network over stock pycaffe, which runs in a process of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import fx

from deepvis_toolbox.caffe.engine_recording import NO_EDITS, CaffeRecording
from deepvis_toolbox.caffe.graph import values_without_data
from deepvis_toolbox.caffe.loaded_caffe import LoadedCaffe
from deepvis_toolbox.caffe.process import find_caffe
from deepvis_toolbox.caffe.prototxt import Prototxt
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.graph_layers import GraphLayers
from deepvis_toolbox.network.interface import Network, Visitor
from deepvis_toolbox.network.layer_nodes import classify
from deepvis_toolbox.network.opened_rectifiers import OpenedRectifiers
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Rect, named_layers


class CaffeNetwork(Network):
    """A network that real Caffe computes. Tensors given and returned are on the CPU.

    `graph_module`: what `graph_of` made of the same files, hollow; it describes the layers, and making it has checked
    that every layer has its weights, which Caffe does not. It becomes this network's own. `device`: where Caffe
    computes, cpu, cuda or cuda:N. `where`: see `find_caffe`.
    Raises `ToolboxError` where there is no Caffe, no GPU in it, or where it refuses the files, with what it printed.
    A process that has died is started again by the next call.
    """

    engine = "caffe"
    no_edits = NO_EDITS

    def __init__(
        self,
        prototxt: Prototxt,
        weights: Path,
        graph_module: fx.GraphModule,
        description: ModelDescription,
        device: torch.device,
        where: str | None = None,
    ) -> None:
        installation, gpu = find_caffe(where), _gpu_number(device)
        self.name, self.labels, self.description = description.name, description.labels, description
        self.preprocessing = description.preprocessing
        self.input_shape = description.preprocessing.input_shape
        self.device = torch.device("cpu")
        self._describe(graph_module)
        self.caffe = LoadedCaffe(installation, gpu, prototxt, weights, self.input_shape, description.deconv_passes_lrn)
        try:
            self._check_shapes()
        except BaseException:
            self.caffe.close()
            raise

    def _describe(self, graph_module: fx.GraphModule) -> None:
        classify(graph_module)
        self._described = GraphLayers(graph_module, values_without_data(graph_module), self.description)
        self.layers, self.label_layers = self._described.layers, self._described.label_layers
        self.description = self._described.description

    def _check_shapes(self) -> None:
        """Caffe and the toolbox's own reader must agree on what the network is."""
        for layer in self.layers.values():
            shape = self.caffe.blob_shapes.get(layer.name)
            if shape is None or (shape[1:] or (1,)) != layer.shape:  # one number an image is one unit here
                raise ToolboxError(
                    f'Caffe gives the blob "{layer.name}" the shape {shape}; the toolbox read {(1, *layer.shape)} from '
                    "the prototxt, and one of them is wrong; please report it with the prototxt"
                )

    def forward(self, x: torch.Tensor, layers: Sequence[str], edits: Sequence[Edit] = ()) -> dict[str, torch.Tensor]:
        layers = named_layers(layers)
        return self.record(x, layers, edits).activations(layers)

    def visit(
        self,
        x: torch.Tensor,
        layers: Sequence[str],
        visitor: Visitor,
        below_only: Collection[str] = (),  # noqa: ARG002 - Caffe keeps both anyway
    ) -> None:
        recording = self.record(x, [])
        given = {self.layers.canonical(name): name for name in named_layers(layers)}
        for name in self.layers:
            if name in given:
                value = recording.activations([name])[name]
                below = recording.below_rectifier(name) if self.caffe.has_rectifier(name) else None
                visitor(given[name], value, below)

    def record(
        self, x: torch.Tensor, layers: Sequence[str] | None = None, edits: Sequence[Edit] = ()
    ) -> CaffeRecording:
        if edits:
            raise ToolboxError(NO_EDITS)
        names = list(self.layers) if layers is None else named_layers(layers)
        recording = CaffeRecording(self.caffe, self._described, self._checked(x))
        recording.compute(names)
        return recording

    def receptive_field(self, layer: str, place: tuple[int, int] | None = None) -> Rect:
        return self._described.receptive_field(layer, place)

    def layers_feeding(self, layer: str) -> tuple[str, ...]:
        return self._described.feeding(layer)

    def layers_below(self, layer: str) -> tuple[str, ...]:
        return self._described.below(layer)

    def opened_rectifiers(self, layer: str) -> OpenedRectifiers:
        return OpenedRectifiers(self, self._described, layer)

    @property
    def weights_hash(self) -> str:
        return self.caffe.weights_hash()

    def close(self) -> None:
        self._kept_recording = None
        self.caffe.close()

    def _checked(self, x: torch.Tensor) -> Floats:
        self._check_images(x)
        return np.array(x.detach().to("cpu", torch.float32).numpy(), order="C")


def _gpu_number(device: torch.device) -> int | None:
    if device.type not in ("cpu", "cuda"):
        raise ToolboxError(f'real Caffe computes on the devices cpu and cuda, not on "{device}"')
    return None if device.type == "cpu" else device.index or 0
