"""Real Caffe with one network in it: its process, started again where it has died, and what it holds at the moment."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.caffe.process import CaffeProcess, Installation, Step
from deepvis_toolbox.caffe.process_definition import caffe_definition
from deepvis_toolbox.caffe.process_passes import CaffeLayer, Passes
from deepvis_toolbox.caffe.prototxt import Prototxt
from deepvis_toolbox.words.images import Floats


class LoadedCaffe:
    """Caffe has room for one forward pass: its `holder`'s, as far as it is `computed` (Caffe's layers, by number).

    `gpu`: its number, None for the CPU. `passes_lrn`: a deconv signal passes LRN layers unchanged. Raises
    `ToolboxError` where Caffe has no GPU or refuses the files, with what it printed.
    """

    def __init__(
        self,
        installation: Installation,
        gpu: int | None,
        prototxt: Prototxt,
        weights: Path,
        input_shape: tuple[int, int, int],
        passes_lrn: bool,
    ) -> None:
        self._installation, self._gpu = installation, gpu
        self._weights, self._passes_lrn = weights, passes_lrn
        self._process = CaffeProcess(installation, gpu)
        try:
            self._definition = caffe_definition(prototxt, input_shape, self._process.pooling_fields)
            self._load()
        except BaseException:
            self._process.close()
            raise

    def _load(self) -> None:
        """Build the network in the process, which then holds no images."""
        self.holder: object | None = None
        self.computed: set[int] = set()
        with tempfile.TemporaryDirectory(prefix="deepvis-caffe-") as folder:
            path = Path(folder) / "network.prototxt"
            path.write_text(self._definition.text, "utf-8")
            answer, _ = self._process.call("load", prototxt=str(path), weights=str(self._weights.resolve()))
        layers = [CaffeLayer(name, kind, tuple(read), tuple(written)) for name, kind, read, written in answer["layers"]]
        passed = {layer.name for layer in layers if self._passes_lrn and layer.type == "LRN"}
        self.passes = Passes(layers, passed | self._definition.passed, self._definition.rectifiers)
        self._blobs = {name: index for index, (name, _) in enumerate(answer["blobs"])}
        self.blob_shapes = {name: tuple(shape) for name, shape in answer["blobs"]}
        """What Caffe says of its blobs, batch first."""

    def run(self, steps: Sequence[Step], arrays: Sequence[Floats] = ()) -> list[Floats]:
        """Carry out steps in the process, for the recording that holds it; arrays are float32, shaped as blobs."""
        try:
            return self._process.run(steps, arrays)
        except BaseException:  # how far it came is not known
            self.holder = None
            raise

    def hold(self, recording: object) -> list[Step]:
        """Return steps that put a recording's images into the network, where it does not hold them already.

        `run` must follow, with the images as its first array.
        """
        self._alive()
        if self.holder is recording:
            return []
        self.holder, self.computed = recording, set()
        return [("set_input", self._blobs[self._definition.input_blob])]

    def value_blob(self, layer: str) -> int:
        """Return the blob (index) that holds a layer's activations."""
        return self._blobs[layer]

    def below_blob(self, layer: str) -> int:
        """Return the blob (index) where a backward pass starts and arrives."""
        return self._blobs[self._definition.below.get(layer, layer)]

    def has_rectifier(self, layer: str) -> bool:
        """Return whether the layer has a value below its rectifier."""
        return layer in self._definition.below

    def weights_hash(self) -> str:
        """Return SHA-256 of the parameters that Caffe holds, in hexadecimal."""
        return str(self._alive().call("hash")[0]["hash"])

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _alive(self) -> CaffeProcess:
        if not self._process.is_alive:
            self._process.close()
            self._process = CaffeProcess(self._installation, self._gpu)
            self._load()
        return self._process
