"""Real Caffe as an engine: the interface of a network over stock pycaffe, which runs in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import fx

from deepvis_toolbox.caffe.engine_recording import CaffeRecording
from deepvis_toolbox.caffe.process import CaffeProcess, Floats, Step, find_caffe
from deepvis_toolbox.caffe.process_definition import Definition, caffe_definition
from deepvis_toolbox.caffe.process_passes import CaffeLayer, Passes
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.interface import Network, Visitor
from deepvis_toolbox.network.layer_nodes import reachable
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.words.layer import Rect


class CaffeNetwork(Network):
    """A network that real Caffe computes. Tensors given and returned are on the CPU.

    `graph_module`: what `build_graph` made of the same files; it describes the layers, and making it has checked that
    every layer has its weights, which Caffe does not. It becomes this network's own. `device`: where Caffe
    computes, cpu, cuda or cuda:N. `where`: see `find_caffe`.
    Raises `ToolboxError` where there is no Caffe, no GPU in it, or where it refuses the files, with what it printed.
    A process that has died is started again by the next call.
    """

    engine = "caffe"

    def __init__(
        self,
        prototxt: Path,
        weights: Path,
        graph_module: fx.GraphModule,
        description: ModelDescription,
        device: torch.device,
        where: str | None = None,
    ) -> None:
        self._installation = find_caffe(where)
        self._gpu = _gpu_number(device)
        self._process = CaffeProcess(self._installation, self._gpu)
        try:
            self._described = TorchNetwork(graph_module, description, torch.device("cpu"))
            self._take_description(description)
            fields = self._process.pooling_fields
            self._definition = caffe_definition(read_prototxt(prototxt), self.input_shape, fields)
            self._weights = weights
            self._load()
            self._check_shapes()
        except BaseException:
            self._process.close()
            raise

    def _take_description(self, description: ModelDescription) -> None:
        described = self._described
        described.graph_module.to("meta")  # its parameters are not needed any more: Caffe has them
        self.name, self.layers, self.label_layers = described.name, described.layers, described.label_layers
        self.labels, self.settings, self.preprocessing = described.labels, described.settings, described.preprocessing
        self.input_shape = described.input_shape
        self.device = torch.device("cpu")
        self._passes_lrn = description.deconv_passes_lrn

    def _load(self) -> None:
        """Builds the network in the process, which then holds no images."""
        self.holder: CaffeRecording | None = None
        self.computed: set[int] = set()
        with tempfile.TemporaryDirectory(prefix="deepvis-caffe-") as folder:
            path = Path(folder) / "network.prototxt"
            path.write_text(self._definition.text, "utf-8")
            answer, _ = self._process.call("load", prototxt=str(path), weights=str(self._weights.resolve()))
        layers = [CaffeLayer(name, kind, tuple(read), tuple(written)) for name, kind, read, written in answer["layers"]]
        passed = {layer.name for layer in layers if self._passes_lrn and layer.type == "LRN"}
        self.passes = Passes(layers, passed | self._definition.passed)
        self._blobs = {name: index for index, (name, _) in enumerate(answer["blobs"])}
        self._blob_shapes = {name: tuple(shape) for name, shape in answer["blobs"]}

    def _check_shapes(self) -> None:
        """Caffe and the toolbox's own reader must agree on what the network is."""
        for layer in self.layers.values():
            shape = self._blob_shapes.get(layer.name)
            if shape is None or (shape[1:] or (1,)) != layer.shape:  # one number an image is one unit here
                raise ToolboxError(
                    f'Caffe gives the blob "{layer.name}" the shape {shape}; the toolbox read {(1, *layer.shape)} from '
                    "the prototxt, and one of them is wrong; please report it with the prototxt"
                )

    @property
    def definition(self) -> Definition:
        """What Caffe was given."""
        return self._definition

    def forward(self, x: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        return self.record(x, layers).activations(layers)

    def visit(
        self,
        x: torch.Tensor,
        layers: Sequence[str],
        visitor: Visitor,
        below_only: Collection[str] = (),  # noqa: ARG002 - Caffe keeps both anyway
    ) -> None:
        recording = self.record(x, [])
        given = {self.layers.canonical(name): name for name in layers}
        for name in self.layers:
            if name in given:
                value = recording.activations([name])[name]
                below = recording.below_rectifier(name) if name in self._definition.below else None
                visitor(given[name], value, below)

    def record(self, x: torch.Tensor, layers: Sequence[str] | None = None) -> CaffeRecording:
        names = list(self.layers) if layers is None else [self.layers.canonical(name) for name in layers]
        recording = CaffeRecording(self, self._checked(x))
        recording.compute(names)
        return recording

    def receptive_field(self, layer: str, place: tuple[int, int] | None = None) -> Rect:
        return self._described.receptive_field(layer, place)

    @property
    def weights_hash(self) -> str:
        return str(self._alive().call("hash")[0]["hash"])

    def close(self) -> None:
        self._kept_recording = None
        self._process.close()

    def run(self, steps: Sequence[Step], arrays: Sequence[Floats] = ()) -> list[Floats]:
        """Carries out steps in the process, for the recording that holds it."""
        try:
            return self._process.run(steps, arrays)
        except BaseException:  # how far it came is not known
            self.holder = None
            raise

    def hold(self, recording: CaffeRecording) -> list[Step]:
        """Steps that put a recording's images into the network, where it does not hold them already.

        `run` must follow, with the images as its first array.
        """
        self._alive()
        if self.holder is recording:
            return []
        self.holder, self.computed = recording, set()
        return [("set_input", self._blobs[self._definition.input_blob])]

    def value_blob(self, layer: str) -> int:
        """The blob (index) that holds a layer's activations."""
        return self._blobs[self.layers.canonical(layer)]

    def below_blob(self, layer: str) -> int:
        """The blob (index) where a backward pass starts and arrives."""
        name = self.layers.canonical(layer)
        return self._blobs[self._definition.below.get(name, name)]

    def reachable(self, origin: str, layers: Sequence[str]) -> set[str]:
        """Those of the layers that a signal from the origin may reach."""
        nodes_of = self._described.nodes_of
        return reachable(nodes_of(origin), {name: nodes_of(name) for name in layers})

    def _alive(self) -> CaffeProcess:
        if not self._process.is_alive:
            self._process.close()
            self._process = CaffeProcess(self._installation, self._gpu)
            self._load()
        return self._process

    def _checked(self, x: torch.Tensor) -> Floats:
        if x.ndim != 4 or tuple(x.shape[1:]) != self.input_shape:
            wanted = "×".join(map(str, self.input_shape))
            raise ToolboxError(f'network "{self.name}" takes images N×{wanted}, not {"×".join(map(str, x.shape))}')
        return np.array(x.detach().to("cpu", torch.float32).numpy(), order="C")


def _gpu_number(device: torch.device) -> int | None:
    if device.type not in ("cpu", "cuda"):
        raise ToolboxError(f'real Caffe computes on the devices cpu and cuda, not on "{device}"')
    return None if device.type == "cpu" else device.index or 0
