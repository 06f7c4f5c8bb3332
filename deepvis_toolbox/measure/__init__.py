"""Questions about an image, and their answers, without a window.

    from deepvis_toolbox import load_network, measure

    session = measure.Session(load_network())
    maps = session.take(frame, measure.LayerMaps("block5.add")).maps     # float32 (C, H, W)

The questions themselves are plain data and load neither torch nor OpenCV; `Session`, which answers them, does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.measure.at_ends import AtTheEnds, Ends
from deepvis_toolbox.measure.attention import Attention, AttentionMaps, AttentionRollout, TokenNorms, TokenSizes
from deepvis_toolbox.measure.backward_image import BackwardImage, InputGradient
from deepvis_toolbox.measure.class_map import ClassesAtPlaces, ClassMap
from deepvis_toolbox.measure.class_probabilities import ClassProbabilities, Probabilities
from deepvis_toolbox.measure.comparison import Compared, ComparedMaps, Difference, MostDifferent, UnitsByDifference
from deepvis_toolbox.measure.contributors import Contributors, Raised, UnitContributions, UnitEffects
from deepvis_toolbox.measure.input_contributions import AverageContributions, ContributionMap, InputContributions
from deepvis_toolbox.measure.layer_maps import LayerGradients, LayerMaps, Maps
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.measure.needs import GradientNeed, Needs
from deepvis_toolbox.measure.occlusion import Occluder, Occlusion, OcclusionMap
from deepvis_toolbox.measure.spread_in_training import SpreadInTraining, TrainedSpread
from deepvis_toolbox.measure.statistics import LayerSpread, LayerStatistics, Spread
from deepvis_toolbox.measure.unit_weights import UnitWeights, Weights
from deepvis_toolbox.measure.what_if import AsItIs, ChangedLayers, ChangedMaps, Edited, LayerChanges, MostChanged
from deepvis_toolbox.measure.where_it_looks import GradCAM, Heat, PlacesOf, UnitHeat
from deepvis_toolbox.measure.who_fires import (
    ActiveUnits,
    Activity,
    LayerActivity,
    MostActive,
    UnitsByScore,
    UnitsInRegion,
    UnitsInRegionOfLayers,
)
from deepvis_toolbox.words.comparison import OTHER_NETWORK, OtherNetwork, Pinned
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.perturbation import Perturbation
from deepvis_toolbox.words.unit_maxima import UnitMaxima

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.measure.session import Session

__all__ = [
    "OTHER_NETWORK",
    "ActiveUnits",
    "Activity",
    "AsItIs",
    "AtTheEnds",
    "Attention",
    "AttentionMaps",
    "AttentionRollout",
    "AverageContributions",
    "BackwardImage",
    "ChangedLayers",
    "ChangedMaps",
    "ClassMap",
    "ClassProbabilities",
    "ClassesAtPlaces",
    "Compared",
    "ComparedMaps",
    "ContributionMap",
    "Contributors",
    "Difference",
    "Edit",
    "Edited",
    "Ends",
    "GradCAM",
    "GradientNeed",
    "Heat",
    "InputContributions",
    "InputGradient",
    "LayerActivity",
    "LayerChanges",
    "LayerGradients",
    "LayerMaps",
    "LayerSpread",
    "LayerStatistics",
    "Maps",
    "Measurement",
    "MostActive",
    "MostChanged",
    "MostDifferent",
    "Needs",
    "Occluder",
    "Occlusion",
    "OcclusionMap",
    "OtherNetwork",
    "Pass",
    "Perturbation",
    "Pinned",
    "PlacesOf",
    "Probabilities",
    "Question",
    "Raised",
    "Session",
    "Spread",
    "SpreadInTraining",
    "TokenNorms",
    "TokenSizes",
    "TrainedSpread",
    "UnitContributions",
    "UnitEffects",
    "UnitHeat",
    "UnitMaxima",
    "UnitWeights",
    "UnitsByDifference",
    "UnitsByScore",
    "UnitsInRegion",
    "UnitsInRegionOfLayers",
    "Weights",
]

_HOMES = {"Pass": "deepvis_toolbox.measure.passes", "Session": "deepvis_toolbox.measure.session"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
