"""Changes of nested values as JSON and YAML hold them: parts missing, of another type, nested, huge, not finite."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from tests.fuzz.mutations.plain_bytes import PLAIN

Path = tuple[str | int, ...]

_RAW = re.compile(r'"raw value (\d+)"|\braw value (\d+)\b')
"""Stands for a text that no value of Python is written as."""

SHARED_TEXTS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 30, "-" + "9" * 400, "1" * 5000, "0x1F", "1_000"),
    *("[" * 200 + "]" * 200, "[" * 5000, '{"a":' * 300 + "1" + "}" * 300, '"\\ud800"', '"\\u0000"', "1e-400", "-0"),
)
JSON_TEXTS = (*SHARED_TEXTS, "[" * 100_000 + "]" * 100_000, "", "nul", '"', "01")
YAML_TEXTS = (
    *SHARED_TEXTS,
    *(".nan", ".inf", "-.inf", "!!python/object/apply:os.abort []", "&a [*a]", "*a", "<<", "2026-01-01", "1:30", "~"),
    *("{a: 1, a: 2}", "{[1]: 2}", "|\n      text", "? a", "- - - - 1", "yes", "0o17", "off", '"\\x00"', "[1, 2", "{"),
)
WORDS = (
    *("", " ", "\x00", "a\nb", "\u2028", "ä" * 300, "x" * 70_000, "../../../etc/passwd", "/dev/zero", "~nobody/x"),
    *("0", "-1", "true", "null", "NaN", "%s%n", "conv1:0", "conv1:all", "\U0001f600", "\ud800", "."),
)
MOST_PARTS = 5000
"""A tree of more parts is changed no further: what multiplies its parts, more than once, would take all memory."""
NUMBERS = (
    0,
    1,
    -1,
    2,
    255,
    2**31,
    -(2**31),
    2**63,
    2**64,
    10**40,
    0.5,
    -0.0,
    1e300,
    1e-300,
    float("nan"),
    float("inf"),
)


def json_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A JSON file with other values in it."""
    try:
        tree = json.loads(content)
        other = json.loads(dice.choice([*donors, content]))
        return _filled(json.dumps(changed(tree, dice, other, len(JSON_TEXTS)), indent=1), JSON_TEXTS)
    except (ValueError, RecursionError):  # broken already
        return dice.choice(PLAIN)(content, dice, donors)


def json_lines_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A file of JSON lines with other values in one of them, or with other lines."""
    lines = content.split(b"\n")
    at = dice.randrange(len(lines))
    how = dice.randrange(5)
    if how < 2:
        others = [line for donor in donors for line in donor.split(b"\n") if line]
        lines[at] = json_changed(lines[at], dice, others).replace(b"\n", b"")
    elif how == 2:
        del lines[at]
    elif how == 3:
        lines.insert(dice.randrange(len(lines) + 1), lines[at])
    else:
        lines.insert(at, dice.choice([b"", b"[]", b"{}", b"null", b"[1]", b"\xe2\x80\xa8", b"5", b'["a", "b", 3]']))
    return b"\n".join(lines)


def yaml_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A YAML file with other values in it."""
    try:
        tree = yaml.load(content, yaml.CSafeLoader)
        other = yaml.load(dice.choice([*donors, content]), yaml.CSafeLoader)
        tree = changed(tree, dice, other, len(YAML_TEXTS))
        flow = dice.choice([None, None, False, True])
        text = yaml.dump(tree, None, yaml.CSafeDumper, default_flow_style=flow, allow_unicode=True, width=1 << 30)
        return _filled(text, YAML_TEXTS)
    except (yaml.YAMLError, ValueError, RecursionError):  # broken already
        return dice.choice(PLAIN)(content, dice, donors)


def changed(tree: Any, dice: random.Random, other: Any = None, raw_texts: int = 0) -> Any:
    """Return a tree of dictionaries and lists with one to three changes; `other` is a tree to take parts from."""
    tree = copy.deepcopy(tree)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        places = paths(tree)
        if len(places) > MOST_PARTS:
            break
        tree = _with_change(tree, dice.choice(places), dice, other, raw_texts)
    return tree


def paths(tree: Any, at: Path = ()) -> list[Path]:
    """Return the places of all parts of a tree."""
    found = [at]
    parts = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in parts:
        found += paths(part, (*at, key))
    return found


def json_with(content: bytes, at: Path, value: Any) -> bytes:
    """Return a JSON file with another value at a place."""
    return json.dumps(put(json.loads(content), at, value)).encode()


def put(tree: Any, at: Path, value: Any) -> Any:
    """Return the tree with another part at a place."""
    if not at:
        return value
    part_at(tree, at[:-1])[at[-1]] = value
    return tree


def part_at(tree: Any, at: Path) -> Any:
    """Return the part at a place."""
    for key in at:
        tree = tree[key]
    return tree


def _with_change(tree: Any, at: Path, dice: random.Random, donor: Any, raw_texts: int) -> Any:
    how = dice.randrange(8)
    if how == 0 and at:
        del part_at(tree, at[:-1])[at[-1]]
        return tree
    if how == 1 and raw_texts:
        return put(tree, at, f"raw value {dice.randrange(raw_texts)}")
    if how == 2:
        return put(tree, at, copy.deepcopy(part_at(donor, dice.choice(paths(donor)))))
    if how == 3:
        return put(tree, at, dice.choice(_WRAPPINGS)(copy.deepcopy(part_at(tree, at))))
    return put(tree, at, _other(part_at(tree, at), dice))


def _other(value: Any, dice: random.Random) -> Any:
    """Return a value of the same type or of another one."""
    if isinstance(value, dict) and dice.random() < 0.7:
        key = dice.choice([*value, *WORDS])
        return {**value, key: dice.choice([*value.values(), *NUMBERS, *WORDS])}
    if isinstance(value, list) and dice.random() < 0.7:
        return dice.choice(
            [value * 2, value[:-1], value[::-1], value * (1000 // (len(value) + 1) + 1), [*value, None], [], [value]]
        )
    if isinstance(value, int | float) and not isinstance(value, bool) and dice.random() < 0.7:
        return dice.choice([*NUMBERS, value + 1, value - 1, -value, value * 1000, [value], repr(value)])
    if isinstance(value, str) and dice.random() < 0.7:
        return dice.choice([*WORDS, value + "x", value[:-1], value.upper(), (value * 100)[:100_000], value[::-1]])
    return dice.choice([None, True, False, {}, [], "", "word", 1, -1, 2.5, [[]], {"a": 1}, *NUMBERS])


_WRAPPINGS: tuple[Callable[[Any], Any], ...] = (
    lambda value: [value],
    lambda value: {"a": value},
    lambda value: {str(index): value for index in range(50)},
    lambda value: [value] * 50,
    lambda value: _nested(value, 60),
)


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def _filled(text: str, raw_texts: Sequence[str]) -> bytes:
    filled = _RAW.sub(lambda match: raw_texts[int(match[1] or match[2])], text)
    return filled.encode("utf-8", "surrogatepass")
