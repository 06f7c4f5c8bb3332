"""The kinds of sources: each registers itself where it is defined, and is found by what it claims."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TypeVar

from deepvis_toolbox.sources.source import Source

SourceClass = TypeVar("SourceClass", bound=type[Source])

_kinds: list[type[Source]] = []


def register_source(kind: SourceClass) -> SourceClass:
    """Class decorator: makes `--input` know this kind of source."""
    _kinds.append(kind)
    return kind


def source_kinds() -> tuple[type[Source], ...]:
    """All kinds, in the order of their modules' names in `kinds`."""
    from deepvis_toolbox.sources import kinds

    for module in pkgutil.iter_modules(kinds.__path__):
        importlib.import_module(f"{kinds.__name__}.{module.name}")
    return tuple(_kinds)
