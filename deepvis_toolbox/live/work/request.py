"""What the window asks of the worker: plain, immutable data made from the state."""

from __future__ import annotations

from dataclasses import dataclass

from deepvis_toolbox.words.backward import ChosenBackwardMode


@dataclass(frozen=True)
class Request:
    """What to compute for each frame. Two equal requests are answered by the same snapshot."""

    layer: str
    """The layer whose tiles are shown."""
    unit: int
    """The selected unit of that layer."""
    backward: ChosenBackwardMode = "off"
    origin_layer: str = ""
    origin_unit: int = 0
    grow: bool = False
    """Preferred images of the selected unit are to be made, as far as time is left."""
    show_gradients: bool = False
    """Tiles show what the backward pass brings to the layer instead of its activations."""
    stretch: bool = False
    """The frame is stretched to the network's input; otherwise its largest fitting centre is cropped."""
