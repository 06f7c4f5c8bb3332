"""Recordings of single pictures that answer as one recording of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deepvis_toolbox.network.interface import Recording
from deepvis_toolbox.words.backward import BackwardMode


class JoinedRecording(Recording):
    """For a network that cannot run two pictures at a time, or mixes them."""

    def __init__(self, parts: Sequence[Recording]) -> None:
        self._parts = parts
        self.input = joined([part.input for part in parts])

    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        return _joined_by_name([part.activations(layers) for part in self._parts])

    def below_rectifier(self, layer: str) -> torch.Tensor:
        return joined([part.below_rectifier(layer) for part in self._parts])

    def backward(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode = "grad", at: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        found = [part.backward(origin, own, mode, at) for part, own in zip(self._parts, self._diffs(diff), strict=True)]
        return _joined_by_name(found)

    def _diffs(self, diff: torch.Tensor) -> Sequence[torch.Tensor]:
        """Each picture's own; a diff of another batch goes to the first part whole, which refuses it."""
        return diff.split(1) if len(diff) == len(self._parts) else [diff] * len(self._parts)


def joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The batch (N, …) of which these are the parts."""
    return parts[0] if len(parts) == 1 else torch.cat([*parts])


def _joined_by_name(parts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: joined([part[name] for part in parts]) for name in parts[0]}
