"""What the window shows, as plain data; the actions that change it are in `actions`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deepvis_toolbox.live.pictures.unit_pictures import PatternTiles, UnitPictures
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.words.backward import BackwardView, ChosenBackwardMode
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

CursorArea = Literal["layers", "tiles"]
Zoom = Literal["tiles", "unit", "backward"]
Pattern = Literal["off", "regularized_opt", "max_im"]

GAMMAS = (1.0, 0.7, 0.5, 0.3)
"""Exponents for the tiles' brightness: below 1, faint values show."""
CHANNEL_BOOSTS = (0.0, 0.3, 0.5, 0.8, 1.0)
"""How far each tile is scaled by its own maximum (1) instead of the layer's (0)."""


@dataclass(frozen=True)
class LayerEntry:
    """One layer as the window lists it. `shape` has no batch dimension: (C, H, W), (C,) or (tokens, D)."""

    name: str
    shape: tuple[int, ...]
    kind: str = ""

    @property
    def units(self) -> int:
        """How many tiles the layer has: C, or D where it holds tokens."""
        return self.shape[-1] if len(self.shape) == 2 else self.shape[0]


@dataclass(frozen=True)
class Origin:
    """The layer and the unit where the backward pass starts."""

    layer: str
    unit: int


@dataclass
class State:
    """Everything that keys and clicks change. The first block comes from outside and survives a reset."""

    layers: tuple[LayerEntry, ...] = ()
    """Empty while the network is loading."""
    has_unit_images: bool = False
    """Whether the model (or a setting) names a folder for unit images."""
    unit_pictures: UnitPictures | None = None
    """The selected unit's pictures, as the shelf last found them."""
    pattern_tiles: PatternTiles | None = None
    tile_size: int = 0
    """How many pixels a tile of pattern mode is high and wide; the tile pane says so."""
    tile_columns: int = 1
    """How many columns the tile grid has now; the tile pane says so, up and down need it."""
    sources: int = 1
    source_index: int = 0
    source_note: str = ""
    """What the source says about itself: `camera lost, retrying`."""
    message: str = ""
    """One sentence for the status line: what the last key did, or why it did nothing."""
    loading: str = ""
    """What is being loaded; empty once the network is there."""
    labels: tuple[str, ...] = ()
    """Class names in the order of the label layers' units; empty where unknown."""
    label_layers: tuple[str, ...] = ()
    """Layers whose units are the classes."""
    window_timings: dict[str, float] = field(default_factory=dict)
    """Milliseconds of each step of drawing, for the debug display."""
    start_values: dict[str, Any] = field(default_factory=dict)
    """Fields that the settings want to start with something else than what stands here; a reset returns to them."""
    window_rate: float = 0.0
    """Windows drawn a second; the main loop measures it."""
    error: str = ""
    """What made a thread fail, for the window to show; empty while all run."""

    cursor_area: CursorArea = "layers"
    layer_index: int = 0
    unit: int = 0
    layer_scroll: int | None = None
    """First layer name shown, where the wheel has moved the list; None: the list follows the selection."""

    backward: ChosenBackwardMode = "off"
    backward_view: BackwardView = "raw"
    frozen_origin: Origin | None = None
    show_gradients: bool = False

    zoom: Zoom = "tiles"
    zoomed_pictures: UnitImageKind | None = None
    """The pictures that were chosen to be enlarged by `zoom` "unit"; None: what the tiles show."""
    gamma_index: int = 0
    channel_boost_index: int = 0
    show_labels: bool = True
    show_help: bool = False
    show_timings: bool = False
    show_unit_images: bool = True
    pattern: Pattern = "off"
    growing: frozenset[str] = frozenset()
    """Addresses of the units whose preferred images are made on demand, while they are selected."""

    camera_frozen: bool = False
    stretch: bool = False
    """Stretch the frame to a square instead of cropping the largest one."""

    picture_steps: int = 0
    """Pictures to move on (or back, below zero); the main loop hands them to the source."""
    screenshot_wanted: bool = False
    quit: bool = False

    @property
    def layer(self) -> LayerEntry | None:
        """The layer whose tiles are shown; None while the network is loading."""
        return self.layers[self.layer_index] if self.layers else None

    @property
    def unit_is_selected(self) -> bool:
        """Whether the cursor is on a tile; while it is in the layer list no unit counts as selected."""
        return self.cursor_area == "tiles"

    @property
    def origin(self) -> Origin | None:
        """Where the backward pass starts: the frozen origin, else the selected unit."""
        if self.frozen_origin or not self.layer:
            return self.frozen_origin
        return Origin(self.layer.name, self.unit)

    @property
    def address(self) -> str:
        """The selected unit as every command line accepts it, `layer:unit`; empty while loading."""
        return f"{self.layer.name}:{self.unit}" if self.layer else ""

    @property
    def enlarged_pictures(self) -> UnitImageKind | None:
        """Which of the selected unit's pictures fill the tiles' place; None where something else does."""
        if self.zoom != "unit":
            return None
        return self.zoomed_pictures or (self.pattern if self.pattern != "off" else None)

    @property
    def gamma(self) -> float:
        return GAMMAS[self.gamma_index]

    @property
    def channel_boost(self) -> float:
        return CHANNEL_BOOSTS[self.channel_boost_index]


def started_with(**values: Any) -> State:
    """A state with some fields set from the settings; a reset returns to them."""
    return State(**values, start_values=values)


def make_request(state: State) -> Request:
    """What the worker must compute for this state; its layer is empty while the network is loading."""
    if not state.layer or not state.origin:
        return Request(layer="", unit=0, stretch=state.stretch)
    return Request(
        layer=state.layer.name,
        unit=state.unit,
        backward=state.backward,
        origin_layer=state.origin.layer,
        origin_unit=state.origin.unit,
        show_gradients=state.show_gradients,
        grow=state.address in state.growing,
        stretch=state.stretch,
    )
