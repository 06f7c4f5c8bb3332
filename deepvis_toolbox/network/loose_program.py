"""From an exported program that comes from a file, and not from a module at hand, to a graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.free_memory import free_memory
from deepvis_toolbox.network.composite_operations import put_together
from deepvis_toolbox.network.exported_graph import graph_of_program
from deepvis_toolbox.network.exporting import quiet
from deepvis_toolbox.network.kept_calls import KeptCalls
from deepvis_toolbox.network.layer_names import name_inside_modules
from deepvis_toolbox.network.lifted_modules import lift_modules
from deepvis_toolbox.network.promise import noise, promise_of, state_kept
from deepvis_toolbox.network.tracing import finished_graph


def graph_of_loose_program(
    program: fx.GraphModule, input_shape: tuple[int, int, int], images: int | None = None
) -> fx.GraphModule:
    """Return the graph of a program of ATen's operations over plain modules that hold its tensors, which it takes over.

    `images`: the one number of pictures that it was exported for, if so. Raises `ToolboxError` where it does not run on
    images of this shape, or one image takes more memory than is free.
    """
    shape = "×".join(map(str, input_shape))
    reason = _why_it_does_not_run(program, input_shape)
    promise = None if reason else promise_of(program, input_shape)
    if promise is None:
        fixed = f"; it was exported for {images} pictures at a time: export it for one" if images and images > 1 else ""
        raise ToolboxError(f"the program does not run on a {shape} image: {reason or 'it fails on noise'}{fixed}")
    graph = graph_of_program(program, program, KeptCalls({}))
    put_together(graph, program)
    name_inside_modules(graph)
    lift_modules(graph, program)
    return finished_graph(graph, program, promise, input_shape)


def _why_it_does_not_run(program: fx.GraphModule, input_shape: tuple[int, int, int]) -> str:
    """Return why, or an empty text; nothing is computed for it but sizes."""
    sizes = _Sizes(program)
    try:
        with state_kept(program), quiet(), FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            sizes.run(noise(1, input_shape))
    except Exception as error:  # whatever a file says
        return "it takes more memory than is free" if sizes.are_too_large else reason_of(error)
    return ""


class _Sizes(fx.Interpreter):
    """Adds up what one image takes."""

    def __init__(self, program: fx.GraphModule) -> None:
        super().__init__(program, garbage_collect_values=False)
        self._bytes, self._free = 0, free_memory()

    @property
    def are_too_large(self) -> bool:
        return self._bytes > self._free

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        if n.op == "call_function" and isinstance(found, torch.Tensor):
            self._bytes += found.numel() * found.element_size()
        if self.are_too_large:
            raise MemoryError
        return found
