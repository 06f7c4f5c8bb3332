"""The Deep Visualization Toolbox: see what every unit of a trained convnet computes, live.

The public names are imported on first use, so that `import deepvis_toolbox` does not load torch.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as that of `typing`, which would be imported before a program can answer Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from deepvis_toolbox.errors import ToolboxError
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.network.recording import Recording
    from deepvis_toolbox.notebook import explain, show_layer, show_unit
    from deepvis_toolbox.opening.loading import load_network
    from deepvis_toolbox.optimize import AscentResult, AscentSettings, preferred_images
    from deepvis_toolbox.process_tuning import tune_process
    from deepvis_toolbox.training_view import watch
    from deepvis_toolbox.version import __version__
    from deepvis_toolbox.web.notebook_window import window
    from deepvis_toolbox.words.edit import Edit
    from deepvis_toolbox.words.layer import Layer, Rect
    from deepvis_toolbox.words.unit import Unit, parse_units

_HOMES = {
    "__version__": "deepvis_toolbox.version",
    "AscentResult": "deepvis_toolbox.optimize",
    "AscentSettings": "deepvis_toolbox.optimize",
    "Edit": "deepvis_toolbox.words.edit",
    "Layer": "deepvis_toolbox.words.layer",
    "Network": "deepvis_toolbox.network.interface",
    "Recording": "deepvis_toolbox.network.recording",
    "Rect": "deepvis_toolbox.words.layer",
    "ToolboxError": "deepvis_toolbox.errors",
    "Unit": "deepvis_toolbox.words.unit",
    "explain": "deepvis_toolbox.notebook",
    "load_network": "deepvis_toolbox.opening.loading",
    "parse_units": "deepvis_toolbox.words.unit",
    "preferred_images": "deepvis_toolbox.optimize",
    "show_layer": "deepvis_toolbox.notebook",
    "show_unit": "deepvis_toolbox.notebook",
    "tune_process": "deepvis_toolbox.process_tuning",
    "watch": "deepvis_toolbox.training_view",
    "window": "deepvis_toolbox.web.notebook_window",
}

__all__ = [
    "AscentResult",
    "AscentSettings",
    "Edit",
    "Layer",
    "Network",
    "Recording",
    "Rect",
    "ToolboxError",
    "Unit",
    "__version__",
    "explain",
    "load_network",
    "parse_units",
    "preferred_images",
    "show_layer",
    "show_unit",
    "tune_process",
    "watch",
    "window",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
