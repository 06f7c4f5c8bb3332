"""One forward pass that is kept, whoever computed it: its activations, and any number of backward passes over it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.window_attention import WindowAttention
from deepvis_toolbox.words.backward import BackwardMode, check_backward_mode
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Layers, named_layers


class Recording(ABC):
    """One forward pass, kept: it gives any layer's activations and serves any number of backward passes.

    What it returns is never overwritten by a later call. It is used by one thread at a time.
    """

    input: torch.Tensor
    """The images it was made from, (N, C, H, W)."""
    layers: Layers
    """The network's layers; the input is the first."""

    @abstractmethod
    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the layers' activations, each (N, …), detached. Runs nothing."""

    @abstractmethod
    def edited(self, edits: Sequence[Edit], layers: Sequence[str] | None = None) -> Recording:
        """Return the pass as it is with edits, as far as `layers` need (None: all); this one stays as it is.

        What lies below the lowest edit is not computed again. Raises `ToolboxError` for a layer or unit that the
        network lacks, for values that do not fit, and where the engine has no edits.
        """

    @abstractmethod
    def below_rectifier(self, layer: str) -> torch.Tensor:
        """Return the layer's value below its rectifier (its own where it has none), float32 (N, …), detached."""

    def attention(self, layer: str) -> torch.Tensor:
        """Return which tokens attend to which in a layer that tells it, float32 (N, heads, T, T'), detached: row t says
        how much each token counts for token t. `ToolboxError` where it is not known."""
        raise ToolboxError(f'layer "{layer}" tells no attention')

    def attention_in_windows(self, layer: str) -> WindowAttention:
        """Return which places attend to which in a layer that attends in windows, detached; `ToolboxError` where that
        is not known."""
        raise ToolboxError(f'layer "{layer}" attends in no windows')

    def backward(
        self,
        origin: str,
        diff: torch.Tensor,
        mode: BackwardMode = "grad",
        at: Sequence[str] | None = None,
        *,
        behind_rectifiers: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Do as `Network.backward`, without a forward pass.

        `behind_rectifiers`: what arrives at the layers' activations themselves, instead of below their rectifiers.
        """
        check_backward_mode(mode)
        self._check_diffs({origin: diff})
        names = [next(iter(self.layers))] if at is None else named_layers(at)
        return self._arrived(origin, diff, mode, names, behind_rectifiers)

    def gradient_of_sum(self, diffs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return what arrives at the input, float32 (N, C, H, W), when signals start below the rectifiers of several
        layers at once: {layer: float32 (N, …)}. A backward pass is linear, so it is the sum of theirs."""
        self._check_diffs(diffs)
        return self._arrived_of_sum(diffs)

    def _check_diffs(self, diffs: Mapping[str, torch.Tensor]) -> None:
        for origin, diff in diffs.items():
            shape = self._shape_below(origin)
            if tuple(diff.shape) != shape:
                raise ToolboxError(
                    f'the diff at "{origin}" has shape {tuple(diff.shape)}; the layer has {shape} for these images'
                )

    def _arrived_of_sum(self, diffs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Do as `gradient_of_sum`; an engine that can do it in one pass overrides this."""
        name = next(iter(self.layers))
        return torch.stack([self.backward(origin, diff)[name] for origin, diff in diffs.items()]).sum(0)

    @abstractmethod
    def _shape_below(self, origin: str) -> tuple[int, ...]:
        """Return the shape (N, …) of the value where a backward pass from `origin` starts."""

    @abstractmethod
    def _arrived(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode, at: Sequence[str], behind_rectifiers: bool
    ) -> dict[str, torch.Tensor]:
        """Return what `backward` gives, once the mode and the shape of `diff` are known to be right."""
