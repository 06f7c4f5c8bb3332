"""Recordings of single pictures that answer as one recording of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from deepvis_toolbox.network.editing import part_of_each
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.network.window_attention import WindowAttention
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import named_layers


class JoinedRecording(Recording):
    """For a network that cannot run two pictures at a time, or mixes them."""

    def __init__(self, parts: Sequence[Recording]) -> None:
        self._parts = parts
        self.input = joined([part.input for part in parts])
        self.layers = parts[0].layers

    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        layers = named_layers(layers)
        return _joined_by_name([part.activations(layers) for part in self._parts])

    def edited(self, edits: Sequence[Edit], layers: Sequence[str] | None = None) -> JoinedRecording:
        count = len(self._parts)
        each = [part_of_each(edits, index, count, self.layers) for index in range(count)]
        return JoinedRecording([part.edited(own, layers) for part, own in zip(self._parts, each, strict=True)])

    def attention(self, layer: str) -> torch.Tensor:
        return joined([part.attention(layer) for part in self._parts])

    def attention_in_windows(self, layer: str) -> WindowAttention:
        parts = [part.attention_in_windows(layer) for part in self._parts]
        return replace(parts[0], weights=joined([part.weights for part in parts]))

    def below_rectifier(self, layer: str) -> torch.Tensor:
        return joined([part.below_rectifier(layer) for part in self._parts])

    def _shape_below(self, origin: str) -> tuple[int, ...]:
        return (len(self._parts), *self._parts[0].below_rectifier(origin).shape[1:])

    def _arrived(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode, at: Sequence[str], behind_rectifiers: bool
    ) -> dict[str, torch.Tensor]:
        own = zip(self._parts, diff.split(1), strict=True)
        arrived = [part.backward(origin, signal, mode, at, behind_rectifiers=behind_rectifiers) for part, signal in own]
        return _joined_by_name(arrived)


def joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the batch, float32 (N, …), of which these are the parts."""
    return parts[0] if len(parts) == 1 else torch.cat([*parts])


def _joined_by_name(parts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: joined([part[name] for part in parts]) for name in parts[0]}
