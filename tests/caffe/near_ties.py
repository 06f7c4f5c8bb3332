"""Shows that a gradient differs only because a rectifier or a pooling window sits within float noise of a tie.

In double precision the same gradient is computed again with one value, that of a near tie, moved by no more than float
noise, so that the tie falls the other way. Where that gives the reference, the difference is a tie's and no error.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

NOISE = 3e-7
"""Of a blob's largest value: what float32 sums of some hundred products leave uncertain."""

TOLERANCE = 1e-4
"""Of the largest absolute value."""
MOST_TRIED = 60


class NearTie(NamedTuple):
    """A value that `step` takes to the other side of a tie; `distance` is the step relative to the blob's largest."""

    distance: float
    node: str
    place: tuple[int, ...]
    step: float


class _Nudged(fx.Interpreter):
    """Runs a graph with one value moved, and finds the near ties."""

    def __init__(self, graph_module: fx.GraphModule, moved: NearTie | None, mode: str) -> None:
        super().__init__(graph_module)
        self.moved, self.mode = moved, mode
        self.origins: dict[str, torch.Tensor] = {}
        """By layer, where a backward pass starts: below its rectifier."""
        self.near_ties: list[NearTie] = []

    def run_node(self, n: fx.Node) -> Any:
        module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        if not isinstance(module, (nn.ReLU, nn.MaxPool2d)):
            result = origin = super().run_node(n)
        else:
            origin = self._nudged(n, module)
            is_deconv = isinstance(module, nn.ReLU) and self.mode == "deconv"
            result = _Deconv.apply(origin) if is_deconv else module(origin)
        if "layer" in n.meta:
            self.origins[n.meta["layer"]] = origin if isinstance(module, nn.ReLU) else result
        return result

    def _nudged(self, n: fx.Node, module: nn.Module) -> torch.Tensor:
        x = self.env[n.all_input_nodes[0]]
        if self.moved is None:
            ties = _rectifier_ties(x.detach()) if isinstance(module, nn.ReLU) else _window_ties(x.detach(), module)
            largest = float(x.detach().abs().max())
            self.near_ties += [NearTie(abs(step) / largest, n.name, place, step) for place, step in ties]
        elif self.moved.node == n.name:
            offset = torch.zeros_like(x)
            offset[self.moved.place] = self.moved.step
            x = x + offset
        return x


class _Deconv(torch.autograd.Function):
    """A rectifier in a deconv pass: the signal is rectified, whatever the forward pass did."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(_: Any, signal: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return signal.clamp(min=0)


def _rectifier_ties(x: torch.Tensor) -> list[tuple[tuple[int, ...], float]]:
    """Values next to zero; a constant channel's many equal ones are no accident and are left out."""
    near = (x != 0) & (x.abs() < NOISE * x.abs().max())
    near &= near.sum((2, 3), keepdim=True) < 10
    return [(tuple(at), -2 * float(x[tuple(at)])) for at in near.nonzero().tolist()]


def _window_ties(x: torch.Tensor, pool: Any) -> list[tuple[tuple[int, ...], float]]:
    """Runners-up next to the largest value of their window, which is above zero."""
    kernel, stride = pool.kernel_size[0], pool.stride[0]
    height, width = x.shape[2:]
    padded = F.pad(x, (0, kernel, 0, kernel), value=-torch.inf)
    windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    values, places = windows.topk(2, -1)
    gap = values[..., 0] - values[..., 1]
    near = (gap > 0) & (gap < NOISE * x.abs().max()) & (values[..., 0] > 0)
    ties = {}
    for n, c, i, j in near.nonzero().tolist():
        row, column = divmod(int(places[n, c, i, j, 1]), kernel)
        at = (n, c, i * stride + row, j * stride + column)
        if at[2] < height and at[3] < width:
            ties[at] = 2 * float(gap[n, c, i, j])
    return list(ties.items())


def is_of_near_ties(
    network: Any, x: torch.Tensor, origin: str, diff: torch.Tensor, mode: str, given: np.ndarray
) -> bool:
    """Whether a gradient at the input, of SqueezeNet's shape, is one that nothing but a near tie tells from ours."""
    gradients = gradients_of_near_ties(network, x, origin, diff, mode)
    return any(np.abs(each - given).max() < TOLERANCE * np.abs(given).max() for each in gradients)


def gradients_of_near_ties(
    network: Any, x: torch.Tensor, origin: str, diff: torch.Tensor, mode: str
) -> Iterator[np.ndarray]:
    """The gradient at the input (`mode`: grad, or deconv) with nothing moved, then with each near tie turned round, the
    nearest first."""
    graph_module = copy.deepcopy(network.graph_module).cpu().double()
    gradient, near_ties = _gradient(graph_module, x, origin, diff, mode, None)
    yield gradient
    for tie in sorted(near_ties)[:MOST_TRIED]:
        yield _gradient(graph_module, x, origin, diff, mode, tie)[0]


def _gradient(
    graph_module: fx.GraphModule, x: torch.Tensor, origin: str, diff: torch.Tensor, mode: str, moved: NearTie | None
) -> tuple[np.ndarray, list[NearTie]]:
    image = x.cpu().double().requires_grad_(True)
    nudged = _Nudged(graph_module, moved, mode)
    nudged.run(image)
    (gradient,) = torch.autograd.grad(nudged.origins[origin], image, diff.cpu().double())
    return gradient.numpy(), nudged.near_ties
