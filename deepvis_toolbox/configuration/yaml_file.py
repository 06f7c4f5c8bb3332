"""YAML as people write it, read with the line of every key; untrusted, so without tags, aliases or repeated keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of, shown_path
from deepvis_toolbox.regular_file import read_regular

LARGEST_FILE = 1 << 20
DEEPEST = 20
MOST_PARTS = 20_000
"""Keys, values, lists and groups in one file: a thousand times what any has."""
LONGEST_TEXT = 1 << 16
"""Characters of a key or a value."""

_QUICK_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: twenty times as fast."""
_NO_TEXT = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
"""Bytes of names that are no UTF-8, as Python holds and writes them. libyaml does not take them."""

KeyPath = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
"""There is one way alone to take a text for a number: of two, Python would try all ways to divide its digits."""
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True)
class YamlFile:
    """A YAML file's mapping, and where each of its keys stands."""

    path: Path
    values: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def where(self, key_path: KeyPath) -> str:
        """Return `file:line` of a key, or of the nearest key around it."""
        for end in range(len(key_path), 0, -1):
            if key_path[:end] in self.lines:
                return f"{shown_path(self.path)}:{self.lines[key_path[:end]]}"
        return shown_path(self.path)


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file that holds one mapping; an empty file is an empty mapping. One-sentence `ToolboxError`s.

    Words mean what they look like: only `true` and `false` are truth values (`off` is a word), `1e-4` is a number,
    `1:30` and dates are words.
    """
    name = shown_path(path)
    node = _compose(_text_of(path), lambda line: f"{name}:{line + 1}")
    if node is None:
        return YamlFile(path, {})
    if not isinstance(node, yaml.MappingNode):
        raise ToolboxError(f"{name}: the file must consist of lines `key: value`")
    lines: dict[KeyPath, int] = {}
    return YamlFile(path, _value(node, (), lines, name), lines)


def parse_value(text: str, where: str) -> Any:
    """Return a value written on a command line: a word or number as it stands, or a YAML list or mapping in
    brackets."""
    if text.strip()[:1] not in ("[", "{", '"', "'"):
        return _plain(text.strip())
    node = _compose(text, lambda _line: where)
    return _value(node, (), {}, where)


def _text_of(path: Path) -> str:
    name = shown_path(path)
    try:
        return read_regular(path, LARGEST_FILE).decode("utf-8-sig")
    except FileNotFoundError:
        raise ToolboxError(f"there is no file {name}") from None
    except OSError as error:
        raise ToolboxError(f"{name} cannot be read: {os_reason_of(error)}") from None
    except UnicodeDecodeError:
        raise ToolboxError(f"{name} is not a text file in UTF-8") from None


def _compose(text: str, where: Callable[[int], str]) -> yaml.Node | None:
    loader = yaml.SafeLoader if _NO_TEXT.search(text) else _QUICK_LOADER
    try:
        # The events come one by one without nesting in memory, so that a bomb is refused before it is built.
        _check_events(yaml.parse(text, Loader=loader), where)
        return yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ToolboxError(f"{where(mark.line if mark else 0)}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ToolboxError(f"{where(0)}: not valid YAML: {reason_of(error)}") from None


def _check_events(events: Iterable[yaml.Event], where: Callable[[int], str]) -> None:
    depth = 0
    for number, event in enumerate(events):
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ToolboxError(f"{where(line)}: anchors and aliases (& and *) are not used here")
        if getattr(event, "tag", None):
            raise ToolboxError(f"{where(line)}: tags (!) are not used here")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ToolboxError(f"{where(line)}: nested more than {DEEPEST} deep")
        if number > MOST_PARTS:
            raise ToolboxError(f"{where(line)}: more than {MOST_PARTS} keys and values; that is no configuration")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_TEXT:
            raise ToolboxError(f"{where(line)}: a text of more than {LONGEST_TEXT} characters")


def _value(node: yaml.Node | None, path: KeyPath, lines: dict[KeyPath, int], name: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, name)
    if isinstance(node, yaml.SequenceNode):
        for index, part in enumerate(node.value):
            lines[(*path, index)] = part.start_mark.line + 1
        return [_value(part, (*path, index), lines, name) for index, part in enumerate(node.value)]
    if not isinstance(node, yaml.ScalarNode):
        return None
    return node.value if node.style else _plain(node.value)


def _mapping(node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], name: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ToolboxError(f"{name}:{line}: a key must be a word")
        key = str(key_node.value)
        if key in values:
            raise ToolboxError(f'{name}:{line}: "{key}" stands twice; its first line is {lines[(*path, key)]}')
        lines[(*path, key)] = line
        values[key] = _value(value_node, (*path, key), lines, name)
    return values


def _plain(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
