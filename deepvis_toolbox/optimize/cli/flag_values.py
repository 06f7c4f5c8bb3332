"""Values on the command line, as the original's users write them: `(6,6)`, `1e8`, `{'lr': 100.0}`. Never `eval`."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from deepvis_toolbox.configuration.yaml_file import parse_value
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.unit import Unit

LONGEST_VALUE = 10_000
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_OTHER_BASE = re.compile(r"\b0[xXoObB]|\d_\d")
"""Python's numbers that are not written as people write them."""
MOST_SEEDS = 100_000


def value_of(text: str) -> Any:
    """The value that a text means: a Python literal, else YAML, else the text itself. Numbers are decimal."""
    if len(text) > LONGEST_VALUE:
        raise ToolboxError(f"a value of {len(text)} letters is too long")
    try:
        if not _OTHER_BASE.search(text):
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        value = parse_value(text, "")
    except (ToolboxError, RecursionError, ValueError):
        return text
    return text if value in (math.inf, -math.inf) else value  # a number of thousands of digits


def number(text: str, flag: str) -> float:
    """A number."""
    value = value_of(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ToolboxError(f'{flag} is "{text}"; it must be a number')
    return value


def parameters(text: str, flag: str) -> dict[str, float]:
    """Named numbers: `{'lr': 100.0}` or `{lr: 100}`."""
    value = value_of(text)
    if not isinstance(value, dict):
        raise ToolboxError(f"""{flag} is "{text}"; write it as "{{'lr': 100.0}}\"""")
    return {str(key): each for key, each in value.items()}


def place(text: str, flag: str) -> tuple[int, int] | None:
    """A place `(row, column)`, or None for `None`."""
    value = value_of(text)
    if value is None or value == "None":
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*,\s*\d+\s*", value):
        value = tuple(int(part) for part in value.split(","))
    whole = isinstance(value, tuple | list) and all(isinstance(part, int) and part >= 0 for part in value)
    if not whole or len(value) != 2:
        raise ToolboxError(f'{flag} is "{text}"; write a place as (row,column), such as (6,6)')
    return value[0], value[1]


def size(text: str, flag: str) -> int | tuple[int, int]:
    """A size: `227` or `(227,227)`, height and width."""
    value = value_of(text)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = place(text, flag)
    if found is None:
        raise ToolboxError(f'{flag} is "{text}"; write it as (227,227)')
    return found


def seeds(text: str, flag: str) -> list[int]:
    """Seeds: `0`, `0-8`, `1,4,7-9`."""
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise ToolboxError(f'{flag}: "{part}" is neither a seed nor a range such as 0-8')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= MOST_SEEDS:
            raise ToolboxError(f'{flag}: the range "{part}" runs backwards or holds more than {MOST_SEEDS} seeds')
        found.extend(range(first, last + 1))
    return list(dict.fromkeys(found))


def mean(text: str) -> Any:
    """A mean: numbers, or the path of a file."""
    value = value_of(text)
    return value if isinstance(value, int | float | tuple | list) else text


def channel_order(text: str, flag: str) -> str:
    """The network's channel order from the original's swap to RGB: (2,1,0) is BGR, (0,1,2) RGB."""
    value = value_of(text)
    orders = {"BGR": [2, 1, 0], "RGB": [0, 1, 2]}
    given = list(value) if isinstance(value, tuple | list) else value
    found = next((name for name, order in orders.items() if order == given), None)
    if found is None:
        raise ToolboxError(f'{flag} is "{text}"; it is (2,1,0) for a network in BGR order or (0,1,2) for one in RGB')
    return found


def address_of(layer: str, channel: str, where: tuple[int, int] | None) -> str:
    """The address of the original's --push-layer, --push-channel, --push-spatial."""
    value = value_of(channel)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ToolboxError(f'--push-channel is "{channel}"; it must be the number of a unit')
    return str(Unit(layer, value, where))
