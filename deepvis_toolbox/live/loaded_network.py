"""What the window has to know about a network once it is loaded, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepvis_toolbox.live.state import LayerEntry, State, set_layers

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True)
class LoadedNetwork:
    """The network's layers and classes, as the window lists them."""

    name: str
    layers: tuple[LayerEntry, ...]
    labels: tuple[str, ...]
    label_layers: tuple[str, ...]

    @classmethod
    def of(cls, network: Network) -> LoadedNetwork:
        entries = tuple(LayerEntry(layer.name, layer.shape, layer.kind) for layer in network.layers.values())
        return cls(network.name, entries, network.labels, network.label_layers)

    def introduce(self, state: State) -> None:
        """Lets the state list the layers and name the classes."""
        state.labels, state.label_layers = self.labels, self.label_layers
        set_layers(state, self.layers)
