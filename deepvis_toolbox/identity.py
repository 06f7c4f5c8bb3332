"""What tells two pieces of work apart: identities, plain data as a JSON file keeps it, compared key by key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Answer = Mapping[str, list[float]]
"""What a network makes of fixed images, by layer (`network.answer`)."""

TOLERANCE = 2e-4
"""Of an answer's value: what rounding adds up to in a deep network on another device."""


class Difference(NamedTuple):
    """The first key in which two identities differ, and both values as plain data; None for one that is missing."""

    key: str
    there: Any
    wanted: Any


def first_difference(there: Mapping[str, Any], wanted: Mapping[str, Any], depth: int = 1) -> Difference | None:
    """Return the first thing in which what is `there` is not as `wanted`; None where all is.

    Keys are looked at in the order of `wanted`, `depth` levels deep: below, values must be equal. What only `there` has
    is left aside. Tuples count as the lists that a JSON file makes of them.
    """
    for key, value in wanted.items():
        found = there.get(key)
        if depth > 1:
            inner = first_difference(found if isinstance(found, Mapping) else {}, value, depth - 1)
            if inner is not None:
                return inner
        elif _as_json(found) != _as_json(value):
            return Difference(key, found, value)
    return None


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def first_other(there: Any, wanted: Answer) -> str:
    """Return the first layer of `wanted` for which an answer on disk says other values; empty where there is none.

    Layers that only one of them knows, and answers that are none, are left aside.
    """
    if not isinstance(there, Mapping):
        return ""
    return next((layer for layer, values in wanted.items() if _are_others(there.get(layer), values)), "")


def _are_others(found: Any, values: Sequence[float]) -> bool:
    if (
        not isinstance(found, list)
        or len(found) != len(values)
        or not all(isinstance(one, (int, float)) for one in found)
    ):
        return False
    try:
        return any(
            abs(one - value) > TOLERANCE * max(abs(one), abs(value)) for one, value in zip(found, values, strict=True)
        )
    except OverflowError:  # a whole number that is larger than any other kind holds
        return True
