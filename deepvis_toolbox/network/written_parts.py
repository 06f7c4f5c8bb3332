"""Writes into a part of a tensor, `x[:, :4] = y`, as operations that give a new whole: in a graph nothing is written.

In programs of torch.export such a part is a chain of views, `aten.slice` and `aten.select`, whose last is overwritten.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

_INTO: dict[Any, Any] = {
    torch.ops.aten.slice.Tensor: torch.ops.aten.slice_scatter.default,
    torch.ops.aten.select.int: torch.ops.aten.select_scatter.default,
}
"""What takes a part of a tensor, and what gives the tensor with another part there."""


def laid_over(old: torch.Tensor, new: torch.Tensor, *_: object) -> torch.Tensor:
    """Return the new values in the old ones' shape and dtype: `aten.copy_`, of which the other form has no
    derivative."""
    return new.to(old.dtype).expand_as(old)


class WrittenParts:
    """Knows which nodes of a graph are parts of which, also once something was written into them."""

    def __init__(self) -> None:
        self._whole: dict[fx.Node, tuple[fx.Node, fx.Node]] = {}

    def note(self, node: fx.Node) -> None:
        """Take a node in, once nodes before it have been written anew."""
        if node.target in _INTO and isinstance(node.args[0], fx.Node):
            self._whole[node] = (node.args[0], node)

    def written(self, part: fx.Node, new: fx.Node) -> dict[fx.Node, fx.Node]:
        """Put the wholes into the graph that have `new` in the place of `part`; gives all that is replaced, by what."""
        replaced, last = {part: new}, new
        while part in self._whole:
            whole, taken = self._whole[part]
            with part.graph.inserting_after(last):
                made = part.graph.call_function(_INTO[taken.target], (whole, replaced[part], *taken.args[1:]))
            made.meta = {**new.meta}
            self._whole[replaced[part]] = (made, taken)
            replaced[whole] = last = made
            part = whole
        return replaced
