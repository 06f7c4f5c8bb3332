"""What a figure is: work in pieces that are kept one by one, then a drawing of what they gave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from deepvis_toolbox.paper.study import Study
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.registry import Registry
from deepvis_toolbox.words.images import RGBImage

Arrays = Mapping[str, NDArray]
"""What a piece of work gave, by name."""


@dataclass(frozen=True)
class Piece:
    """A part of a figure's work, done and kept as a whole."""

    name: str
    identity: Mapping[str, Any]
    """All that its result depends on beside the network, as plain data."""
    passes: float
    """How many images go forward and backward through the network for it: what it costs."""
    make: Callable[[Progress], Arrays]
    """Does the work; `Progress` advances by 1 for each pass."""


@dataclass(frozen=True)
class Page:
    """One picture of a figure, RGB uint8 (H, W, 3), with what is printed below it."""

    drawing: RGBImage
    caption: str
    name: str = ""
    """Tells the pages of one figure apart."""
    suffix: str = ".jpg"
    """`.png` for what is lines and letters."""


@dataclass(frozen=True)
class Drawn:
    """A whole figure."""

    pages: Sequence[Page]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, plain data for JSON."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Every setting by which it was made, plain data for JSON."""


class Figure(ABC):
    """One figure, table or argument of the paper; its docstring's first line says what it shows."""

    name: ClassVar[str]
    """As `--figure` names it."""
    title: ClassVar[str]

    @abstractmethod
    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return the work to be done. `ToolboxError` where the figure cannot be made of this network."""

    @abstractmethod
    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return the figure, drawn from what its pieces gave, by their names."""


FIGURES: Registry[type[Figure]] = Registry("figure", home="deepvis_toolbox.paper.figures", sets_name=True)


def register_figure(name: str) -> Callable[[type[Figure]], type[Figure]]:
    """Return a decorator that makes a figure known by its name."""
    return FIGURES.register(name)
