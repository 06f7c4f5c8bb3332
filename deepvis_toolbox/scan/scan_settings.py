"""What is asked of a scan, checked; and what tells two scans apart."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.identity import first_difference
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.numbers.channel_statistics import summable_bits
from deepvis_toolbox.scan.numbers.place_sample import PLACES_A_SIDE
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.version import __version__

FORMAT = 1
BATCH_SIZE = 12
"""On a CPU: small enough for a layer's values to be in its cache still when they are looked at."""
ACCELERATOR_BATCH_SIZE = 128
"""A GPU waits for the program between operations on fewer pictures."""
MOST_PICTURES = 2**31 - 1


@dataclass(frozen=True)
class ScanSettings:
    """`index`: the layers; `top`: how many pictures a unit; `bottom`: also the smallest; `statistics`: over places too.

    Every field changes the result, so scans with other settings are not merged or continued.
    """

    index: UnitIndex
    top: int = 9
    bottom: bool = False
    statistics: bool = False
    correlations: bool = True
    batch_size: int = BATCH_SIZE

    def __post_init__(self) -> None:
        if not 1 <= self.top <= 1000:
            raise ToolboxError(f"top is {self.top}; it must be 1 to 1000 pictures a unit")
        if not 1 <= self.batch_size <= 4096:
            raise ToolboxError(f"the batch size is {self.batch_size}; it must be 1 to 4096 pictures")

    def identity(self, net: Network, pictures: PictureList) -> dict[str, Any]:
        """Return what the result depends on, as plain data: equal for all shards and restarts of one scan."""
        if not 0 < len(pictures) <= MOST_PICTURES:
            raise ToolboxError(f"a scan looks at 1 to {MOST_PICTURES} pictures, not {len(pictures)}")
        return {
            "format": FORMAT,
            "network": {"name": net.name, "engine": net.engine, "weights_hash": net.weights_hash},
            "preprocessing": net.preprocessing.identity(),
            "pictures": {"count": len(pictures), "hash": pictures.hash},
            "layers": self.index.record(),
            "top": self.top,
            "bottom": self.bottom,
            "statistics": self.statistics,
            "correlations": self.correlations,
            "batch_size": self.batch_size,
            "bits": summable_bits(len(pictures) * PLACES_A_SIDE**2),
            "versions": versions(),
        }


def default_batch_size(net: Network) -> int:
    """Return how many pictures a batch has unless it is said."""
    return BATCH_SIZE if net.device.type == "cpu" else ACCELERATOR_BATCH_SIZE


def settings_of(identity: dict[str, Any]) -> ScanSettings:
    """Return the settings that an identity was made from."""
    names = ("top", "bottom", "statistics", "correlations", "batch_size")
    return ScanSettings(UnitIndex.from_record(identity["layers"]), **{name: identity[name] for name in names})


def versions() -> dict[str, str]:
    """Return the versions of what computes the result."""
    return {
        "deepvis_toolbox": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Return the first thing in which two identities differ, in words; empty where they are the same."""
    found = first_difference(other, one)
    return found.key.replace("_", " ") if found else ""
