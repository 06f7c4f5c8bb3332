"""Classes by their names: which unit of a label layer `ostrich` means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from deepvis_toolbox.errors import ToolboxError, first_few

_SYNSET = re.compile(r"n\d{8}\s+")
"""WordNet's number, which stands before the name in many lists of ImageNet's classes."""
_SHOWN = 5


@dataclass(frozen=True)
class ClassNames:
    """The names of a network's classes, and the layers whose units they are."""

    labels: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """{layer: the names of its units}: of added layers, segmentations, and detectors' heads."""

    def of(self, layer: str) -> tuple[str, ...]:
        """Return the names of a layer's units, in their order; empty where they have none."""
        return self.labels if layer in self.layers else self.others.get(layer, ())

    def is_class(self, name: str, layer: str) -> bool:
        """Whether a class of this layer has exactly this name, in capitals or not. Numbers and "all" are no names."""
        is_name = name != "all" and any(map(str.isalpha, name))
        return is_name and _plain(name) in map(_plain, self.of(layer))

    def channel(self, name: str, layer: str, address: str) -> int:
        """Return the unit of `layer` whose class is called `name`: exactly so, by one of its names, or by the
        beginning of only one.

        Capitals do not matter. Raises `ToolboxError`, which names `address`, where no class or several are meant.
        """
        labels = self.of(layer)
        if not labels or not any(map(str.isalpha, name)):
            raise ToolboxError(
                f'"{name}" in "{address}" is neither a unit, a range such as 0-9, nor "all"{self._hint()}'
            )
        wanted = _plain(name)
        for is_meant in (_is_whole, _is_one_name, _begins_one_name):
            found = [channel for channel, label in enumerate(labels) if is_meant(wanted, label)]
            if len(found) == 1:
                return found[0]
            if found:
                raise ToolboxError(self._several(name, layer, address, found))
        raise ToolboxError(f'"{address}": no class of layer "{layer}" is called "{name}"{self._nearest(wanted, layer)}')

    def _hint(self) -> str:
        named = [*(self.layers if self.labels else ()), *self.others]
        return f"; classes have their names in {' and '.join(named)}" if named else ""

    def _several(self, name: str, layer: str, address: str, found: list[int]) -> str:
        named = [f"{layer}:{channel} ({self.of(layer)[channel]})" for channel in found]
        return f'"{address}": "{name}" may be {first_few(named, _SHOWN)}; write one of them'

    def _nearest(self, wanted: str, layer: str) -> str:
        """Return a hint: the class whose name holds the text as a word, or is spelled most like it."""
        labels = self.of(layer)
        names = {name: channel for channel, label in reversed(list(enumerate(labels))) for name in _names(label)}
        holding = [name for name in names if wanted and wanted in name.split()]
        near = holding or get_close_matches(wanted, list(names), n=1, cutoff=0.5)
        if not near:
            return f"; classes are {layer}:0 ({labels[0]}) to {layer}:{len(labels) - 1} ({labels[-1]})"
        channel = names[near[0]]
        return f'; did you mean "{layer}:{labels[channel]}" ({layer}:{channel})?'


def _is_whole(wanted: str, label: str) -> bool:
    return wanted in (_plain(label), _plain(_SYNSET.sub("", label, count=1)))


def _is_one_name(wanted: str, label: str) -> bool:
    return wanted in _names(label)


def _begins_one_name(wanted: str, label: str) -> bool:
    return bool(wanted) and any(name.startswith(wanted) for name in _names(label))


def _names(label: str) -> Iterator[str]:
    """Give the names in a label, which may be several with commas: `n01518878 ostrich, Struthio camelus`."""
    yield from (_plain(name) for name in _SYNSET.sub("", label, count=1).split(","))


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
