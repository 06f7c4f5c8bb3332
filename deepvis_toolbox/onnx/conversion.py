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
from deepvis_toolbox.onnx.stored_file import OnnxFile, is_own_domain
from deepvis_toolbox.onnx.stored_tensors import StoredTensors
from deepvis_toolbox.onnx.values import GrowsWithTheBatchError, Value

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

    def run(self) -> None:
        """Convert every node; those that cannot be are `Unknown`, and so is all above them.

        Raises `GrowsWithTheBatchError` where the file works for one number of images alone, and `ToolboxError` where
        the weights cannot be read.
        """
        stored = {tensor.name: tensor for tensor in self.file.graph.initializer}
        self.builder.stored_kinds |= {name: tensor.data_type for name, tensor in stored.items()}
        for index, node in enumerate(self.file.graph.node):
            for name in node.input:
                if name in stored and name not in self.values:
                    self.values[name] = self.builder.known(self.tensors.tensor(stored[name]))
            self._convert(index, node)

    def enter_images(self, input_shape: tuple[int, int, int]) -> None:
        """Let the file's images stand for the graph's input, (C, H, W)."""
        image = self.file.image
        value = self.builder.image(input_shape)
        if image.has_channels_last:
            self.builder.marks = {"is_inner_view": True}
            given = Given(self.file.graph.node[0], [value], self.file.opset, self.builder, self.tensors)
            value = permuted(given, value, [0, 2, 3, 1])
        self.values[image.name] = value
        for other in self.file.graph.input:
            self.values.setdefault(other.name, Unknown(f'its input "{other.name[:60]}" is no image'))
        filled = {tensor.name for tensor in self.file.graph.initializer}
        for name in filled - {image.name}:
            self.values.pop(name, None)

    def _convert(self, index: int, node: Any) -> None:
        read = [self.values.get(name) if name else None for name in node.input]
        missing = next((each for each in read if isinstance(each, Unknown)), None)
        lacking = next((name for name, each in zip(node.input, read, strict=True) if name and each is None), None)
        if missing is None and lacking is not None:
            missing = Unknown(f'{self._told(node)}: no node before it gives "{lacking[:60]}"')
        if missing is not None:
            found: Any = [missing] * len(node.output)
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

    def _told(self, node: Any) -> str:
        name = node.name or next((each for each in node.output if each), "")
        return f'node "{name[:80]}" ({node.op_type[:40]})'

    def outputs(self) -> Iterator[tuple[str, Value | Unknown]]:
        """Yield the file's outputs."""
        for described in self.file.graph.output:
            yield described.name, self.values.get(described.name, Unknown(f'nothing gives "{described.name[:60]}"'))


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
