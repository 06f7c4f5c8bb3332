"""Builds the torch.fx graph of an ONNX file call by call; what is known already is computed and leaves no node."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.free_memory import free_memory
from deepvis_toolbox.onnx.result_shapes import result_of, result_of_module
from deepvis_toolbox.onnx.values import GrowsWithTheBatchError, Size, Value, at, values_in

MOST_KNOWN_BYTES = 1 << 30
"""Of numbers that a file has computed from its constants; weights that it holds do not count."""


class GraphBuilder:
    """A graph in the making, over a module that holds its tensors.

    `counts`: the numbers of images that every value is worked out for. `has_one_image`: whether the file was written
    for one image, so that a shape in it speaks of one.
    """

    def __init__(self, counts: Sequence[int], *, has_one_image: bool) -> None:
        self.counts, self.has_one_image = tuple(counts), has_one_image
        self.graph, self.root = fx.Graph(), nn.Module()
        self.marks: dict[str, Any] = {}
        """What nodes are noted with while it is set."""
        self.notes: dict[str, None] = {}
        self.stored_kinds: dict[str, int] = {}
        """Which type of numbers the file's tensors are of, by name."""
        self._tensors: dict[int, tuple[torch.Tensor, fx.Node]] = {}
        self._batch: fx.Node | None = None
        self._image: fx.Node | None = None
        self._known_bytes = self._given_bytes = 0
        self._computed_bytes, self._free = 0, free_memory()

    def image(self, shape: tuple[int, ...]) -> Value:
        """Return the graph's input, images of shape (C, H, W)."""
        self._image = self.graph.placeholder("image")
        return Value(tuple(torch.empty(count, *shape, device="meta") for count in self.counts), self._image)

    def known(self, tensor: torch.Tensor) -> Value:
        """Return a constant: float32, int64 or bool, of any shape."""
        return Value((tensor,) * len(self.counts), is_known=True)

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return a function's value, or a tuple of values; arguments hold values, sizes and plain numbers."""
        given = values_in((arguments, named))
        if all(value.is_known for value in given):
            found = self._computed(function, arguments, named, given)
            if found is not None:
                return found
        samples = [self._shaped(function, arguments, named, index) for index in range(len(self.counts))]
        self._count_memory(samples[0])
        node = self.graph.call_function(function, self._as_nodes(arguments), self._as_nodes(named))
        return self._marked(node, samples)

    def module(self, module: nn.Module, value: Value, path: str) -> Value:
        """Return a module's value; its tensors are taken over, and kept below `path` made free."""
        target = self._free_name(path)
        samples = [result_of_module(module, sample.to("meta")) for sample in value.samples]
        self._count_memory(samples[0])
        self.root.add_module(target, module.eval())
        node = self.graph.call_module(target, (self.node_of(value),))
        found: Value = self._marked(node, samples)
        return found

    def node_of(self, value: Value) -> fx.Node:
        """Return the node that gives a value; a constant becomes a tensor of the module."""
        if value.node is not None:
            return value.node
        if not value.is_settled:
            raise GrowsWithTheBatchError("numbers depend on how many images there are")
        tensor = value.samples[0]
        if id(tensor) not in self._tensors:
            name = self._free_name("constant")
            self.root.register_buffer(name, tensor)
            if self._image is None:
                self._tensors[id(tensor)] = (tensor, self.graph.get_attr(name))
            else:
                with self.graph.inserting_before(self._image):
                    self._tensors[id(tensor)] = (tensor, self.graph.get_attr(name))
        return self._tensors[id(tensor)][1]

    def _computed(
        self, function: Callable[..., Any], arguments: Any, named: Any, given: Sequence[Value]
    ) -> Value | tuple[Value, ...] | None:
        """Return what a function gives for constants; None where its size depends on the number of images."""
        if all(value.is_settled for value in given) and not _holds_sizes((arguments, named)):
            found = self._really(function, arguments, named, 0)
            return _each(found, lambda one: self.known(one[0]), [found])
        found = [self._really(function, arguments, named, index) for index in range(len(self.counts))]
        firsts = found[0] if isinstance(found[0], (tuple, list)) else [found[0]]
        for index, first in enumerate(firsts):
            same = [one[index] if isinstance(one, (tuple, list)) else one for one in found]
            if any(one.shape != first.shape for one in same):
                return None
        return _each(found[0], lambda one: Value(tuple(one), is_known=True), found)

    def _really(self, function: Callable[..., Any], arguments: Any, named: Any, index: int) -> Any:
        count = self.counts[index]
        args, kwargs = at(arguments, index, count), {name: at(each, index, count) for name, each in named.items()}
        with torch.no_grad():
            try:
                sizes = result_of(function, _without_data(args), _without_data(kwargs))
            except (RuntimeError, NotImplementedError):  # what depends on the numbers themselves
                sizes = None
            parts = sizes if isinstance(sizes, (tuple, list)) else [sizes]
            self._known_bytes += sum(
                part.numel() * part.element_size() for part in parts if isinstance(part, torch.Tensor)
            )
            if self._known_bytes > MOST_KNOWN_BYTES + self._largest_given((arguments, named)):
                raise ToolboxError(f"it makes more than {MOST_KNOWN_BYTES >> 30} GiB of its constants")
            return function(*args, **kwargs)

    def _largest_given(self, argument: Any) -> int:
        """Return the bytes that are given: weights of the file may be turned round, however large they are."""
        self._given_bytes += sum(value.samples[0].numel() * 4 for value in values_in(argument))
        return self._given_bytes

    def _shaped(self, function: Callable[..., Any], arguments: Any, named: Any, index: int) -> Any:
        count = self.counts[index]
        args, kwargs = at(arguments, index, count), {name: at(each, index, count) for name, each in named.items()}
        with torch.no_grad():
            return result_of(function, _without_data(args), _without_data(kwargs))

    def _count_memory(self, found: Any) -> None:
        parts = found if isinstance(found, (tuple, list)) else [found]
        self._computed_bytes += sum(part.numel() * 4 for part in parts)
        if self._computed_bytes > self._free:
            raise ToolboxError("one image takes more memory than is free")

    def _as_nodes(self, argument: Any) -> Any:
        if isinstance(argument, Value):
            return self.node_of(argument)
        if isinstance(argument, Size):
            return self._size_node(argument)
        if isinstance(argument, (list, tuple)):
            return type(argument)(self._as_nodes(part) for part in argument)
        if isinstance(argument, dict):
            return {name: self._as_nodes(part) for name, part in argument.items()}
        return argument

    def _size_node(self, size: Size) -> fx.Node:
        assert self._image is not None
        if self._batch is None:
            with self.graph.inserting_after(self._image):
                self._batch = self.graph.call_method("size", (self._image, 0))
        found = self._batch
        if size.slope != 1:
            found = self.graph.call_function(operator.mul, (found, size.slope))
        return found if size.base == 0 else self.graph.call_function(operator.add, (found, size.base))

    def _marked(self, node: fx.Node, samples: list[Any]) -> Any:
        node.meta |= self.marks
        if not isinstance(samples[0], (tuple, list)):
            node.meta["onnx_shape"] = tuple(samples[0].shape)
            return Value(tuple(samples), node)
        parts = []
        for index in range(len(samples[0])):
            part = self.graph.call_function(operator.getitem, (node, index))
            part.meta |= self.marks
            parts.append(Value(tuple(sample[index] for sample in samples), part))
        return tuple(parts)

    def _free_name(self, path: str) -> str:
        base = re.sub(r"\W", "_", path, flags=re.ASCII)[:80] or "part"
        base = f"_{base}" if base[0].isdigit() else base
        found, number = base, 1
        while hasattr(self.root, found):
            number += 1
            found = f"{base}_{number}"
        return found


def _without_data(argument: Any) -> Any:
    if isinstance(argument, torch.Tensor):
        return argument.to("meta")
    if isinstance(argument, (list, tuple)):
        return type(argument)(_without_data(part) for part in argument)
    return {name: _without_data(part) for name, part in argument.items()} if isinstance(argument, dict) else argument


def _holds_sizes(argument: Any) -> bool:
    if isinstance(argument, (list, tuple)):
        return any(map(_holds_sizes, argument))
    if isinstance(argument, dict):
        return any(map(_holds_sizes, argument.values()))
    return isinstance(argument, Size)


def _each(first: Any, make: Callable[[Sequence[torch.Tensor]], Value], found: Sequence[Any]) -> Any:
    if not isinstance(first, (tuple, list)):
        return make(found)
    return tuple(make([one[index] for one in found]) for index in range(len(first)))
