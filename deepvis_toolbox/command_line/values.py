"""Values on the command line: sizes, numbers, lists, ranges, parts, as people write them. Never `eval`.

Every reader takes the text and the flag that it stands behind, and raises a `ToolboxError` that names both and says
what may be written.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.device import parsed_device
from deepvis_toolbox.words.input_channels import parsed_channels

LONGEST_VALUE = 10_000
MOST_SEEDS = 100_000
LARGEST_WHOLE_NUMBER = 2**53
_RANGE = re.compile(r"(\d{1,15})(?:-(\d{1,15}))?")
_OTHER_BASE = re.compile(r"\b0[xXoObB]|\d_\d")
"""Python's numbers that are not written as people write them."""
_SIZE = re.compile(r"(\d{1,9})(?:\s*[x×,]\s*(\d{1,9}))?")
_PLACE = re.compile(r"(\d{1,9})\s*,\s*(\d{1,9})")
_END_OF_TERM = re.compile(r"\s*\d+(\s*-\s*\d+)?\s+[+-]\s")
_PART = re.compile(r"(\d{1,9})/(\d{1,9})")


def value_of(text: str) -> Any:
    """Return the value that a text means: a Python literal, else YAML, else the text itself. Numbers are decimal."""
    from deepvis_toolbox.configuration.yaml_file import parse_value  # not before there is a value to read

    if len(text) > LONGEST_VALUE:
        raise ToolboxError(f"a value of {len(text)} letters is too long")
    try:
        if not _OTHER_BASE.search(text):
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        value = parse_value(text, "")
    except (ToolboxError, RecursionError, ValueError):  # ValueError: a number of thousands of digits
        return text
    return text if value in (math.inf, -math.inf) else value


def onnx_file(text: str, flag: str) -> str:
    """Return the path of an ONNX file."""
    if not text.endswith(".onnx"):
        raise ToolboxError(f'{flag} "{text[:200]}" must be a file that is called *.onnx; rename it')
    return text


def number(text: str, flag: str) -> float:
    """Return a number: `0.3`, `1e8`, `150`."""
    value = value_of(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ToolboxError(f'{flag} is "{text}"; it must be a number')
    return value


def numbers(text: str, flag: str) -> float | list[float]:
    """Return one number, or several with commas between them: `104,117,123`, `(104, 117, 123)`."""
    found = _finite_numbers(text)
    if found is None:
        raise ToolboxError(f'{flag} "{text}" must be a number, or numbers with commas between them')
    return found[0] if len(found) == 1 else found


def numbers_or_file(text: str, flag: str) -> float | list[float] | str:
    """Return number or numbers, or the path of a file, which is what every other text is."""
    return text if _finite_numbers(text) is None else numbers(text, flag)


def parameters(text: str, flag: str) -> dict[str, float]:
    """Return named numbers: `{'lr': 100.0}` or `{lr: 100}`."""
    value = value_of(text)
    if not isinstance(value, dict):
        raise ToolboxError(f"""{flag} is "{text}"; write it as "{{'lr': 100.0}}\"""")
    return {str(key): each for key, each in value.items()}


def whole_number(text: str, flag: str, least: int = 0, most: int = LARGEST_WHOLE_NUMBER) -> int:
    """Return a whole number from `least` to `most`."""
    plain = text.strip()
    if not re.fullmatch(r"\d{1,16}", plain, re.ASCII) or not least <= int(plain) <= most:
        allowed = f"{least} or more" if most == LARGEST_WHOLE_NUMBER else f"{least} to {most}"
        raise ToolboxError(f'{flag} is "{text}"; it must be a whole number, {allowed}')
    return int(plain)


positive = partial(whole_number, least=1)
"""A whole number, 1 or more."""


def up_to(most: int) -> Callable[[str, str], int]:
    """Return the reader of whole numbers from 1 to `most`."""
    return partial(whole_number, least=1, most=most)


def auto_or_positive(text: str, flag: str) -> int | Literal["auto"]:
    """Return `auto`, or a whole number, 1 or more."""
    if text.strip() == "auto":
        return "auto"
    try:
        return positive(text, flag)
    except ToolboxError:
        raise ToolboxError(f'{flag} is "{text}"; it must be auto or a whole number, 1 or more') from None


def size(text: str, flag: str) -> int | tuple[int, int]:
    """Return a size in pixels, height first: `227`, `224x320`, `224,320`, `(224, 320)`."""
    match = _SIZE.fullmatch(_bare(text).lower())
    if not match or not int(match[1]) or not int(match[2] or 1):
        raise ToolboxError(f'{flag} is "{text}"; write a size as 224 or as HEIGHTxWIDTH, such as 224x320')
    return (int(match[1]), int(match[2])) if match[2] else int(match[1])


def place(text: str, flag: str) -> tuple[int, int] | None:
    """Return a place `(row, column)`, or None for `None`."""
    if text.strip() == "None":
        return None
    match = _PLACE.fullmatch(_bare(text))
    if not match:
        raise ToolboxError(f'{flag} is "{text}"; write a place as (row,column), such as (6,6)')
    return int(match[1]), int(match[2])


def seeds(text: str, flag: str) -> list[int]:
    """Return a list of whole numbers, each once: `0`, `0-8`, `1,4,7-9`."""
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


def addresses(text: str, flag: str) -> list[str]:
    """Return the addresses in a list with commas: `head:0-9,12,fc:1@2,3` holds `head:0-9,12` and `fc:1@2,3`.

    A part that ends a place before the next term of a sum, as `3 - fc:2` of `fc:1@2,3 - fc:2`, begins no address.
    """
    found: list[str] = []
    for part in text.split(","):
        if found and (_END_OF_TERM.match(part) or not (":" in part and ":" in found[-1])):
            found[-1] += f",{part}"
        else:
            found.append(part.strip())
    if not all(found):
        raise ToolboxError(f'{flag} is "{text}"; write addresses as layer:unit, layer:0-9 or layer:all')
    return found


def part(text: str, flag: str) -> tuple[int, int]:
    """Return a part of a whole, counted from 0: `0/4` is the first of four."""
    match = _PART.fullmatch(text.strip())
    if not match or int(match[1]) >= int(match[2]):
        raise ToolboxError(f'{flag}: "{text}" is no shard; write {flag} 0/4 for the first of four')
    return int(match[1]), int(match[2])


def device(text: str, flag: str) -> str:
    """Return a device's name: auto, cpu, cuda, cuda:N or mps."""
    try:
        return parsed_device(text)
    except ToolboxError as error:
        raise ToolboxError(f"{flag}: {error}") from None


def channels(text: str, flag: str) -> str:
    """Return what fills the input's channels, as written: RGB, BGR, gray, or several of these, `RGB+1`."""
    try:
        parsed_channels(text)
    except ToolboxError as error:
        raise ToolboxError(f"{flag}: {error}") from None
    return text


def three_channels(text: str, flag: str) -> list[int]:
    """Return the numbers of three channels: `3,2,1`."""
    found = _finite_numbers(text)
    if found is None or len(found) != 3 or not all(number >= 0 and number == int(number) for number in found):
        raise ToolboxError(f'{flag} is "{text}"; it is three numbers of channels, from 0 on: 3,2,1')
    return [int(number) for number in found]


def channel_order(text: str, flag: str) -> str:
    """Return the network's channel order from the original's swap to RGB: (2,1,0) is BGR, (0,1,2) RGB."""
    orders = {"BGR": [2, 1, 0], "RGB": [0, 1, 2]}
    found = next((name for name, order in orders.items() if order == _finite_numbers(text)), None)
    if found is None:
        raise ToolboxError(f'{flag} is "{text}"; it is (2,1,0) for a network in BGR order or (0,1,2) for one in RGB')
    return found


def written(value: float | str | Sequence[float]) -> str:
    """Return the text that the readers above read as `value`."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):  # a size
        return "x".join(map(written, value))
    if isinstance(value, Sequence):
        return ",".join(map(written, value))
    return str(int(value)) if float(value).is_integer() and abs(value) < LARGEST_WHOLE_NUMBER else repr(value)


def _bare(text: str) -> str:
    """Return a list without the brackets that Python's and YAML's users write."""
    plain = text.strip()
    return plain[1:-1].strip() if plain[:1] + plain[-1:] in ("()", "[]") else plain


def _finite_numbers(text: str) -> list[float] | None:
    try:
        found = [float(each) for each in _bare(text).split(",")]
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) else None
