"""What if: questions asked of an edited pass, and what edits and perturbations change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepvis_toolbox.measure.layer_maps import Maps, channels_first
from deepvis_toolbox.measure.measurement import Answer, Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.who_fires import ActiveUnits, flat_maps, strongest_first
from deepvis_toolbox.words.edit import Edit

if TYPE_CHECKING:
    import torch

    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True)
class Edited(Measurement[Answer]):
    """What would the answer be if these units were changed? Nothing below the lowest edit is computed again."""

    edits: tuple[Edit, ...]
    asked: Measurement[Any]
    compares: ClassVar[bool] = True

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the edited layers, of a pass that is kept."""
        return _kept(self.edits)

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the pass as it is, and the edited one."""
        return (passes, self.needs(passes.network)), *self.asked.plan(passes.edited(self.edits))

    def take(self, passes: Pass) -> Answer:
        """Answer with what is asked, of the edited pass."""
        edited = passes.edited(self.edits)
        edited.run_forward(self.asked.needs(passes.network), record_all=False)
        answer: Answer = self.asked.take(edited)
        return answer


@dataclass(frozen=True)
class AsItIs(Measurement[Answer]):
    """What is the answer for the picture as it came, whatever is edited or perturbed around this question?"""

    asked: Measurement[Any]
    compares: ClassVar[bool] = True

    def needs(self, network: Network) -> Needs:
        """Return what is needed for what is asked."""
        return self.asked.needs(network)

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the pass over the picture as it came."""
        return self.asked.plan(passes.unperturbed)

    def take(self, passes: Pass) -> Answer:
        """Answer with what is asked, of the pass over the picture as it came."""
        answer: Answer = self.asked.take(passes.unperturbed)
        return answer


@dataclass(frozen=True)
class _ChangeOfLayer(Measurement[Answer]):
    """What the edits and the picture's perturbation change in a layer: the values as they are now minus those of the
    picture as it came."""

    layer: str
    edits: tuple[Edit, ...] = ()
    compares: ClassVar[bool] = True

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer and the edited ones, of a pass that is kept."""
        return Needs(frozenset({self.layer})) | _kept(self.edits)

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the passes before and after."""
        return _before_and_after(passes, self.edits, (self.layer,))

    def _change(self, passes: Pass) -> torch.Tensor:
        return _after(passes, self.edits).activations(self.layer) - passes.unperturbed.activations(self.layer)


@dataclass(frozen=True)
class ChangedMaps(_ChangeOfLayer[Maps]):
    """How much does every unit of a layer change, everywhere, by the edits and the picture's perturbation?"""

    def take(self, passes: Pass) -> Maps:
        """Answer with the differences."""
        layer = passes.network.layers[self.layer]
        maps = channels_first(layer, passes.on_cpu(self._change(passes)))
        return Maps(maps, "" if maps.any() else f"nothing changes in {self.layer}")


@dataclass(frozen=True)
class MostChanged(_ChangeOfLayer[ActiveUnits]):
    """Which units of a layer change most by the edits and the picture's perturbation? By the largest change of each,
    up or down, over its places; equal ones in their order."""

    def take(self, passes: Pass) -> ActiveUnits:
        """Answer with the order, and the sizes of the changes."""
        values = flat_maps(passes, self._change(passes), self.layer).abs().amax(1).cpu().numpy()
        order = strongest_first(values)
        return ActiveUnits(tuple(order.tolist()), values[order])


@dataclass(frozen=True, eq=False)
class LayerChanges:
    """How far each layer's values are from what they were."""

    relative: Mapping[str, float]
    """{layer: the change's Euclidean norm over that of the values as they were}; 0 where nothing changed."""


@dataclass(frozen=True)
class ChangedLayers(Measurement[LayerChanges]):
    """How much does each layer change by the edits and the picture's perturbation?"""

    layers: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    compares: ClassVar[bool] = True
    may_lag: ClassVar[bool] = True

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return all the layers, of a pass that is kept."""
        return Needs(frozenset(self.layers)) | _kept(self.edits)

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the passes before and after."""
        return _before_and_after(passes, self.edits, self.layers)

    def take(self, passes: Pass) -> LayerChanges:
        """Answer with each layer's relative change."""
        before, after = passes.unperturbed, _after(passes, self.edits)
        for each in (before, after):
            each.run_forward(Needs(frozenset(self.layers)), record_all=False)
        return LayerChanges({name: _relative(before, after, name) for name in self.layers})


def _kept(edits: tuple[Edit, ...]) -> Needs:
    return Needs(frozenset(edit.layer for edit in edits), is_recorded=bool(edits))


def _after(passes: Pass, edits: tuple[Edit, ...]) -> Pass:
    return passes.edited(edits) if edits else passes


def _before_and_after(passes: Pass, edits: tuple[Edit, ...], layers: Iterable[str]) -> Iterable[tuple[Pass, Needs]]:
    read = Needs(frozenset(layers))
    return (passes.unperturbed, read), (passes, _kept(edits)), (_after(passes, edits), read)


def _relative(before: Pass, after: Pass, layer: str) -> float:
    old, new = before.activations(layer), after.activations(layer)
    if new is old:
        return 0.0
    size, change = float(old.norm()), float((new - old).norm())
    return change / size if size else float(np.sign(change))
