"""What the nodes of a graph give, without values: sizes and types, which `forward` may ask for while it is traced.

The size of the image is known when a network is opened, so that a size is a number; only the batch may have any.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from deepvis_toolbox.network.operations import keeps_sizes
from deepvis_toolbox.network.plain_modules import is_plain
from deepvis_toolbox.network.promise import state_kept

UNKNOWN = object()
"""Of what does not run without values."""

_BATCHES = (1, 2, 3, 720)
"""A size that is the same in all of these does not come from the batch. 720 can be divided by most small numbers."""

_PLAIN = (int, float, str, torch.dtype, torch.device, torch.layout)


class Rehearsal:
    """Runs the nodes that have been recorded so far, on tensors without values, in batches of several sizes."""

    def __init__(self, module: nn.Module, input_shape: tuple[int, int, int], *, alone: bool = False) -> None:
        self._module = module
        self._input_shape = input_shape
        self._batches = (1,) if alone else _BATCHES
        self._values: dict[fx.Node, tuple[Any, ...]] = {}
        self._of_batch: set[fx.Node] = set()  # numbers that come from it, and what is computed from them
        self._last: fx.Node | None = None
        self._fakes: Any = None
        self.is_running = False
        """Whether what is called now is called by the rehearsal."""

    def values(self, node: fx.Node) -> tuple[Any, ...]:
        """Return what a node gives for each batch; empty where that is not known. Tensors have no values."""
        while node not in self._values:  # all before it in their order, since some overwrite
            self._last = next(iter(node.graph.nodes)) if self._last is None else self._last.next
            self._values[self._last] = self._run(self._last)
        return self._values[node]

    def settled(self, node: fx.Node) -> Any:
        """Return the number, text or type that a node gives whatever the batch; else `UNKNOWN`."""
        found = self.values(node)
        is_plain = bool(found) and isinstance(found[0], _PLAIN) and node not in self._of_batch
        return found[0] if is_plain else UNKNOWN

    def are_equal(self, first: Any, second: Any) -> bool:
        """Return whether two nodes give one number, in whichever batch."""
        if not isinstance(first, fx.Node) or not isinstance(second, fx.Node):
            return False
        found, other = self.values(first), self.values(second)
        return bool(found) and all(isinstance(each, int) for each in found) and found == other

    def _run(self, node: fx.Node) -> tuple[Any, ...]:
        below = [self._values[parent] for parent in node.all_input_nodes]
        if not all(below):
            return ()
        if self._fakes is None:
            self._fakes = FakeTensorMode(allow_non_fake_inputs=True, allow_fallback_kernels=False)
        module = self._module.get_submodule(str(node.target)) if node.op == "call_module" else None
        keeps_nothing = module is None or (type(module).__module__.startswith("torch.") and is_plain(module))
        self.is_running = True
        try:
            with nullcontext() if keeps_nothing else state_kept(self._module), self._fakes, torch.no_grad():
                found = tuple(self._value(node, module, at) for at in range(len(self._batches)))
        except Exception:  # whatever needs values, or runs on no such batch
            return ()
        finally:
            self.is_running = False
        differs = isinstance(found[0], _PLAIN) and found.count(found[0]) < len(found)
        if differs or (not isinstance(found[0], torch.Tensor) and self._of_batch.intersection(node.all_input_nodes)):
            self._of_batch.add(node)
        return found

    def _value(self, node: fx.Node, module: nn.Module | None, at: int) -> Any:
        if node.op == "placeholder":
            return torch.empty(self._batches[at], *self._input_shape)
        if node.op == "get_attr":
            path, _, name = str(node.target).rpartition(".")
            return getattr(self._module.get_submodule(path), name)
        given, named = self._given(node, at)
        if module is not None:
            return torch.empty_like(given[0]) if keeps_sizes(module) else module(*given, **named)
        if node.op == "call_method":
            return getattr(given[0], str(node.target))(*given[1:], **named)
        assert callable(node.target)
        return node.target(*given, **named)

    def _given(self, node: fx.Node, at: int) -> tuple[Any, Any]:
        found: Any = fx.node.map_arg((node.args, node.kwargs), lambda each: self._values[each][at])
        return found[0], found[1]
