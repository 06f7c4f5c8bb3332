"""What a layer is, the ordered mapping of a network's layers, and rectangles of input pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from deepvis_toolbox.errors import ToolboxError, nearest_name


class Rect(NamedTuple):
    """A rectangle in input pixels, half open: rows top..bottom-1, columns left..right-1. It may leave the image."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Layer:
    """One named place in the network that has activations.

    `shape` has no batch dimension: spatial (C, H, W), flat (C,), tokens (T, D) or anything else a graph can hold.
    `kind` is one short word: input, conv, linear, relu, pool, lrn, norm, add, concat, softmax, dropout, …
    `rectifier` is the kind of the rectifier that gives the layer's value (relu, relu6, silu, …), or an empty string:
    where there is one, a backward pass starts and arrives below it.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    rectifier: str = ""
    added_to: str = ""
    """The layer that it reads, where a user has added it to the network: nothing of the network reads it."""
    unit_names: tuple[str, ...] = field(default=(), repr=False)
    """The names of its units, by its maker or by what is known of them; empty where they have none."""
    grid: tuple[int, int] | None = None
    """(rows, columns) of the tokens, where a map below tells them; its other tokens stand in front."""
    tells_attention: bool = False
    """Whether it is known of it which tokens attend to which, of all."""
    attends_in_windows: bool = False
    """Whether it is known of it which places of its maps attend to which, inside of windows."""
    heads: int = 0
    """How many heads of attention its units are of, as many of each, one head after the other; 0: of none."""

    has_class_map: bool = False
    """Whether its units are classes, and the largest at a place is what is there: the output of a segmentation."""

    @property
    def is_spatial(self) -> bool:
        """Whether the layer has places: shape (C, H, W), where H and W may be 1."""
        return len(self.shape) == 3

    @property
    def is_tokens(self) -> bool:
        """Whether the layer holds T tokens of D values: shape (T, D)."""
        return len(self.shape) == 2

    @property
    def channels(self) -> int:
        """How many units the layer has: C, or D where it holds tokens."""
        return self.shape[-1] if self.is_tokens else self.shape[0]

    @property
    def token_grid(self) -> tuple[int, int] | None:
        """(rows, columns) where the tokens, but for class tokens and registers in front, form a grid: that of a map
        below, else a square one behind at most two other tokens; None where they form none."""
        if not self.is_tokens or self.grid:
            return self.grid
        for extra in (0, 1, 2):
            side = round((self.shape[0] - extra) ** 0.5)
            if side > 0 and side * side == self.shape[0] - extra:
                return side, side
        return None

    @property
    def other_tokens(self) -> int:
        """How many class tokens and registers stand in front of those of the grid; 0 where there is no grid."""
        return self.shape[0] - self.token_grid[0] * self.token_grid[1] if self.token_grid else 0

    @property
    def map_shape(self) -> tuple[int, int]:
        """Height and width of one unit's map: (1, 1) without places; tokens that form no grid lie in a row."""
        if self.is_tokens:
            return self.token_grid or (1, self.shape[0])
        return (self.shape[1], self.shape[2]) if self.is_spatial else (1, 1)

    def flat_place(self, row: int, column: int) -> int:
        """Return where a place lies among a unit's values: row by row, behind class tokens and registers."""
        return self.other_tokens + row * self.map_shape[1] + column

    @property
    def has_places(self) -> bool:
        """Whether one can say where in the picture a unit is active: its maps have at least 2×2 places."""
        return (self.is_spatial or self.token_grid is not None) and min(self.map_shape) > 1

    @property
    def centre(self) -> tuple[int, int] | None:
        """The default place of a unit, (H // 2, W // 2); None where the layer is not spatial."""
        return (self.shape[1] // 2, self.shape[2] // 2) if self.is_spatial else None


def named_layers(given: str | Layer | Iterable[str | Layer]) -> list[str]:
    """Return the names that a call was given: one name, or several. `ToolboxError` for what is no name.

    A lone string is one layer's name, never the list of its letters.
    """
    if isinstance(given, str | Layer):
        given = [given]
    try:
        names = [each.name if isinstance(each, Layer) else each for each in given]
    except TypeError:
        raise ToolboxError(f'layers are given by their names, such as ["fc"], not as {given!r}') from None
    for name in names:
        if not isinstance(name, str):
            raise ToolboxError(f'layers are given by their names, such as ["fc"]; {name!r} is none')
    return names


class Layers(Mapping[str, Layer]):
    """A network's layers, in the order of computation, the input first.

    A group's name is an alias of its last layer: `block3` means `block3.add`. Aliases are found by `[]`, `in` and
    `canonical`, and are not listed.
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._aliases: dict[str, str] = {}
        for name, layer in self._layers.items():
            parts = name.split(".") if not layer.added_to else ()
            for end in range(1, len(parts)):
                self._aliases[".".join(parts[:end])] = name
        for name in self._layers:
            self._aliases.pop(name, None)

    def canonical(self, name: str) -> str:
        """Return the listed name that `name` means. Raises `ToolboxError` naming the nearest layer where there is
        none."""
        if name in self._layers:
            return name
        if name in self._aliases:
            return self._aliases[name]
        hint = nearest_name(name, [*self._layers, *self._aliases])
        raise ToolboxError(f'the network has no layer "{name}"{hint or "; its layers: " + self._outline()}')

    def matching(self, patterns: str | Iterable[str]) -> list[str]:
        """Return the listed names that names, groups' names or patterns with `*` and `?` mean, in the network's order.

        Raises `ToolboxError` for one that means nothing.
        """
        wanted: set[str] = set()
        for pattern in named_layers(patterns):
            matches = [name for name in self if fnmatchcase(name, pattern)] if pattern not in self else []
            wanted.update(matches or [self.canonical(pattern)])
        return [name for name in self if name in wanted]

    def __getitem__(self, name: str) -> Layer:
        try:
            return self._layers[self._aliases.get(name, name)]
        except KeyError:
            raise KeyError(name) from None

    def __contains__(self, name: object) -> bool:
        return name in self._layers or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"Layers({', '.join(self._layers)})"

    def _outline(self) -> str:
        names = list(self._layers)
        return ", ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-5:]])
