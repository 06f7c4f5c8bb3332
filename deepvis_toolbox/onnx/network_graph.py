"""From an ONNX file to the one graph that every network is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError, first_few, nearest_name, reason_of
from deepvis_toolbox.network.differing import agree
from deepvis_toolbox.network.promise import Promise, noise, promise_of
from deepvis_toolbox.network.rectifier_forms import name_rectifiers
from deepvis_toolbox.network.tracing import finished_graph
from deepvis_toolbox.onnx.conversion import FAULTS, Conversion, Unknown, converted
from deepvis_toolbox.onnx.fusing import put_together
from deepvis_toolbox.onnx.layer_names import name_nodes, without_common_scope
from deepvis_toolbox.onnx.stored_file import OnnxFile
from deepvis_toolbox.onnx.stored_tensors import StoredTensors
from deepvis_toolbox.onnx.values import ANY_NUMBER, ONE_ALONE, Value


def graph_of_onnx(file: OnnxFile, input_shape: tuple[int, int, int], until: str | None = None) -> fx.GraphModule:
    """Return the file's graph in evaluation mode, float32 on the CPU, as `tracing.trace` does of a module.

    `until`: the layer that is the last; what lies behind it need not be known. Raises `ToolboxError` that names the
    file and the node: an operator that is not supported, sizes that do not go together, too much memory.
    """
    opening = _Opening(file, input_shape, until, StoredTensors(file.path))
    try:
        return opening.for_any_number() or opening.for_one()
    except ToolboxError as error:
        raise ToolboxError(f"{file.path}: {str(error).removeprefix(f'{file.path}: ')}") from None
    except FAULTS as error:
        raise ToolboxError(f"{file.path}: it contradicts itself ({reason_of(error)})") from None


@dataclass(frozen=True)
class _Opening:
    file: OnnxFile
    input_shape: tuple[int, int, int]
    until: str | None
    tensors: StoredTensors

    def for_any_number(self) -> fx.GraphModule | None:
        """Return the graph for any number of images; None where the file is for one alone. One that was written for one
        image is held against what it gives for each of two."""
        try:
            graph_module, notes = self._written(ANY_NUMBER)
            if self.file.image.count == 1:
                promise = self._promise_of_each(graph_module)
            else:
                promise = promise_of(graph_module, self.input_shape)
        except (ToolboxError, *FAULTS):  # of one image, what is wrong is told
            return None
        return None if promise is None else self._finished(graph_module, promise, notes)

    def _promise_of_each(self, graph_module: fx.GraphModule) -> Promise | None:
        """Return what the file gives for each of two images; None where the graph gives something else for both."""
        alone, _ = self._written(ONE_ALONE)
        images = noise(2, self.input_shape)
        with torch.no_grad():
            each = [alone(image[None]) for image in images]
            both = graph_module(images)
        wanted = tuple(torch.cat(parts) if parts[0].ndim else parts[0] for parts in zip(*each, strict=True))
        return Promise(graph_module, frozenset(), images, wanted, False) if all(map(agree, both, wanted)) else None

    def for_one(self) -> fx.GraphModule:
        """Return the graph for one image at a time."""
        try:
            graph_module, notes = self._written(ONE_ALONE)
        except ToolboxError as error:
            count = self.file.image.count
            fixed = f"; it takes {count} images at a time: export it for one, or for any number"
            raise ToolboxError(f"{error}{fixed if count not in (None, 1) else ''}") from None
        promise = promise_of(graph_module, self.input_shape, (1,))
        if promise is None:
            raise ToolboxError("it does not run on noise")
        return self._finished(graph_module, promise, notes)

    def _written(self, counts: Sequence[int]) -> tuple[fx.GraphModule, list[str]]:
        return _written(converted(self.file, self.input_shape, counts, self.tensors), self.until)

    def _finished(self, graph_module: fx.GraphModule, promise: Promise, notes: list[str]) -> fx.GraphModule:
        finished = finished_graph(graph_module.graph, graph_module, promise, self.input_shape)
        finished.meta["not_followed"] = [*notes, *finished.meta["not_followed"]]
        return finished


def _written(conversion: Conversion, until: str | None) -> tuple[fx.GraphModule, list[str]]:
    """Return the graph of what is asked for, and what a user should know of it."""
    builder = conversion.builder
    results = dict(conversion.outputs())
    if until is None:
        lacking = next((each for each in results.values() if isinstance(each, Unknown)), None)
        if lacking is not None:
            raise ToolboxError(f"{lacking.why}{_opens_until(conversion, lacking)}")
    found = [each for each in results.values() if isinstance(each, Value) and each.node is not None]
    if until is not None:
        found = [each for each in conversion.values.values() if isinstance(each, Value) and each.node is not None]
    nodes = list(dict.fromkeys(value.node for value in found if value.node is not None))
    if not nodes:
        raise ToolboxError("nothing that it gives depends on the image")
    builder.graph.output(tuple(nodes))
    graph_module = fx.GraphModule(builder.root, builder.graph)
    _tidied(graph_module, conversion)
    if until is not None:
        _cut_behind(graph_module, until)
    graph_module.delete_all_unused_submodules()
    graph_module.recompile()
    coarser = sorted(conversion.tensors.coarser)
    told = [f"weights of {' and '.join(coarser)} are computed in float32"] if coarser else []
    return graph_module, [*told, *builder.notes]


def _tidied(graph_module: fx.GraphModule, conversion: Conversion) -> None:
    graph = graph_module.graph
    graph.eliminate_dead_code()
    put_together(graph_module)
    name_rectifiers(graph_module)
    graph.eliminate_dead_code()
    name_nodes(graph, conversion.file.graph.node)
    without_common_scope(graph)


def _opens_until(conversion: Conversion, lacking: Unknown) -> str:
    """Return the end of a refusal: up to where the network opens all the same."""
    found = [conversion.values.get(name) for name in lacking.below]
    nodes = [each.node for each in found if isinstance(each, Value) and each.node is not None]
    if not nodes:
        return ""
    conversion.builder.graph.output(tuple(nodes))
    graph_module = fx.GraphModule(conversion.builder.root, conversion.builder.graph)
    _tidied(graph_module, conversion)
    last = next(node for node in graph_module.graph.nodes if node.op == "output")
    names = [node.meta["path"] for node in last.all_input_nodes if node.meta.get("path")]
    return f"; --until LAYER opens what lies below it, up to {first_few(names, 3)}" if names else ""


def _cut_behind(graph_module: fx.GraphModule, until: str) -> None:
    """Make one layer the last."""
    graph = graph_module.graph
    named = {node.meta["path"]: node for node in graph.nodes if "path" in node.meta and not node.meta["is_inner_view"]}
    if until not in named:
        hint = nearest_name(until, named) or f"; it has {first_few(list(named), 5)}"
        raise ToolboxError(f'there is no layer "{until}" to stop at{hint}')
    output = next(node for node in graph.nodes if node.op == "output")
    output.args = ((named[until],),)
    graph.eliminate_dead_code()
