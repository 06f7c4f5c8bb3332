"""What the window has to know about a network once it is loaded, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepvis_toolbox.live.actions import go_to, set_layers
from deepvis_toolbox.live.actions_what_if import drop_foreign_edits
from deepvis_toolbox.live.other_network import NETWORKS, OtherNetworkFacts
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.scan_reading import OpenScan, ScanReading
from deepvis_toolbox.unit_images.claim import NetworkIdentity
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit, parse_unit

if TYPE_CHECKING:
    from deepvis_toolbox.network.description import ModelDescription
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True)
class LoadedNetwork:
    """The network's layers and classes, as the window lists them."""

    name: str
    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    label_layers: tuple[str, ...]
    description: ModelDescription
    """What the network was opened by: where its unit images are, among others."""
    start: Unit | None = None
    """The unit to start at."""
    no_edits: str = ""
    """Why its engine computes no edited passes; empty where it does."""
    scan: ScanReading | None = None
    """A scan that says more of its units."""
    other: OtherNetworkFacts | None = None
    """The network that is opened beside it."""
    identity: Callable[[], NetworkIdentity] | None = None
    """Whose unit images are shown; asked for only where a store says whose it is, since it reads all weights."""

    @classmethod
    def of(
        cls,
        network: Network,
        goto: str = "",
        open_scan: OpenScan | None = None,
        other: OtherNetworkFacts | None = None,
    ) -> LoadedNetwork:
        """`goto`: an address, or empty. `ToolboxError` where the network has no such unit. `open_scan` begins to read
        a scan; `other`: what is opened beside it."""
        start = parse_unit(goto, network.layers, network.class_names) if goto else None
        names = (network.name, tuple(network.layers.values()), network.labels, network.label_layers)
        scan = open_scan(class_names=network.labels) if open_scan else None
        described = (*names, network.description)
        return cls(*described, start, network.no_edits, scan, other, _identity(network))

    def introduce(self, state: State) -> None:
        """Let the state list the layers and name the classes, and go to the unit to start at."""
        state.facts.labels, state.facts.label_layers = self.labels, self.label_layers
        state.facts.no_edits, state.facts.other = self.no_edits, self.other
        state.start_view.networks = NETWORKS[0] if self.other else ""
        state.view.networks = (state.view.networks or NETWORKS[0]) if self.other else ""
        set_layers(state, self.layers)
        origin = state.view.frozen_origin
        if origin and not any(origin.layer == layer.name and origin.channel < layer.channels for layer in self.layers):
            state.view.frozen_origin = None  # a restored one, of another network
        drop_foreign_edits(state)
        if self.start:
            go_to(state, self.start)

    def introduce_again(self, state: State) -> None:
        """Let the state go on with other weights: the selected unit stays, where it is still there; a pinned frame does
        not, since nothing computes any more what the former weights made of it."""
        if state.view.pinned is not None:
            state.view.pinned = None
            state.view.networks = state.start_view.networks
            state.facts.message = "the pinned frame was let go: it was computed with other weights"
        state.facts.other = self.other
        if self.layers == state.facts.layers:
            return
        unit = state.selected
        state.facts.labels, state.facts.label_layers = self.labels, self.label_layers
        set_layers(state, self.layers)
        drop_foreign_edits(state)
        if unit:
            go_to(state, unit)


def _identity(network: Network) -> Callable[[], NetworkIdentity]:
    if network.engine == "torch":  # weights that are only read: any thread may
        return partial(NetworkIdentity.by_weights, network)
    known = NetworkIdentity.by_weights(network)  # another process answers, and only to this thread
    return lambda: known
