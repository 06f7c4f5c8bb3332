"""The kinds of sources: each registers itself where it is defined, and is found by what it claims."""

from __future__ import annotations

from typing import TypeVar

from deepvis_toolbox.registry import Registry
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS

SourceClass = TypeVar("SourceClass", bound=type[Source])

SOURCES: Registry[type[Source]] = Registry("kind of input", home="deepvis_toolbox.sources.kinds", words=INPUT_FORMS)
"""Every kind by its `form`, the built-in ones in the order of their modules' names."""


def register_source(kind: SourceClass) -> SourceClass:
    """Make `--input` know this kind of source, under the form in which it is written; a class decorator."""
    return SOURCES.add(kind.form, kind)
