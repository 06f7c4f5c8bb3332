"""What an ONNX operator is here: a function of a node and its values, and the table of all of them.

A new operator is one function in a file of `operators/`, decorated with `@operator("Name")`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.onnx.building import GraphBuilder
from deepvis_toolbox.onnx.stored_tensors import StoredTensors
from deepvis_toolbox.onnx.values import Number, Value
from deepvis_toolbox.registry import Registry

_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 4, 6, 7, 8


class Given:
    """A node with the values that it reads."""

    def __init__(self, node: Any, values: Sequence[Value | None], opset: int, builder: GraphBuilder,
                 tensors: StoredTensors) -> None:  # fmt: skip
        self.node, self.values, self.opset, self.builder, self.tensors = node, values, opset, builder, tensors
        self._attributes = {each.name: each for each in node.attribute}

    def __getitem__(self, index: int) -> Value:
        """Return a value that must be there."""
        found = self.get(index)
        if found is None:
            raise ValueError(f"its input {index + 1} is missing")
        return found

    def get(self, index: int) -> Value | None:
        """Return a value, None where it is left out."""
        return self.values[index] if index < len(self.values) else None

    @property
    def call(self) -> Callable[..., Any]:
        """Write a call into the graph."""
        return self.builder.call

    @property
    def wanted(self) -> int:
        """How many results are asked for."""
        return len(self.node.output)

    def has(self, name: str) -> bool:
        """Return whether an attribute is written."""
        return name in self._attributes

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute: a number, a text, a list of them, or a tensor."""
        written = self._attributes.get(name)
        if written is None:
            return default
        kinds: dict[int, Callable[[], Any]] = {
            _FLOAT: lambda: float(written.f),
            _INT: lambda: int(written.i),
            _STRING: lambda: written.s.decode("utf-8", "replace"),
            _TENSOR: lambda: self.tensors.tensor(written.t),
            _FLOATS: lambda: [float(each) for each in written.floats],
            _INTS: lambda: [int(each) for each in written.ints],
            _STRINGS: lambda: [each.decode("utf-8", "replace") for each in written.strings],
        }
        if written.type not in kinds:
            raise ValueError(f"its attribute {name[:40]} is none that is read")
        found = kinds[written.type]()
        if default is not None and isinstance(found, (str, list)) != isinstance(default, (str, list)):
            raise ValueError(f"its attribute {name[:40]} is of another type than it must be")
        return found

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is one number."""
        return float(self.attribute(name, default))

    def whole(self, name: str, default: int) -> int:
        """Return an attribute that is one whole number."""
        return int(self.attribute(name, default))

    def numbers(self, name: str, index: int) -> list[Number] | None:
        """Return whole numbers that are an attribute in older files, and an input in newer ones; None where they are
        neither."""
        if name and name in self._attributes:
            found = self.attribute(name)
            return [found] if isinstance(found, int) else list(found)
        value = self.get(index)
        return None if value is None else value.numbers(name or f"input {index + 1}", self.builder.counts)

    def whole_numbers(self, name: str, index: int) -> list[int] | None:
        """Return the same, where they may not depend on the number of images."""
        found = self.numbers(name, index)
        if found is not None and not all(isinstance(each, int) for each in found):
            raise ValueError(f"its {name} depends on the number of images")
        return found  # type: ignore[return-value]

    def axis(self, axis: int, value: Value | None = None, *, behind: int = 0) -> int:
        """Return an axis of a value, the first one unless said, counted from the front."""
        rank = (value or self[0]).rank + behind
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} does not exist among {rank}")
        return axis % rank if rank else 0

    def scalar(self, value: Value | None) -> float | None:
        """Return the one number of a constant; None where it is missing or holds several."""
        if value is None or not value.is_settled or value.samples[0].numel() != 1:
            return None
        return float(value.samples[0].reshape(-1)[0])

    def known(self, numbers: Any, dtype: torch.dtype | None = None) -> Value:
        """Return a constant of these numbers."""
        return self.builder.known(torch.as_tensor(numbers, dtype=dtype))

    def path(self, index: int, ending: str = ".weight") -> str:
        """Return where the tensors of a module are kept: by the name of its weight in the file."""
        name = self.node.input[index] if index < len(self.node.input) else ""
        return name.removesuffix(ending) or "part"


Written = Value | Sequence[Value]
Operator = Callable[[Given], Written]
Function = TypeVar("Function", bound=Operator)

OPERATORS: Registry[Operator] = Registry("ONNX operator", home="deepvis_toolbox.onnx.operators")
"""Every operator that is computed, by its name in ONNX."""


def operator(name: str) -> Callable[[Function], Function]:
    """Return a decorator that enters an operator under its name."""
    return lambda function: OPERATORS.add(name, function)


def enter(name: str, meaning: str, function: Operator) -> None:
    """Enter an operator that is a line long; `meaning`: its sentence."""
    function.__doc__ = meaning
    OPERATORS.add(name, function)


def refused(why: str) -> ToolboxError:
    """Return the error of a node that is not read; what and where it is, is said before."""
    return ToolboxError(why)
