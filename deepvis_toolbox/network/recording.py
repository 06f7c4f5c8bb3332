"""One recorded forward pass of a torch graph; autograd runs any number of backward passes over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.backward_modes import RULES, rectifiers_obey
from deepvis_toolbox.network.execution import Program, Values
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.interface import BACKWARD_MODES, BackwardMode, Recording
from deepvis_toolbox.network.layer import Layers
from deepvis_toolbox.network.layer_nodes import LayerNodes, operation
from deepvis_toolbox.network.passing import DeconvSwitch


class TorchRecording(Recording):
    """Keeps every layer's tensors, with the autograd graph that links them."""

    def __init__(
        self,
        program: Program,
        x: torch.Tensor,
        layers: Layers,
        nodes: Mapping[str, LayerNodes],
        switch: DeconvSwitch,
        opaque: Sequence[str] = (),
    ) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            self.input = x.detach().clone(memory_format=torch.preserve_format)
            self._leaf = self.input.detach().requires_grad_()
            self._rectified: list[torch.Tensor] = []
            self._values: Values = program.run(self._leaf, self._keep_rectified)
        self._layers = layers
        self._nodes = nodes
        self._switch = switch
        self._opaque = tuple(opaque)

    def _keep_rectified(self, node: fx.Node, values: Values) -> None:
        if operation(node).rectifier:
            self._rectified.append(values[node])

    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        return {name: self._tensor(name, self._nodes_of(name).value).detach() for name in layers}

    def below_rectifier(self, layer: str) -> torch.Tensor:
        return self._tensor(layer, self._nodes_of(layer).below).detach()

    def backward(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode = "grad", at: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        self._check_mode(mode)
        start = self._tensor(origin, self._nodes_of(origin).below)
        if diff.shape != start.shape:
            shapes = f"{tuple(diff.shape)}; the layer has {tuple(start.shape)} for these images"
            raise ToolboxError(f'the diff at "{origin}" has shape {shapes}')
        names = list(at) if at is not None else [next(iter(self._layers))]
        ends = [self._arrival(name) for name in names]
        if not start.requires_grad:  # a constant of the network, such as a class token
            return {name: torch.zeros_like(end) for name, end in zip(names, ends, strict=True)}
        with torch.inference_mode(False), rectifiers_obey(mode, self._rectified):
            signal = diff.detach().to(start).clone()
            self._switch.is_on = mode == "deconv"
            with full_precision(signal.device):
                arrived = torch.autograd.grad(start, ends, signal, retain_graph=True, allow_unused=True)
        return {
            name: torch.zeros_like(end) if gradient is None else gradient.detach()
            for name, end, gradient in zip(names, ends, arrived, strict=True)
        }

    def _arrival(self, name: str) -> torch.Tensor:
        """The tensor whose gradient is asked for; one that was not computed lies above the origin."""
        nodes = self._nodes_of(name)
        if nodes.below in self._values:
            found: torch.Tensor = self._values[nodes.below]
            return found
        shape = (self.input.shape[0], *self._layers[name].shape)
        return torch.zeros(shape, dtype=self.input.dtype, device=self.input.device, requires_grad=True)

    def _nodes_of(self, layer: str) -> LayerNodes:
        return self._nodes[self._layers.canonical(layer)]

    def _tensor(self, layer: str, node: fx.Node) -> torch.Tensor:
        if node not in self._values:
            raise ToolboxError(f'layer "{layer}" was not part of this recorded forward pass; record it with that layer')
        found: torch.Tensor = self._values[node]
        return found

    def _check_mode(self, mode: str) -> None:
        if mode not in BACKWARD_MODES:
            raise ToolboxError(f'unknown backward mode "{mode}"; it is one of {", ".join(BACKWARD_MODES)}')
        if mode in RULES and self._opaque:
            raise ToolboxError(
                f'"{mode}" is not defined through {self._opaque[0]}, which hides a rectifier inside; use "grad"'
            )
