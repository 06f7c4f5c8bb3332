"""How many pictures climb together: as many as pay, never more than memory that is free allows."""

from __future__ import annotations

from math import prod

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.free_memory import free_memory
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.targets import Target

FREE_SHARE = 0.6
"""Of the memory that is free; the estimate below may be off, and 0.8 must not be exceeded."""
COPIES_OF_IMAGE = 24
"""Start, best, last, majority, x, gradient, and what a step needs for a moment (some of it in double precision)."""
COPIES_OF_LAYERS = 3.0
"""Each value below the objective is kept for the backward pass, and has a gradient and a workspace beside it."""
MOST = {"cpu": 9, "cuda": 256}
"""More pictures at once are no faster."""


def automatic_batch_size(net: Network, target: Target, settings: AscentSettings | None = None) -> int:
    """Return how many pictures of a target fit; `ToolboxError` where not even one does."""
    needed, free = bytes_per_picture(net, target, settings), free_bytes(net.device)
    fitting = int(free * FREE_SHARE / needed)
    if fitting < 1:
        raise ToolboxError(
            f"{target} needs about {needed / 2**20:.0f} MiB, and {free / 2**20:.0f} MiB are free on {net.device}; "
            "free some memory"
        )
    return min(fitting, max(1, MOST.get(net.device.type, 16) // _views(settings)))


def bytes_per_picture(net: Network, target: Target, settings: AscentSettings | None = None) -> int:
    """Return an estimate from above of the memory that one more picture of a batch takes, in bytes.

    All layers up to the target's count, whether or not it depends on them, and the whole image.
    """
    names = list(net.layers)
    below = names[: names.index(net.layers[target.layer].name) + 1]
    values = sum(prod(net.layers[name].shape) for name in below)
    shape = canvas_of(settings, net.preprocessing).input_shape if settings else net.input_shape
    return int(4 * (values * COPIES_OF_LAYERS * _views(settings) + prod(shape) * COPIES_OF_IMAGE))


def _views(settings: AscentSettings | None) -> int:
    """Return how many images are computed for each picture."""
    return max(1, int(settings.views)) if settings else 1


def free_bytes(device: torch.device) -> int:
    """Return memory that can be used now: the accelerator's, or what the system and its control group leave."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_memory()
