"""What the network computes of one image: each thing once, whoever asks, and no more than is asked."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.needs import GradientNeed, Needs
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.network.window_attention import WindowAttention
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.comparison import Reference
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Frame, RGBImage
from deepvis_toolbox.words.unit import Unit

MatchedUnits = Callable[[str], NDArray[np.int32] | None]

_EDITED_KEPT = 4


class Pass:
    """One image and all that has been computed of it so far. Measurements read it; not for two threads at once."""

    def __init__(
        self,
        network: Network,
        image: RGBImage,
        values: torch.Tensor,
        base: Pass | None = None,
        edits: tuple[Edit, ...] = (),
        came: Pass | None = None,
        references: Callable[[Reference], Pass] | None = None,
        matched: MatchedUnits | None = None,
        bands: Frame | None = None,
    ) -> None:
        """Take `image`: the picture as the network sees it, RGB uint8 H×W×3; `values`: the same as network input,
        float32 (1, C, H, W); `base`: the pass without the edits, where there is one; `came`: that of the picture before
        its perturbation; `references`: gives what it may be compared with; `matched`: says which units stand for
        those of the pass that is compared with this one; `bands`: what `values` were made of, H×W×bands, where that is
        more than the picture."""
        self.network, self.image, self.values = network, image, values
        self.bands = bands
        self._edits, self._came, self._references, self._matched = edits, came, references, matched
        self._weak_base = weakref.ref(base) if base else None
        """The base keeps the edited pass; the other way round too, both would outlive the frame, recordings and all."""
        self._edited: dict[tuple[Edit, ...], Pass] = {}
        self._activations: dict[str, torch.Tensor] = {}
        self._recording: Recording | None = None
        self._recorded: frozenset[str] | None = frozenset()
        """The layers that the recording reaches; None: all."""
        self._gradients: dict[GradientNeed, torch.Tensor] = {}

    @property
    def fitted(self) -> Frame:
        """What the network was given, H×W×bands of its input's size."""
        return self.image if self.bands is None else self.bands

    # -- planned beforehand, by the session ----------------------------------------------------------------------------

    def run_forward(self, needs: Needs, record_all: bool) -> None:
        """Compute the activations that are needed, where they are not there yet.

        A pass is recorded where gradients are needed, or, with `record_all`, where more questions about this image are
        expected: then as far as the network goes, and no further pass will be needed.
        """
        wanted = _in_order(needs.layers | {need.origin.layer for need in needs.gradients})
        keeps = bool(needs.gradients) or needs.is_recorded or self._base is not None
        if not keeps and self._has(wanted):
            return
        if keeps or record_all:
            self._activations = self._recorded_as_far_as(None if record_all else wanted).activations(wanted)
        else:
            self._activations = self.network.forward(self.values, wanted, *self._own_edits)

    def run_backward(self, needs: Needs) -> None:
        """Compute the gradients that are needed and not there yet, one backward pass a unit and mode; forget others."""
        self._gradients = {need: self._gradients[need] for need in needs.gradients if need in self._gradients}
        missing: dict[tuple[Unit, BackwardMode], list[str]] = defaultdict(list)
        for need in sorted(needs.gradients - self._gradients.keys(), key=str):
            missing[need.origin, need.mode].append(need.at)
        for (origin, mode), at in missing.items():
            arrived = self.gradients(origin.layer, self._own_activation(origin), mode, at)
            self._gradients |= {GradientNeed(origin, mode, name): arrived[name] for name in at}

    # -- read by measurements ------------------------------------------------------------------------------------------

    @property
    def unperturbed(self) -> Pass:
        """The pass over the picture as it came, without perturbation and edits; often this one."""
        return self._came or (self._base.unperturbed if self._base else self)

    def activations(self, layer: str) -> torch.Tensor:
        """Return a layer's activations, (1, …), not to be written to."""
        if layer not in self._activations:
            self._activations |= self._recorded_as_far_as([layer]).activations([layer])
        return self._activations[layer]

    def gradients(
        self,
        origin: str,
        diff: torch.Tensor,
        mode: BackwardMode,
        at: Sequence[str],
        *,
        behind_rectifiers: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Return what arrives at the layers `at`, float32 (1, …), from a `diff` shaped as the origin's activations.

        `behind_rectifiers`: what arrives at their activations themselves.
        """
        recording = self._recorded_as_far_as([origin])
        return recording.backward(origin, diff, mode, at, behind_rectifiers=behind_rectifiers)

    def below_rectifier(self, layer: str) -> torch.Tensor:
        """Return a layer's values below its rectifier, (1, …), its activations where it has none; not to be written
        to."""
        return self._recorded_as_far_as([layer]).below_rectifier(layer)

    def attention(self, layer: str) -> torch.Tensor:
        """Return which tokens attend to which in a layer, float32 (1, heads, T, T'); `ToolboxError` where it is not
        known."""
        return self._recorded_as_far_as([layer]).attention(layer)

    def attention_in_windows(self, layer: str) -> WindowAttention:
        """Return which places attend to which inside of windows, of a layer that attends in such; `ToolboxError` where
        it is not known."""
        return self._recorded_as_far_as([layer]).attention_in_windows(layer)

    def edited(self, edits: Sequence[Edit]) -> Pass:
        """Return the pass over the same image with some layers' values changed, computed once however often it is
        asked for. `ToolboxError` for an edit that does not fit, and where the engine has none."""
        key = tuple(edits)
        found = self._edited.pop(key, None) or self._new_edited(key)
        while len(self._edited) >= _EDITED_KEPT:  # of a still picture there may come ever more
            self._edited.pop(next(iter(self._edited)))
        self._edited[key] = found
        return found

    @property
    def has_references(self) -> bool:
        """Whether it may be compared with others; those themselves are not, and keep no more than is asked of them."""
        return self._references is not None

    def reference(self, reference: Reference) -> Pass:
        """Return the pass over the pinned picture, or of the other network; `ToolboxError` where there is none."""
        if self._references is None:
            raise ToolboxError("what others are compared with is not compared itself")
        return self._references(reference)

    def matched_units(self, layer: str) -> NDArray[np.int32] | None:
        """Return which unit of this pass stands for each one of a pass that is compared with it, int32 (units,); None:
        that of the same number. `ToolboxError` where that is not known, or not yet."""
        return self._matched(layer) if self._matched else None

    def unit_gradient(self, need: GradientNeed) -> torch.Tensor:
        """Return what a backward pass from a unit with its own activation map brings to a layer, (1, …)."""
        if need not in self._gradients:
            diff = self._own_activation(need.origin)
            self._gradients[need] = self.gradients(need.origin.layer, diff, need.mode, [need.at])[need.at]
        return self._gradients[need]

    def largest(self, unit: Unit) -> float:
        """Return the activation of the unit that is farthest from zero, anywhere."""
        values = self.activations(unit.layer)
        layer = self.network.layers[unit.layer]
        own = values[..., unit.channel] if layer.is_tokens else values[:, unit.channel]
        return float(own.flatten()[own.abs().flatten().argmax()])

    @staticmethod
    def on_cpu(values: torch.Tensor) -> NDArray[np.float32]:
        """Return the image's own values of (1, …), float32 (…); contiguous, never written to again."""
        return values[0].detach().to("cpu", torch.float32).contiguous().numpy()

    def _own_activation(self, unit: Unit) -> torch.Tensor:
        """Return the live diff: the unit's own activation map, zero elsewhere."""
        layers = self.network.layers
        layer = layers[layers.canonical(unit.layer)]
        if not 0 <= unit.channel < layer.channels:
            raise ToolboxError(f'layer "{layer.name}" has units 0 to {layer.channels - 1}, not {unit.channel}')
        activation = self.activations(unit.layer)
        diff = torch.zeros_like(activation)
        channel = (..., unit.channel) if layer.is_tokens else (slice(None), unit.channel)
        diff[channel] = activation[channel]
        return diff

    def _new_edited(self, edits: tuple[Edit, ...]) -> Pass:
        return Pass(self.network, self.image, self.values, self, edits, references=self._references, bands=self.bands)

    @property
    def _own_edits(self) -> tuple[tuple[Edit, ...], ...]:
        return (self._edits,) if self._edits else ()

    @property
    def _base(self) -> Pass | None:
        """The pass without the edits; None where this one has none."""
        base = self._weak_base() if self._weak_base else None
        if base is None and self._weak_base:
            raise RuntimeError("an edited pass is used no longer than the pass that it was made of")
        return base

    def _has(self, layers: Collection[str]) -> bool:
        return all(name in self._activations for name in layers)

    def _recorded_as_far_as(self, layers: Sequence[str] | None) -> Recording:
        """Return the recording, made anew where it does not reach the layers (None: all of them)."""
        covered = self._recorded is None or (layers is not None and self._recorded.issuperset(layers))
        if self._recording is None or not covered:
            wanted = None if layers is None else _in_order({*layers, *(self._recorded or ())})
            self._recording = self._record(wanted)
            self._recorded = None if wanted is None else frozenset(wanted)
        return self._recording

    def _record(self, wanted: Sequence[str] | None) -> Recording:
        if self._base is None:
            return self.network.record(self.values, wanted, *self._own_edits)
        return self._base._recorded_as_far_as([edit.layer for edit in self._edits]).edited(self._edits, wanted)


def _in_order(layers: Collection[str]) -> list[str]:
    """Return the same list for the same layers, so that the network's programs for them are found again."""
    return sorted(layers)
