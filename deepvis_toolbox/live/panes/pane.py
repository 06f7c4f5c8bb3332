"""What a pane is: a name, a place, what it needs computed, how it is drawn, what lies under the mouse, and its keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.live.keys import Action, Binding
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import InputPixel, MapPlace, State, Stroke
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure.measurement import Question


class Slot(Enum):
    """A part of the window. Panes in the same slot share its height, one above the other; overlays lie on top."""

    LEFT = auto()
    LIST = auto()
    MAIN = auto()
    RIGHT = auto()
    """The column for unit images; without a pane that is shown it takes no room."""
    STATUS = auto()
    OVERLAY = auto()
    """All but the status line, above everything else."""


Drag = Callable[[State, Stroke], None]


@dataclass(frozen=True)
class Hit:
    """What lies at a pixel of a pane, and what the mouse does there."""

    what: object = None
    """A unit, a layer, a kind of pictures; None where it is the pane itself."""
    click: Action | None = None
    double_click: Action | None = None
    wheel: Callable[[State, int], None] | None = None
    """Called with the state and the notches that the wheel was turned by; up is above zero."""
    drag: Drag | None = None
    """Called while the mouse is dragged from here, wherever it goes, and when its button is let go."""
    with_pictures: bool = False
    """Whether the mouse over the unit `what` shows its preferred images."""
    place: MapPlace | InputPixel | None = None
    """What the mouse points at: marks elsewhere say where that is."""
    shift_click: Action | None = None
    """In the place of `click` while Shift is held; None: the same."""


class Pane(ABC):
    """One part of the window. Panes hold nothing: what is kept between drawings lies in `scene.kept`."""

    name: ClassVar[str]
    slot: ClassVar[Slot]
    keys: ClassVar[tuple[Binding, ...]] = ()
    fixed_height: ClassVar[float] = 0
    """Pixels at scale 1; 0: an equal share of what the others of its slot leave."""

    says_what_is_changed: ClassVar[bool] = False
    """Whether it says itself that the network is edited or its input perturbed; others get a tag."""

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether the pane is to be seen at all."""
        return True

    def needs(self, state: State) -> Iterable[Question[Any]]:  # noqa: ARG002
        """Return what the worker has to answer for this pane; asked only while it is shown."""
        return ()

    def facts(self, height: int, width: int, scene: Scene) -> Mapping[str, object]:  # noqa: ARG002
        """Return fields of `State.facts` that follow from how much room the pane has, which keys need to know."""
        return {}

    @abstractmethod
    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw over all of `pixels`, RGB uint8 H×W×3; overlays over a part of it. Changes nothing else."""

    def card(self, height: int, width: int, scene: Scene) -> Box | None:  # noqa: ARG002
        """Return the part of an overlay of this size that the mouse may use; None: it goes to what lies below."""
        return None

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Return what lies at a pixel of a pane of this size."""
        return Hit()
