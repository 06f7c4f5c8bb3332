"""From the nodes of an ONNX file to a torch.fx graph, as far as their operators are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.onnx.building import GraphBuilder
from deepvis_toolbox.onnx.operator_table import OPERATORS, Given
from deepvis_toolbox.onnx.operators.shapes import permuted
from deepvis_toolbox.onnx.stored_file import MOST_NODES, OnnxFile, is_own_domain
from deepvis_toolbox.onnx.stored_tensors import StoredTensors
from deepvis_toolbox.onnx.values import GrowsWithTheBatchError, Value

_MOST_BRANCHES = 8
"""One inside the other."""

FAULTS = (
    RuntimeError, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, ZeroDivisionError,
    NotImplementedError, AssertionError,
)  # fmt: skip
"""What a file that contradicts itself ends in, in torch or here."""


@dataclass(frozen=True)
class Unknown:
    """What stands in the place of a value that is not there, and why."""

    why: str
    below: tuple[str, ...] = ()
    """Names of the values that its node reads."""


@dataclass
class Conversion:
    """All values by name, over one builder."""

    file: OnnxFile
    builder: GraphBuilder
    tensors: StoredTensors
    values: dict[str, Value | Unknown] = field(default_factory=dict)
    _stored: dict[str, Any] = field(default_factory=dict)
    _nodes: int = 0
    _depth: int = 0

    def run(self) -> None:
        """Convert every node; those that cannot be are `Unknown`, and so is all above them.

        Raises `GrowsWithTheBatchError` where the file works for one number of images alone, and `ToolboxError` where
        the weights cannot be read.
        """
        self._enter_stored(self.file.graph)
        for index, node in enumerate(self.file.graph.node):
            self._convert(index, node)

    def _enter_stored(self, graph: Any) -> None:
        self._stored |= {tensor.name: tensor for tensor in graph.initializer}
        self.builder.stored_kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}

    def _read(self, name: str) -> Value | Unknown | None:
        """Return what a name stands for; the file's tensors are read when they are first asked for."""
        if name in self._stored and name not in self.values:
            self.values[name] = self.builder.known(self.tensors.tensor(self._stored[name]))
        return self.values.get(name)

    def enter_images(self, input_shape: tuple[int, int, int]) -> None:
        """Let the file's images stand for the graph's input, (C, H, W): of several, each for its share of channels."""
        images = self.file.images
        whole, first = self.builder.image(input_shape), 0
        self.builder.marks = {"is_inner_view": True}
        given = Given(self.file.graph.node[0], [whole], self.file.opset, self.builder, self.tensors)
        for image in images:
            part = (whole, 1, first, first + image.channels)
            value = whole if len(images) == 1 else self.builder.call(torch.ops.aten.slice.Tensor, *part)
            self.values[image.name] = permuted(given, value, [0, 2, 3, 1]) if image.has_channels_last else value
            first += image.channels
        for other in self.file.graph.input:
            self.values.setdefault(other.name, Unknown(f'its input "{other.name[:60]}" is no image'))
        filled = {tensor.name for tensor in self.file.graph.initializer}
        for name in filled - {image.name for image in images}:
            self.values.pop(name, None)

    def _convert(self, index: int, node: Any) -> None:
        read = [self._read(name) if name else None for name in node.input]
        missing = next((each for each in read if isinstance(each, Unknown)), None)
        lacking = next((name for name, each in zip(node.input, read, strict=True) if name and each is None), None)
        if missing is None and lacking is not None:
            missing = Unknown(f'{self._told(node)}: no node before it gives "{lacking[:60]}"')
        if missing is not None:
            found: Any = [missing] * len(node.output)
        elif node.op_type == "If" and is_own_domain(node.domain):
            found = self._taken(index, node, read)
        else:
            found = self._written(index, node, read)
        if isinstance(found, Unknown):
            found = [found] * len(node.output)
        for place, name in enumerate(node.output):
            if name:
                given = (
                    found[place]
                    if place < len(found)
                    else Unknown(f"{self._told(node)}: its output {place + 1} is not supported")
                )
                self.values[name] = given

    def _written(self, index: int, node: Any, read: Sequence[Any]) -> Sequence[Any] | Unknown:
        """Return what a node gives."""
        if not is_own_domain(node.domain) or node.op_type not in OPERATORS:
            domain = f" of {node.domain[:40]}" if not is_own_domain(node.domain) else ""
            return Unknown(
                f"{self._told(node)}: the operator {node.op_type[:40]}{domain} is not supported", tuple(node.input)
            )
        self.builder.marks = {"onnx": index}
        try:
            given = Given(node, read, self.file.opset, self.builder, self.tensors)
            written = OPERATORS[node.op_type](given)
        except GrowsWithTheBatchError:
            raise
        except ToolboxError as error:
            return Unknown(f"{self._told(node)}: {error}", tuple(node.input))
        except FAULTS as error:
            return Unknown(f"{self._told(node)}: {reason_of(error)}", tuple(node.input))
        found: Sequence[Value] = [written] if isinstance(written, Value) else written
        return found

    def _taken(self, index: int, node: Any, read: Sequence[Any]) -> Sequence[Any] | Unknown:
        """Return what the branch gives that a constant chooses: exporters write such where they do not know a size."""
        condition = read[0] if read else None
        branches = {each.name: each.g for each in node.attribute}
        if not isinstance(condition, Value) or not condition.is_settled or condition.samples[0].numel() != 1:
            return Unknown(f"{self._told(node)}: which way it goes depends on the image", tuple(node.input))
        branch = branches.get("then_branch" if bool(condition.samples[0].reshape(-1)[0]) else "else_branch")
        self._nodes += len(branch.node) if branch is not None else 0
        if branch is None or self._nodes > MOST_NODES or self._depth >= _MOST_BRANCHES:
            return Unknown(f"{self._told(node)}: its branches are missing, or too many")
        self._enter_stored(branch)
        self._depth += 1
        for inner in branch.node:
            self._convert(index, inner)
        self._depth -= 1
        return [
            self._read(each.name) or Unknown(f"{self._told(node)}: its branch gives nothing") for each in branch.output
        ]

    def _told(self, node: Any) -> str:
        name = node.name or next((each for each in node.output if each), "")
        return f'node "{name[:80]}" ({node.op_type[:40]})'

    def outputs(self) -> Iterator[tuple[str, Value | Unknown]]:
        """Yield the file's outputs."""
        for described in self.file.graph.output:
            yield described.name, self._read(described.name) or Unknown(f'nothing gives "{described.name[:60]}"')


def converted(
    file: OnnxFile, input_shape: tuple[int, int, int], counts: Sequence[int], tensors: StoredTensors
) -> Conversion:
    """Return the file's values for so many images each. `tensors`: reads the file's, once for several conversions."""
    builder = GraphBuilder(counts, has_one_image=file.image.count == 1)
    conversion = Conversion(file, builder, tensors)
    with torch.no_grad():
        conversion.enter_images(input_shape)
        conversion.run()
    return conversion
