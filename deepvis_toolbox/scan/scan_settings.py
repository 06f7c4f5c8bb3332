"""What is asked of a scan, checked; and what tells two scans apart."""

from __future__ import annotations

import operator
import platform
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.identity import first_difference, first_other
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.numbers.channel_statistics import summable_bits
from deepvis_toolbox.scan.numbers.held_out import MOST_HELD_OUT, held_out_count
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
MOST_TOP, MOST_BATCH = 1000, 4096


OPTIONS = ("top", "bottom", "statistics", "correlations", "batch_size")
"""The settings beside the layers, as every identity records them."""


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
    held_out: int | None = None
    """On how many labelled pictures all values are kept; None: as many as usual, or as a scan that was begun."""

    def __post_init__(self) -> None:
        for name in ("top", "batch_size"):
            object.__setattr__(self, name, whole_number(getattr(self, name), f"the {name.replace('_', ' ')}"))
        if self.held_out is not None:
            object.__setattr__(self, "held_out", whole_number(self.held_out, "the number of pictures held out"))
            if not 0 <= self.held_out <= MOST_HELD_OUT:
                raise ToolboxError(f"{self.held_out} pictures are to be held out; it must be 0 to {MOST_HELD_OUT}")
        for name in ("bottom", "statistics", "correlations"):
            object.__setattr__(self, name, bool(getattr(self, name)))
        if not 1 <= self.top <= MOST_TOP:
            raise ToolboxError(f"top is {self.top}; it must be 1 to {MOST_TOP} pictures a unit")
        if not 1 <= self.batch_size <= MOST_BATCH:
            raise ToolboxError(f"the batch size is {self.batch_size}; it must be 1 to {MOST_BATCH} pictures")

    def holding_out(self, labels: NDArray[np.int64], begun: dict[str, Any] | None) -> ScanSettings:
        """Return the settings with the number of pictures that are held out of a list with these labels, int64
        (pictures,); where it was not said, that of the scan that was `begun`."""
        asked = begun.get("held_out", 0) if begun is not None and self.held_out is None else self.held_out
        return replace(self, held_out=held_out_count(labels, self.index.total, asked))

    def keeping_places_as(self, begun: dict[str, Any] | None) -> ScanSettings:
        """Return the settings without places of tokens where the scan of these layers that was `begun` keeps none, as
        older versions did not."""
        older = self.index.without_token_places()
        return replace(self, index=older) if begun is not None and begun["layers"] == older.record() else self

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
            **{name: getattr(self, name) for name in OPTIONS},
            **({"held_out": self.held_out} if self.held_out else {}),
            "bits": summable_bits(len(pictures) * PLACES_A_SIDE**2),
            "versions": versions(),
            "answer": {name: net.answer[name] for name in self.index.names if name in net.answer},
        }


def whole_number(value: Any, what: str) -> int:
    """Return a whole number of any kind, NumPy's too, as Python's own, which JSON knows; `ToolboxError` for all
    else."""
    try:
        if not isinstance(value, bool | np.bool_):
            return operator.index(value)
    except TypeError:
        pass
    raise ToolboxError(f"{what} is {value!r}; it must be a whole number")


def default_batch_size(net: Network) -> int:
    """Return how many pictures a batch has unless it is said."""
    return BATCH_SIZE if net.device.type == "cpu" else ACCELERATOR_BATCH_SIZE


def settings_of(identity: dict[str, Any]) -> ScanSettings:
    """Return the settings that an identity was made from."""
    options = {name: identity[name] for name in OPTIONS}
    return ScanSettings(UnitIndex.from_record(identity["layers"]), **options, held_out=identity.get("held_out", 0))


def versions() -> dict[str, str]:
    """Return the versions of what computes the result."""
    return {
        "deepvis_toolbox": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


_NOT_ASKED_FOR = ("versions", "later_versions", "answer")
"""What an identity also says: what computed the result, what went on with it after an update, and what the network
makes of fixed images, which is compared up to rounding."""


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Return the first thing in which two identities differ, in words, versions left aside; empty if there is none."""
    wanted = {"held_out": 0} | {key: value for key, value in one.items() if key not in _NOT_ASKED_FOR}
    found = first_difference({"held_out": 0} | other, wanted)
    if found:
        return found.key.replace("_", " ")
    layer = first_other(other.get("answer"), one.get("answer") or {})
    return f'network, which has the same weights and computes something else in "{layer}",' if layer else ""


def other_versions(identity: dict[str, Any]) -> str:
    """Return what a result was computed with that is not what is here now, in words; empty where all is the same."""
    now, then = versions(), identity.get("versions")
    then = then if isinstance(then, dict) else {}
    changed = [name for name in now if then.get(name) != now[name]]
    return ", ".join(f"{name} {then.get(name, 'unknown')}, now {now[name]}" for name in changed)
