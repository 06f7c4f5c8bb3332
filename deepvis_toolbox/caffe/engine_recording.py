"""One recorded forward pass of real Caffe. Caffe has room for one; a recording that was put aside is computed again."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deepvis_toolbox.caffe.loaded_caffe import LoadedCaffe
from deepvis_toolbox.caffe.process import Step
from deepvis_toolbox.caffe.process_passes import check_caffe_mode
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.graph_layers import GraphLayers
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import named_layers

NO_EDITS = 'real Caffe computes no edited passes: its blobs may share memory; open the network with the engine "torch"'


class CaffeRecording(Recording):
    """Keeps its images; what Caffe computed from them stays in Caffe until another recording takes its place.

    Then, and for layers that it was not recorded for, the forward pass runs again as far as needed.
    """

    def __init__(self, caffe: LoadedCaffe, described: GraphLayers, images: Floats) -> None:
        self._caffe, self._described = caffe, described
        self._images = images
        self.input = torch.from_numpy(images)
        self.layers = described.layers

    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        layers = named_layers(layers)
        values = self._data([self._value_blob(name) for name in layers])
        return {name: self._shaped(name, value) for name, value in zip(layers, values, strict=True)}

    def edited(self, edits: Sequence[Edit], layers: Sequence[str] | None = None) -> CaffeRecording:  # noqa: ARG002
        raise ToolboxError(NO_EDITS)

    def below_rectifier(self, layer: str) -> torch.Tensor:
        return self._shaped(layer, self._data([self._below_blob(layer)])[0])

    def _shape_below(self, origin: str) -> tuple[int, ...]:
        return self._shape(origin)

    def _arrived(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode, at: Sequence[str], behind_rectifiers: bool
    ) -> dict[str, torch.Tensor]:
        check_caffe_mode(mode)
        reachable = self._described.reachable(origin, at)
        blob_of = self._value_blob if behind_rectifiers else self._below_blob
        targets = {name: blob_of(name) for name in at if name in reachable}
        start = self._below_blob(origin)
        steps, reached = self._caffe.passes.backward(start, targets.values(), mode)
        read: list[Step] = [("get_diff", blob) for blob in targets.values() if blob in reached]
        signal = diff.detach().to("cpu", torch.float32).numpy()
        arrived = iter(self._run([start], [*steps, *read], [signal]))
        return {
            name: self._shaped(name, next(arrived)) if targets.get(name) in reached else torch.zeros(self._shape(name))
            for name in dict.fromkeys(at)
        }

    def compute(self, layers: Sequence[str]) -> None:
        """Run the forward pass as far as these layers need it."""
        self._run([self._value_blob(name) for name in layers], [], [])

    def _data(self, blobs: Sequence[int]) -> list[Floats]:
        return self._run(blobs, [("get_data", blob) for blob in blobs], [])

    def _run(self, blobs: Sequence[int], steps: Sequence[Step], arrays: Sequence[Floats]) -> list[Floats]:
        """Carry out steps once Caffe holds the values of these blobs for this recording's images."""
        caffe = self._caffe
        start = caffe.hold(self)
        images = [self._images] if start else []
        missing = caffe.passes.needed_for(blobs) - caffe.computed
        results = caffe.run([*start, *caffe.passes.forward(missing), *steps], [*images, *arrays])
        caffe.computed |= missing
        return results

    def _value_blob(self, layer: str) -> int:
        return self._caffe.value_blob(self.layers.canonical(layer))

    def _below_blob(self, layer: str) -> int:
        return self._caffe.below_blob(self.layers.canonical(layer))

    def _shape(self, layer: str) -> tuple[int, ...]:
        return (len(self._images), *self.layers[self.layers.canonical(layer)].shape)

    def _shaped(self, layer: str, values: Floats) -> torch.Tensor:
        return torch.from_numpy(values.reshape(self._shape(layer)))
