"""What the window shows, as plain data in three records; the actions that change it are in `actions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from deepvis_toolbox.live.mouse_places import Hovered
from deepvis_toolbox.live.mouse_places import InputPixel as InputPixel
from deepvis_toolbox.live.mouse_places import MapPlace as MapPlace
from deepvis_toolbox.live.mouse_places import Stroke as Stroke
from deepvis_toolbox.live.orders import Orders as Orders
from deepvis_toolbox.live.other_network import NetworksShown, OtherNetworkFacts
from deepvis_toolbox.live.pictures.unit_pictures import PatternTiles, ShownPicture, UnitPictures
from deepvis_toolbox.live.scanned import ScannedUnits
from deepvis_toolbox.live.text_entry import TextEntry as TextEntry
from deepvis_toolbox.live.tile_order import TileOrder, TileUnits
from deepvis_toolbox.words.backward import BackwardView, ChosenBackwardMode
from deepvis_toolbox.words.comparison import OTHER_NETWORK, Pinned, Reference
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Layer, Rect
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

CursorArea = Literal["layers", "tiles"]
Zoom = Literal["tiles", "unit", "backward"]
Overlay = Literal["none", "area", "heat", "Grad-CAM", "gradient", "attention", "rollout", "token norm", "classes"]
OVERLAYS: tuple[Overlay, ...] = get_args(Overlay)
Pattern = Literal["off", "regularized_opt", "max_im"]
Why = Literal["off", "feeds", "raises", "weights"]

GAMMAS = (1.0, 0.7, 0.5, 0.3)
"""Exponents for the tiles' brightness: below 1, faint values show."""
CHANNEL_BOOSTS = (0.0, 0.3, 0.5, 0.8, 1.0)
"""How far each tile is scaled by its own maximum (1) instead of the layer's (0)."""


@dataclass
class Facts:
    """What comes from outside: the network, the sources, the disk, the window's size, threads that fail."""

    layers: tuple[Layer, ...] = ()
    """Empty while the network is loading."""
    labels: tuple[str, ...] = ()
    """Class names in the order of the label layers' units; empty where unknown."""
    label_layers: tuple[str, ...] = ()
    """Layers whose units are the classes."""
    other: OtherNetworkFacts | None = None
    """The network that is opened beside it; None where there is none."""
    no_edits: str = ""
    """Why the engine computes no edited passes; empty where it does."""
    loading: str = ""
    """What is being loaded; empty once the network is there."""
    error: str = ""
    """What made a thread fail, for the window to show; empty while all run."""
    message: str = ""
    """One sentence above the status line: what the last key did, or why it did nothing."""
    noticing: frozenset[Any] = frozenset()  # questions asked for no pane, to tell of what is wrong
    is_filming: bool = False
    """A key has begun a film of the window."""
    recording_stopped: bool = False
    """The film that was asked for cannot be written any more."""
    sources: int = 1
    source_note: str = ""
    """What the source says about itself: `camera lost, retrying`."""
    source_gone: bool = False
    """The source's frames have stopped coming: what is shown is the last one."""

    is_training: bool = False
    """Whether the network's weights are watched while they change."""
    has_unit_images: bool = False
    """Whether the model (or a setting) names a folder for unit images."""
    makes_pictures: bool = True
    """Whether a key makes some; in a browser none does."""
    unit_pictures: UnitPictures | None = None
    """The selected unit's pictures, as the shelf last found them."""
    pattern_tiles: PatternTiles | None = None
    chosen_maps: Mapping[Unit, Floats] = field(default_factory=dict)
    """The selected unit's and the marked ones' activations as shown last, (H, W) or (); without those not shown."""

    pinnable: Pinned | None = None
    """The picture that is shown; None while there is none that was computed."""
    tile_columns: int = 1
    """How many columns the tile grid has now; up and down need it."""
    tile_size: int = 0
    """How many pixels a tile is high and wide."""
    tile_units: TileUnits | None = None
    """Which unit each tile shows now; None: they stand in the order of their numbers."""
    layer_activity: Mapping[str, float] = field(default_factory=dict)
    """{layer: its most active unit now, as a share of the largest seen}, while the tiles are ordered."""
    pointed: MapPlace | InputPixel | None = None
    """What the mouse points at."""
    hovered: Hovered | None = None
    """The unit under the mouse."""
    hovered_picture: ShownPicture | None = None
    """Its preferred images; None where they are not shown."""
    scan: ScannedUnits | None = None
    """What a scan says of the units; None where none was named, or it cannot be used."""
    scan_note: str = ""
    """Why it is not there: it is being read, or of another network; empty where none was named."""
    window_rate: float = 0.0
    """Windows drawn a second; the main loop measures it."""
    window_timings: dict[str, float] = field(default_factory=dict)
    """Milliseconds of each step of drawing, for the debug display."""

    def take(self, values: Mapping[str, object]) -> None:
        """Take over fields that somebody else has found out."""
        for name, value in values.items():
            setattr(self, name, value)


@dataclass
class View:
    """What a person chose with keys and clicks; a reset returns to the start."""

    cursor_area: CursorArea = "layers"
    layer_index: int = 0
    unit: int = 0
    wanted_unit: int = 0
    """The unit selected last: walking through layers that have fewer units leads back to it."""
    layer_scroll: int | None = None
    """First layer name shown, where the wheel has moved the list; None: the list follows the selection."""

    backward: ChosenBackwardMode = "off"
    backward_view: BackwardView = "contributions"
    frozen_origin: Unit | None = None
    """Where the backward pass starts, where that is to stay; None: it follows the selected unit."""
    show_gradients: bool = False

    order: TileOrder = "number"
    """What the tiles are ordered by."""
    only_top: bool = False
    """Show the first tiles of the order only, which makes them large."""
    top: int = 24
    """How many those are."""
    region: Rect | None = None
    """The part of the picture that orders the tiles, in network input pixels; it goes before `order`."""
    dragged: Rect | None = None
    """The region while it is being drawn with the mouse."""
    region_everywhere: bool = False
    """List the units of all layers that fire most in the region."""

    overlay: Overlay = "none"
    """What lies over the input picture."""

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

    entry: TextEntry | None = None
    """Open while something is looked for by its name: then all keys go there."""
    marked: tuple[Unit, ...] = ()
    """Those that the next edits are of; none: the selected one."""
    edits: tuple[Edit, ...] = ()
    """Changes to units, one each, for every pass; the oldest first."""
    perturbation: Perturbation = UNPERTURBED
    """What is done to the picture before the network sees it."""
    why: Why = "off"
    """What the pane beside the tiles says of the selected unit: what feeds it, or what it raises."""
    trail: tuple[Unit, ...] = ()
    """Where the steps of a walk from unit to unit began, the last one last."""
    show_statistics: bool = False
    show_occlusion: bool = False
    from_frame: Unit | None = None
    """The unit whose preferred image grows from the frame that was there when it was asked for."""
    show_changes: bool = False
    """The tiles show what the edits and the perturbation change, while there are any."""

    pinned: Pinned | None = None
    """The frame from which the panes show the difference."""
    networks: NetworksShown = ""
    """Which of two networks is shown, or the difference; a pinned frame goes before it."""
    show_most_different: bool = False
    """List the units that differ most, while anything is compared."""
    own: dict[str, Any] = field(default_factory=dict)
    """What panes of a user's own keep, each under its name."""

    camera_frozen: bool = False
    stretch: bool = False
    """Stretch the frame to a square instead of cropping the largest one."""

    @property
    def gamma(self) -> float:
        """The exponent for the tiles' brightness."""
        return GAMMAS[self.gamma_index]

    @property
    def channel_boost(self) -> float:
        """How far each tile is scaled by its own maximum, 0 to 1."""
        return CHANNEL_BOOSTS[self.channel_boost_index]

    @property
    def is_changed(self) -> bool:
        """Whether the network is edited or its input perturbed."""
        return bool(self.edits or self.perturbation)

    @property
    def tiles_show(self) -> str:
        """What the layer's maps are, in words."""
        if self.pinned is not None:
            return "gradients, now − pinned" if self.show_gradients else "now − pinned"
        if self.networks in ("B", "A − B"):
            return "activations of B" if self.networks == "B" else "A − B"
        if self.show_changes and self.is_changed:
            return "changes"
        return ("gradients" if self.show_gradients else "activations") + (" of A" if self.networks else "")

    @property
    def asks_why(self) -> bool:
        """Whether a pane that says why stands in the place of the unit images."""
        return self.why != "off" or self.show_statistics or self.show_occlusion or self.from_frame is not None

    @property
    def unit_is_selected(self) -> bool:
        """Whether the cursor is on a tile; while it is in the layer list no unit counts as selected."""
        return self.cursor_area == "tiles"

    @property
    def enlarged_pictures(self) -> UnitImageKind | None:
        """Which of the selected unit's pictures fill the tiles' place; None where something else does."""
        if self.zoom != "unit":
            return None
        return self.zoomed_pictures or (self.pattern if self.pattern != "off" else None)


@dataclass
class State:
    """All that the window draws from, beside the network's answers."""

    facts: Facts = field(default_factory=Facts)
    view: View = field(default_factory=View)
    orders: Orders = field(default_factory=Orders)
    start_view: View = field(default_factory=View)
    """What a reset returns to."""

    @classmethod
    def started_with(cls, view: View) -> State:
        """Return a state that shows `view`, and to which a reset returns."""
        return cls(view=deepcopy(view), start_view=deepcopy(view))

    @property
    def layer(self) -> Layer | None:
        """The layer whose tiles are shown; None while the network is loading."""
        return self.facts.layers[self.view.layer_index] if self.facts.layers else None

    @property
    def region(self) -> Rect | None:
        """The marked part of the picture, cut to the picture; None where there is none, or it is all of it."""
        region = self.view.region
        if region is None or not self.facts.layers or len(self.facts.layers[0].shape) != 3:
            return None
        _, height, width = self.facts.layers[0].shape
        cut = Rect(max(region.top, 0), max(region.left, 0), min(region.bottom, height), min(region.right, width))
        is_part = cut.top < cut.bottom and cut.left < cut.right and cut != Rect(0, 0, height, width)
        return cut if is_part else None

    @property
    def tile_units(self) -> Sequence[int]:
        """The units of the shown layer in the order of its tiles; empty while the network is loading."""
        if self.layer is None:
            return ()
        channels, order = self.layer.channels, self.facts.tile_units
        return order.of(self.layer.name, channels) if order else range(channels)

    @property
    def tile_place(self) -> int:
        """Which tile shows the selected unit, counted from 0; -1 where none does."""
        units = self.tile_units
        return units.index(self.view.unit) if self.view.unit in units else -1

    @property
    def selected(self) -> Unit | None:
        """The unit under the cursor, or where it was last; None while the network is loading."""
        return Unit(self.layer.name, self.view.unit) if self.layer else None

    @property
    def origin(self) -> Unit | None:
        """Where the backward pass starts: the frozen origin, else the selected unit."""
        return self.view.frozen_origin or self.selected

    @property
    def reference(self) -> Reference | None:
        """What the panes show the difference from; None where they show no difference."""
        return self.view.pinned or (OTHER_NETWORK if self.view.networks == "A − B" else None)

    @property
    def address(self) -> str:
        """The selected unit as every command line accepts it, `layer:unit`; empty while loading."""
        return str(self.selected or "")
