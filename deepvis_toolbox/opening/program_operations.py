"""Which operations an exported program may name, and how their arguments are read: nothing else in a file is called."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening.computing_operations import COMPUTING

_ATEN = re.compile(r"torch\.ops\.aten\.([a-z_0-9]+)\.([A-Za-z_0-9]+)")

_LARGEST_NUMBER = 1 << 62


def _bounded(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return arithmetic of sizes that ends before its numbers take all memory."""

    def bounded(*given: Any) -> Any:
        found = call(*given)
        if isinstance(found, int) and abs(found) > _LARGEST_NUMBER:
            raise OverflowError("a size is larger than any memory")
        return found

    bounded.__name__ = call.__name__
    return bounded


_ARITHMETIC = ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge")
_SYMBOLIC = ("sym_max", "sym_min", "sym_int", "sym_float", "sym_not", "sym_ite")

_NUMBERS: dict[str, Callable[..., Any]] = {
    "_operator.getitem": operator.getitem,
    **{f"_operator.{name}": _bounded(getattr(operator, name)) for name in _ARITHMETIC},
    **{f"torch.{name}": getattr(torch, name) for name in _SYMBOLIC},
}


def operation_named(written: str) -> Any:
    """Return what a program calls. `ToolboxError` names an operation that is not among those which only compute."""
    if written in _NUMBERS:
        return _NUMBERS[written]
    aten = _ATEN.fullmatch(written)
    packet = getattr(torch.ops.aten, aten[1], None) if aten and aten[1] in COMPUTING else None
    overload = getattr(packet, aten[2], None) if aten and packet is not None else None
    if not isinstance(overload, torch._ops.OpOverload):
        raise ToolboxError(
            f"its operation {written[:80]} is not known; programs of ATen's operations that only compute open"
        )
    return overload


TYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16,
    7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
_MEMORY_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 4: torch.preserve_format}
_NOT_IN_JSON = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}

Named = Mapping[str, Any]
"""What stands for the values that a program has computed so far, by name."""


def argument(written: Mapping[str, Any], known: Named) -> Any:
    """Return an argument of an operation. KeyError, TypeError or ValueError where it is none that can be read."""
    (kind, value), *others = written.items()
    if others:
        raise ValueError("an argument of two kinds")
    if kind in _READERS:
        return _READERS[kind](value, known)
    raise ToolboxError(f"it passes on what cannot be read ({kind[:40]})")


def _symbolic(plain: str) -> Callable[[Mapping[str, Any], Named], Any]:
    def read(value: Mapping[str, Any], known: Named) -> Any:
        return known[value["as_name"]] if "as_name" in value else _PLAIN[plain](value[plain])

    return read


def _float(value: Any) -> float:
    return _NOT_IN_JSON[value] if isinstance(value, str) else float(value)


def _int(value: Any) -> int:
    if not isinstance(value, int) or abs(value) > 1 << 63:
        raise ValueError("a whole number is expected")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is expected")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise ValueError("a word is expected")
    return value


_PLAIN: dict[str, Callable[[Any], Any]] = {"as_int": _int, "as_float": _float, "as_bool": _bool}


def _optional(value: Mapping[str, Any], known: Named) -> Any:
    return known[value["as_tensor"]["name"]] if "as_tensor" in value else None


def _list_of(read: Callable[[Any, Named], Any]) -> Callable[[Any, Named], Any]:
    def read_list(value: Any, known: Named) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("a list is expected")
        return [read(each, known) for each in value]

    return read_list


def _tensor(value: Mapping[str, Any], known: Named) -> Any:
    return known[value["name"]]


_READERS: dict[str, Callable[[Any, Named], Any]] = {
    "as_none": lambda *_: None,
    "as_tensor": _tensor,
    "as_tensors": _list_of(_tensor),
    "as_optional_tensor": _optional,
    "as_optional_tensors": _list_of(_optional),
    "as_int": lambda value, _: _int(value),
    "as_ints": _list_of(lambda value, _: _int(value)),
    "as_float": lambda value, _: _float(value),
    "as_floats": _list_of(lambda value, _: _float(value)),
    "as_bool": lambda value, _: _bool(value),
    "as_bools": _list_of(lambda value, _: _bool(value)),
    "as_string": lambda value, _: _text(value),
    "as_sym_int": _symbolic("as_int"),
    "as_sym_ints": _list_of(_symbolic("as_int")),
    "as_sym_float": _symbolic("as_float"),
    "as_sym_bool": _symbolic("as_bool"),
    "as_scalar_type": lambda value, _: TYPES[value],
    "as_memory_format": lambda value, _: _MEMORY_FORMATS[value],
    "as_layout": lambda *_: torch.strided,
    "as_device": lambda *_: torch.device("cpu"),
}
