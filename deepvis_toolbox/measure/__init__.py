"""Questions about an image, and their answers, without a window.

    from deepvis_toolbox import load_network, measure

    session = measure.Session(load_network())
    maps = session.take(frame, measure.LayerMaps("block5.add")).maps     # float32 (C, H, W)

The questions themselves are plain data and load neither torch nor OpenCV; `Session`, which answers them, does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.measure.backward_image import BackwardImage, InputGradient
from deepvis_toolbox.measure.class_probabilities import ClassProbabilities, Probabilities
from deepvis_toolbox.measure.layer_maps import LayerGradients, LayerMaps, Maps
from deepvis_toolbox.measure.measurement import GradientNeed, Measurement, Needs, Question

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.measure.session import Session

__all__ = [
    "BackwardImage",
    "ClassProbabilities",
    "GradientNeed",
    "InputGradient",
    "LayerGradients",
    "LayerMaps",
    "Maps",
    "Measurement",
    "Needs",
    "Pass",
    "Probabilities",
    "Question",
    "Session",
]

_HOMES = {"Pass": "deepvis_toolbox.measure.passes", "Session": "deepvis_toolbox.measure.session"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
