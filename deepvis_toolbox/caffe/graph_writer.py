"""Writes a torch.fx graph node by node: modules under names of their own, functions, one input, one output."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

from torch import fx, nn


class GraphWriter:
    """A graph in the making. `meta` is given to every node written while it is set.

    `hollow`: its modules keep the shapes of their parameters and let go of the values.
    """

    def __init__(self, hollow: bool = False) -> None:
        self._hollow = hollow
        self.graph = fx.Graph()
        self.root: nn.Module = fx.GraphModule({}, fx.Graph())  # so that its own attributes are no free names
        self._numbers: dict[str, int] = {}
        self.meta: dict[str, Any] = {}

    def input(self, name: str) -> fx.Node:
        """Return the graph's placeholder."""
        return self._marked(self.graph.placeholder(_identifier(name)))

    def module(self, name: str, module: nn.Module, *inputs: fx.Node) -> fx.Node:
        """Return a call of `module`, kept under `name` made an identifier that is not taken yet."""
        target = self._free_name(_identifier(name))
        self.root.add_module(target, module.eval().to("meta") if self._hollow else module.eval())
        return self._marked(self.graph.call_module(target, inputs))

    def function(self, function: Callable[..., Any], *arguments: Any) -> fx.Node:
        """Return a call of a function."""
        return self._marked(self.graph.call_function(function, arguments))

    def internal(self, function: Callable[..., Any], *arguments: Any, shape: tuple[int, ...]) -> fx.Node:
        """Return a call whose result is no blob of the network, only a step towards one. `shape`: for one image, (C,
        …)."""
        node = self.graph.call_function(function, arguments)
        node.meta["shape"] = shape
        return node

    def finish(self, outputs: list[fx.Node]) -> fx.GraphModule:
        """Return the graph module, whose output is the tuple of `outputs`."""
        self.graph.output(tuple(outputs))
        self.root.requires_grad_(False)
        graph_module = fx.GraphModule(self.root, self.graph)
        return graph_module.eval()

    def _free_name(self, base: str) -> str:
        """Return `base`, or else it with the next number that makes it free."""
        target = base
        while hasattr(self.root, target):
            self._numbers[base] = self._numbers.get(base, 1) + 1
            target = f"{base}_{self._numbers[base]}"
        return target

    def _marked(self, node: fx.Node) -> fx.Node:
        node.meta.update(self.meta)
        return node


def _identifier(name: str) -> str:
    """Return a name that Python and nn.Module accept."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII) or "layer"
    return f"_{text}" if text[0].isdigit() or text.startswith("__") or keyword.iskeyword(text) else text
