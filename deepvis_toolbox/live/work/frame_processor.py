"""One frame and one request in, one snapshot out: the computation that the worker thread and headless runs share."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.words.layer import Layer

Floats = NDArray[np.float32]
Tensors = dict[str, torch.Tensor]


@dataclass
class _Seen:
    """A frame as the network saw it, with whatever has been computed for it so far."""

    frame: SourceFrame
    stretch: bool
    image: NDArray[np.uint8]
    values: torch.Tensor
    activations: Tensors
    recording: Recording | None = None
    recorded: frozenset[str] | None = frozenset()
    """The layers that the recording reaches; None: all."""


class FrameProcessor:
    """Runs the network for frames as requests ask, and keeps the last frame's recording.

    A frame given again (a still picture, a frozen camera) with another layer, unit or mode runs no forward pass again,
    but for the one that makes its recording. Not for use by two threads at once.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._seen: _Seen | None = None

    def process(self, frame: SourceFrame, request: Request) -> Snapshot:
        """The snapshot that answers `request` for `frame`. Raises what the network raises."""
        clock = _Clock()
        seen, again = self._see(frame, request)
        clock.lap("preprocess")
        activations = self._activations(seen, request, again)
        clock.lap("forward")
        gradients = self._gradients(seen, request, activations)
        clock.lap("backward")
        snapshot = self._snapshot(seen, request, activations, gradients)
        clock.lap("copy")
        snapshot.timings.update(clock.milliseconds)
        return snapshot

    def _see(self, frame: SourceFrame, request: Request) -> tuple[_Seen, bool]:
        """The frame as the network sees it, and whether it is the same as last time."""
        seen = self._seen
        if seen and seen.frame is frame and seen.stretch == request.stretch:
            return seen, True
        preprocessing = self.network.preprocessing
        image = preprocessing.fit(frame.image, request.stretch)
        values = torch.from_numpy(preprocessing.values_of(image))[None].to(self.network.device)
        self._seen = _Seen(frame, request.stretch, image, values, {})
        return self._seen, False

    def _activations(self, seen: _Seen, request: Request, again: bool) -> Tensors:
        """The activations that the request needs; a kept recording where gradients or more requests are expected."""
        wanted = self._layers_of(request)
        backward = request.backward != "off"
        if not backward and all(name in seen.activations for name in wanted):
            return seen.activations
        if backward or again or seen.frame.info.is_still:
            keep_all = again or seen.frame.info.is_still
            seen.activations = self._recording(seen, None if keep_all else wanted).activations(wanted)
        else:
            seen.activations = self.network.forward(seen.values, wanted)
        return seen.activations

    def _recording(self, seen: _Seen, layers: list[str] | None) -> Recording:
        covered = seen.recorded is None or (layers is not None and seen.recorded.issuperset(layers))
        if seen.recording is None or not covered:
            seen.recording = self.network.record(seen.values, layers)
            seen.recorded = None if layers is None else frozenset(layers)
        return seen.recording

    def _layers_of(self, request: Request) -> list[str]:
        names = [request.layer, self.network.probability_layer]
        if request.backward != "off":
            names.append(request.origin_layer)
        return list(dict.fromkeys(name for name in names if name))

    def _gradients(self, seen: _Seen, request: Request, activations: Tensors) -> Tensors:
        """What the backward pass brings to the input and, where its tiles show gradients, to the layer."""
        if request.backward == "off" or not request.origin_layer or seen.recording is None:
            return {}
        at = [self.network.input_name]
        if request.show_gradients and request.layer not in at:
            at.append(request.layer)
        diff = own_activation(self.network.layers[request.origin_layer], activations[request.origin_layer], request)
        return seen.recording.backward(request.origin_layer, diff, request.backward, at)

    def _snapshot(self, seen: _Seen, request: Request, activations: Tensors, gradients: Tensors) -> Snapshot:
        maps, maps_note = self._maps(request, activations, gradients)
        backward_image, backward_note = self._backward_image(request, gradients)
        name = self.network.probability_layer
        return Snapshot(
            request=request,
            frame=seen.frame.info,
            input_image=seen.image,
            maps=maps,
            maps_note=maps_note,
            probabilities=_on_cpu(self.network.probabilities(activations[name])) if name else None,
            backward_image=backward_image,
            backward_note=backward_note,
            device=str(self.network.device),
        )

    def _maps(self, request: Request, activations: Tensors, gradients: Tensors) -> tuple[Floats | None, str]:
        if not request.layer:
            return None, "the network is still loading"
        if request.show_gradients and request.backward == "off":
            return None, "the backward pass is off: press b"
        layer = self.network.layers[request.layer]
        if not request.show_gradients:
            maps = channels_first(layer, _on_cpu(activations[request.layer]))
            return maps, "" if maps.any() else "every activation of this layer is exactly zero"
        maps = channels_first(layer, _on_cpu(gradients[request.layer]))
        return maps, "" if maps.any() else self._why_no_gradient(request)

    def _why_no_gradient(self, request: Request) -> str:
        names = list(self.network.layers)
        if names.index(request.layer) > names.index(request.origin_layer):
            return f"{request.layer} is above the origin {request.origin_layer}: no gradient gets there"
        return f"the gradient is exactly zero: {_why_zero(request)}"

    def _backward_image(self, request: Request, gradients: Tensors) -> tuple[Floats | None, str]:
        if request.backward == "off":
            return None, "the backward pass is off: press b"
        if not gradients:
            return None, "the network is still loading"
        at_input = gradients[self.network.input_name]
        image = _on_cpu(at_input.permute(0, 2, 3, 1))  # as it lies in memory already
        if self.network.preprocessing.channels == "BGR":
            image = image[..., ::-1]
        note = _not_finite(image) if image.any() else f"the gradient is exactly zero: {_why_zero(request)}"
        return np.ascontiguousarray(image), note


def own_activation(layer: Layer, activation: torch.Tensor, request: Request) -> torch.Tensor:
    """The live diff: the origin unit's own activation map, zero elsewhere; shaped as `activation` (1, …)."""
    diff = torch.zeros_like(activation)
    channel = (..., request.origin_unit) if layer.is_tokens else (slice(None), request.origin_unit)
    diff[channel] = activation[channel]
    return diff


def channels_first(layer: Layer, values: Floats) -> Floats:
    """Values of a layer as maps: (C, H, W) and (C,) as they are; tokens (T, D) as D maps over the grid of tokens."""
    if not layer.is_tokens:
        return values
    tokens = values.shape[0]
    rows, columns = layer.token_grid or (1, tokens)
    grid = values[tokens - rows * columns :]
    return np.ascontiguousarray(grid.T.reshape(-1, rows, columns))


def _not_finite(values: Floats) -> str:
    """Says so where values are NaN or infinite; a sum tells quickly that none are."""
    bad = 0 if np.isfinite(values.sum()) else int(values.size - np.isfinite(values).sum())
    return f"{bad} values are not finite" if bad else ""


def _why_zero(request: Request) -> str:
    return f"unit {request.origin_layer}:{request.origin_unit} is off, or nothing gets past the layers below"


def _on_cpu(values: torch.Tensor) -> Floats:
    """The first image's values, contiguous and never written to again."""
    return values[0].detach().to("cpu", torch.float32).contiguous().numpy()


class _Clock:
    """Milliseconds of one step after the other."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.milliseconds[name] = (now - self._last) * 1000
        self._last = now
