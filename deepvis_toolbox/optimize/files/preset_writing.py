"""Saves a set of parameters as a preset in a model.yaml, leaving the rest of the file as its author wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deepvis_toolbox.atomic_files import write_text
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.opening.model_file import read_model_file
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from deepvis_toolbox.optimize.method.ascent_settings import settings_from

_PATIENCE = 10.0
"""Seconds to wait for another run that adds a preset to the same file."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SECTION = re.compile(r"^presets:[ \t]*(#.*)?\n", re.MULTILINE)


def save_preset(path: Path, name: str, values: Mapping[str, Any]) -> None:
    """Add the preset to the model.yaml at `path`. `ToolboxError` where the name is taken or it cannot be written."""
    if not _NAME.fullmatch(name):
        raise ToolboxError(f'"{name}" cannot be a preset\'s name; use letters, digits, - and _')
    if name in PAPER_PRESETS:
        raise ToolboxError(f'"{name}" is a preset of the paper\'s; choose another name')
    settings_from(values, f'preset "{name}"')
    with FolderLock(path.parent, path.name, _PATIENCE):
        _add(path, name, values)


def _add(path: Path, name: str, values: Mapping[str, Any]) -> None:
    known = read_model_file(path).presets
    if name in known:
        raise ToolboxError(f'"{path}" has a preset "{name}" already; choose another name, or remove it there')
    text = path.read_text("utf-8")
    line = f"  {name}: {_flow(values)}\n"
    if _SECTION.search(text):
        changed = _SECTION.sub(lambda match: match[0] + line, text, count=1)
    elif known or re.search(r"^presets:", text, re.MULTILINE):
        raise ToolboxError(f'the presets in "{path}" are written in one line; write them one below the other first')
    else:
        changed = text.rstrip("\n") + "\npresets:\n" + line
    if not _adds_only(name, text, changed):
        raise ToolboxError(
            f'"{path}" is written so that nothing can be added; write by hand, as a preset: {line.strip()}'
        )
    write_text(path, changed)


def _adds_only(name: str, text: str, changed: str) -> bool:
    """Return whether the changed YAML says the same and the preset; what looks like a section may be quoted."""
    try:
        before, after = (yaml.load(each, yaml.BaseLoader) for each in (text, changed))  # every value as its text
        added = after["presets"].pop(name, None)
        return added is not None and {"presets": {}} | after == {"presets": {}} | before | {
            "presets": before.get("presets") or {}
        }
    except (yaml.YAMLError, TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return False


def _flow(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False, width=10_000).strip()
