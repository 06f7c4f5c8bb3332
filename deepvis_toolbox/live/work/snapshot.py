"""Everything the window needs about one processed frame; immutable."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.unit_images.growth import Growth


@dataclass(frozen=True)
class Snapshot:
    """One frame's results, copied to the CPU; arrays are never written to again."""

    request: Request
    """The request that this answers."""
    frame: FrameInfo
    input_image: NDArray[np.uint8]
    """RGB H×W×3: the picture as the network saw it."""
    maps: NDArray[np.float32] | None
    """The shown layer, activations or gradients: (C, H, W) or (C,)."""
    maps_note: str = ""
    """Why `maps` is None or all zero, as a sentence for the pane."""
    probabilities: NDArray[np.float32] | None = None
    """(classes,); None where the network has no label layer."""
    backward_image: NDArray[np.float32] | None = None
    """(H, W, channels) in RGB order: what the backward pass brings to the input."""
    backward_note: str = ""
    """Why there is no backward image, or that it is exactly zero."""
    growth: Growth | None = None
    """How far the selected unit's pictures are that are made on demand; None where none are."""
    error: str = ""
    """What went wrong with this frame; empty when nothing did."""
    network_rate: float = 0.0
    """Frames a second through the network."""
    source_rate: float = 0.0
    dropped_frames: int = 0
    device: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    """Milliseconds of each step of the worker, for the debug display."""
