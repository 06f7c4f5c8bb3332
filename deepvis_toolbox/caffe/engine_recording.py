"""One recorded forward pass of real Caffe. Caffe has room for one; a recording that was put aside is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from deepvis_toolbox.caffe.process import Floats, Step
from deepvis_toolbox.caffe.process_passes import check_caffe_mode
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Recording
from deepvis_toolbox.words.backward import BackwardMode

if TYPE_CHECKING:
    from deepvis_toolbox.caffe.engine import CaffeNetwork


class CaffeRecording(Recording):
    """Keeps its images; what Caffe computed from them stays in Caffe until another recording takes its place.

    Then, and for layers that it was not recorded for, the forward pass runs again as far as needed.
    """

    def __init__(self, network: CaffeNetwork, images: Floats) -> None:
        self._network = network
        self._images = images
        self.input = torch.from_numpy(images)

    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        values = self._data([self._network.value_blob(name) for name in layers])
        return {name: self._shaped(name, value) for name, value in zip(layers, values, strict=True)}

    def below_rectifier(self, layer: str) -> torch.Tensor:
        return self._shaped(layer, self._data([self._network.below_blob(layer)])[0])

    def backward(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode = "grad", at: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        network = self._network
        check_caffe_mode(mode)
        names = [network.input_name] if at is None else list(at)
        reachable = network.reachable(origin, names)
        targets = {name: network.below_blob(name) for name in names if name in reachable}
        start = network.below_blob(origin)
        self._check_diff(origin, diff)
        steps, reached = network.passes.backward(start, targets.values(), mode)
        read: list[Step] = [("get_diff", blob) for blob in targets.values() if blob in reached]
        signal = diff.detach().to("cpu", torch.float32).numpy()
        arrived = iter(self._run([start], [*steps, *read], [signal]))
        return {
            name: self._shaped(name, next(arrived)) if targets.get(name) in reached else torch.zeros(self._shape(name))
            for name in dict.fromkeys(names)
        }

    def compute(self, layers: Sequence[str]) -> None:
        """Runs the forward pass as far as these layers need it."""
        self._run([self._network.value_blob(name) for name in layers], [], [])

    def _data(self, blobs: Sequence[int]) -> list[Floats]:
        return self._run(blobs, [("get_data", blob) for blob in blobs], [])

    def _run(self, blobs: Sequence[int], steps: Sequence[Step], arrays: Sequence[Floats]) -> list[Floats]:
        """Carries out steps once Caffe holds the values of these blobs for this recording's images."""
        network = self._network
        start = network.hold(self)
        images = [self._images] if start else []
        missing = network.passes.needed_for(blobs) - network.computed
        results = network.run([*start, *network.passes.forward(missing), *steps], [*images, *arrays])
        network.computed |= missing
        return results

    def _check_diff(self, origin: str, diff: torch.Tensor) -> None:
        shape = self._shape(origin)
        if tuple(diff.shape) != shape:
            raise ToolboxError(
                f'the diff at "{origin}" has shape {tuple(diff.shape)}; the layer has {shape} for these images'
            )

    def _shape(self, layer: str) -> tuple[int, ...]:
        return (len(self._images), *self._network.layers[layer].shape)

    def _shaped(self, layer: str, values: Floats) -> torch.Tensor:
        return torch.from_numpy(values.reshape(self._shape(layer)))
