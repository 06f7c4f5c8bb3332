"""What every engine offers: the network and its verbs (describe, forward, backward), whoever computes them."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.identity import Answer
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.network.answer import answer_of
from deepvis_toolbox.network.ascent_pass import AscentPass
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.norm_statistics import NormStatistics
from deepvis_toolbox.network.opened_rectifiers import OpenedRectifiers
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.words.backward import BackwardMode, check_backward_mode
from deepvis_toolbox.words.class_names import ClassNames
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Layers, Rect

Visitor = Callable[[str, torch.Tensor, torch.Tensor | None], None]
"""Called as visitor(layer name, value (N, …), value below the layer's rectifier (N, …) or None)."""


class Network(ABC):
    """A trained convnet, described layer by layer, with a forward and a backward pass.

    Not for use by two threads at once. A context manager: leaving it releases what the engine holds.
    """

    name: str
    engine: str
    """`torch` or `caffe`."""
    layers: Layers
    input_shape: tuple[int, int, int]
    """(C, H, W)."""
    device: torch.device
    """Where tensors given to and returned by the verbs live."""
    labels: tuple[str, ...]
    """Class names in the order of the label layers' units; empty where unknown."""
    label_layers: tuple[str, ...]
    """Layers whose units are the classes; the last of them gives the probabilities shown."""
    preprocessing: Preprocessing
    description: ModelDescription
    """What it was opened by, as given: presets, unit images, the model's folder, its files, notes."""
    notes: tuple[str, ...] = ()
    """What trying it found out that a user should know, a sentence each: layers left out, say."""
    no_edits: str = ""
    """Why the engine computes no edited passes, as a sentence; empty where it does."""
    _kept_recording: Recording | None = None
    _last_recording: weakref.ref[Recording] | None = None
    """The last unedited one, as long as somebody holds it."""

    @abstractmethod
    def forward(self, x: torch.Tensor, layers: Sequence[str], edits: Sequence[Edit] = ()) -> dict[str, torch.Tensor]:
        """Return the activations of `layers` for images `x` (N, C, H, W): {name as given: (N, …)}.

        Runs no further than needed. `edits`: see `record`. Raises `ToolboxError` for an unknown layer or a wrong shape.
        """

    @abstractmethod
    def visit(self, x: torch.Tensor, layers: Sequence[str], visitor: Visitor, below_only: Collection[str] = ()) -> None:
        """Run a forward pass that hands each of `layers` to `visitor` as soon as it is computed, then lets it go.

        `x`: network values, float32 (N, C, H, W).
        Of the layers in `below_only` nothing but the value below the rectifier is wanted: an engine may hand that over
        as their value too, before the rectifier is computed. Tensors are overwritten after the visitor returns.
        """

    @abstractmethod
    def record(self, x: torch.Tensor, layers: Sequence[str] | None = None, edits: Sequence[Edit] = ()) -> Recording:
        """Return a forward pass that is kept, of float32 (N, C, H, W), as far as `layers` need (all, by default).

        `edits`: changes to layers' values (behind their rectifiers) for this pass alone. Where the last unedited
        recording of the same images still exists, nothing below the lowest edit is computed again. Raises
        `ToolboxError` where the engine has no edits.
        """

    @abstractmethod
    def receptive_field(self, layer: str, place: tuple[int, int] | None = None) -> Rect:
        """Return the input rectangle that can influence the layer's units at `place` (row, column), half open.

        It may leave the image. Layers without places (flat ones) see the whole image.
        """

    @abstractmethod
    def layers_feeding(self, layer: str) -> tuple[str, ...]:
        """Return the layers whose units a layer mixes: the nearest below, past rectifiers, norms, pooling, and
        convolutions of each channel by itself. Branches that meet are followed each. The input has none."""

    @abstractmethod
    def layers_below(self, layer: str) -> tuple[str, ...]:
        """Return all layers that a layer is computed from, in the network's order, itself left out."""

    def weights_of(self, layer: str, unit: int) -> tuple[str, torch.Tensor, bool]:  # noqa: ARG002
        """Return what a unit takes from the layer that feeds it, without any picture: that layer's name; weights,
        float32 (C, H, W) or (C,), for the unit in the middle of its map; and whether rectifiers lie between, which are
        taken as open. `ToolboxError` for the input, where what lies between is no product, and where the engine does
        not tell."""
        raise ToolboxError(f'the engine "{self.engine}" tells no weights; open the network with the engine "torch"')

    def add_layers(self, added: Sequence[AddedLayer]) -> None:  # noqa: ARG002
        """Put layers of a user's own on the network's, in this order; each is listed behind its host as `HOST/NAME`.

        Raises `ToolboxError` where one does not fit its host, or where the engine has no such layers.
        """
        raise ToolboxError(
            f'the engine "{self.engine}" takes no added layers; open the network with the engine "torch"'
        )

    @property
    def norm_statistics(self) -> Mapping[str, NormStatistics]:
        """What batch norms say of the pictures that the network was trained on: the statistics of each layer whose
        values below its rectifier come from one; empty where there is none, or the engine does not tell."""
        return {}

    @property
    @abstractmethod
    def weights_hash(self) -> str:
        """SHA-256 of the network's parameters and buffers, in hexadecimal: tells one set of weights from another."""

    @cached_property
    def answer(self) -> Answer:
        """What it makes of fixed images: tells networks of the same weights apart."""
        return answer_of(self)

    @abstractmethod
    def close(self) -> None:
        """Release processes and memory. The network cannot be used afterwards."""

    def backward(
        self,
        x: torch.Tensor,
        origin: str,
        diff: torch.Tensor,
        mode: BackwardMode = "grad",
        at: Sequence[str] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return what arrives at the layers `at` (by default the input) when `diff` starts at `origin`: {name: (N, …)}.

        `diff` has the shape of the origin's activations for `x`, (N, …), and enters below the origin's rectifier.
        Layers above the origin get zeros. Called again with the same images, it runs no forward pass again.
        """
        check_backward_mode(mode)
        return self._recording_of(x).backward(origin, diff, mode, at)

    def _recording_at_hand(self, x: torch.Tensor) -> Recording | None:
        """Return an unedited recording of the same images that still exists."""
        last = self._last_recording() if self._last_recording else None
        for recording in (self._kept_recording, last):
            if recording is not None and _are_of(recording, x):
                return recording
        return None

    def _recording_of(self, x: torch.Tensor) -> Recording:
        """Return the kept recording where the images are the same as in the last call, else a new one."""
        kept = self._kept_recording
        if kept is None or not _are_of(kept, x):
            kept = self._kept_recording = None  # its memory is free before the new one takes some
            kept = self._kept_recording = self.record(x)
        return kept

    def ascent_pass(self, layer: str, place: tuple[int, int] | None) -> AscentPass:
        """Return what computes value and gradient of the layer's units at a place, as often as gradient ascent needs
        them."""
        return AscentPass(self, layer, place)

    @abstractmethod
    def opened_rectifiers(self, layer: str) -> OpenedRectifiers:
        """Return what finds a way up for units of the layer whose gradient is exactly zero, below the rectifiers that
        are off."""

    def _check_images(self, x: torch.Tensor) -> None:
        """Raise `ToolboxError` where `x` is no batch of images of the network's size."""
        if x.ndim != 4 or tuple(x.shape[1:]) != self.input_shape:
            wanted = "×".join(map(str, self.input_shape))
            raise ToolboxError(f'network "{self.name}" takes images N×{wanted}, not {"×".join(map(str, x.shape))}')

    def preprocess(self, frame: RGBImage) -> torch.Tensor:
        """Return an RGB uint8 frame H×W×3 as the network's input: float32 (1, C, H, W) on the network's device."""
        return torch.from_numpy(self.preprocessing.to_input(frame))[None].to(self.device)

    def deprocess(self, x: torch.Tensor) -> RGBImage:
        """Turn network input (N, C, H, W) or (C, H, W) back to RGB uint8, N×H×W×3, values clipped to 0–255."""
        images = x if x.ndim == 4 else x[None]
        return self.preprocessing.to_rgb(images.detach().to("cpu", torch.float32).numpy())

    @property
    def input_name(self) -> str:
        """The name of the input layer."""
        return next(iter(self.layers))

    @property
    def class_names(self) -> ClassNames:
        """The classes' names, and those of added layers' units, for addresses such as `fc:ostrich`."""
        own = {layer.name: layer.unit_names for layer in self.layers.values() if layer.unit_names}
        return ClassNames(self.labels, self.label_layers, own)

    @property
    def probability_layer(self) -> str | None:
        """The layer whose values are shown as class probabilities; None where the network has no label layer."""
        return self.label_layers[-1] if self.label_layers else None

    def probabilities(self, values: torch.Tensor) -> torch.Tensor:
        """Return the probability layer's activations (N, …) as class probabilities, 0 to 1 (N, classes): themselves
        where they are some (of a softmax, or of a sigmoid that was named), exp of logarithms, the sigmoid of a lone
        one, else their softmax."""
        flat = values.flatten(1)
        kind = self.layers[self.probability_layer].kind if self.probability_layer else ""
        if kind == "log_softmax":
            return flat.exp()
        if kind in ("softmax", "sigmoid") or _are_shares(kind, flat):
            return flat
        return flat.softmax(1) if flat.shape[1] > 1 else flat.sigmoid()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _are_of(recording: Recording, x: torch.Tensor) -> bool:
    """Return whether a recording is of these images."""
    return recording.input.shape == x.shape and torch.equal(recording.input, x.to(recording.input))


def _are_shares(kind: str, values: torch.Tensor) -> bool:
    """Return whether the values (N, classes) of a layer that is no product with weights add up to 1: a softmax by
    hand."""
    if kind in ("linear", "conv"):
        return False
    return bool((values >= 0).all() and ((values.sum(1) - 1).abs() < _ROUNDING).all())


_ROUNDING = 1e-4
