"""Nested values from several places, later ones overruling earlier ones, and where each of them was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deepvis_toolbox.configuration.yaml_file import KeyPath

BUILT_IN = "built-in"
"""Where a value comes from that nobody wrote."""


class GatheredValues:
    """What was written so far: `values`, nested, and `origins`, the place of every key."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[KeyPath, str] = {}

    def take(self, values: Mapping[str, Any], where: Callable[[KeyPath], str]) -> None:
        """Overrule what is there. `where` tells the place of each key. Lists are replaced as a whole."""
        self._merge(self.values, values, where, ())

    def _merge(
        self, into: dict[str, Any], values: Mapping[str, Any], where: Callable[[KeyPath], str], at: KeyPath
    ) -> None:
        for key, value in values.items():
            path = (*at, key)
            self.origins[path] = where(path)
            if isinstance(value, Mapping) and isinstance(into.setdefault(key, {}), dict):
                self._merge(into[key], value, where, path)
            else:
                into[key] = value

    def where(self, path: KeyPath) -> str:
        """Return where the key, or the nearest key around it, was written."""
        known = (self.origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.origins)
        return next(known, BUILT_IN)
