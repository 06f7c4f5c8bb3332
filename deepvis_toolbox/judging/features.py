"""Features of pictures: the means of a judge's layer over its places, for the distance of a store to photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.judging.frechet import Features, distance_of_halves, frechet_distance
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.transfer import AT_ONCE, first_pictures, whole_picture_input
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.scanning import default_workers
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit

FEWEST_PHOTOGRAPHS = 4
"""Two in each half."""


@dataclass(frozen=True)
class Distance:
    """The Fréchet distance of a store's pictures to photographs, by a judge's features."""

    layer: str
    pictures: int
    photographs: int
    distance: float
    halves: float
    """Of one half of the photographs to the other."""

    @property
    def times(self) -> float | None:
        """How many times as far the pictures are as photographs are from each other; None where these are the same."""
        return self.distance / self.halves if self.halves > 0 else None


def feature_layer(judge: Network, wanted: str | None = None) -> str:
    """Return the layer of a judge's features: the one wanted, or the last below its classes. `ToolboxError` where there
    is none."""
    if wanted is not None:
        return judge.layers.matching([wanted])[0]
    feeding = judge.layers_feeding(judge.label_layers[0]) if judge.label_layers else ()
    if not feeding:
        raise ToolboxError(f"{judge.name} tells no layer below its classes; name one with --features")
    return feeding[-1]


def distance_to_photographs(
    judge: Network,
    layer: str,
    store: UnitImageStore,
    units: Sequence[Unit],
    photographs: PictureList,
    progress: Progress,
) -> Distance:
    """Return how far the units' first pictures are from photographs. `ToolboxError` for fewer than two pictures, or
    than four photographs that can be read."""
    natural = features_of_photographs(judge, layer, photographs, progress)
    if len(natural) < FEWEST_PHOTOGRAPHS:
        raise ToolboxError(
            f"{len(natural)} of {len(photographs)} photographs can be read; the Fréchet distance of their halves needs "
            f"{FEWEST_PHOTOGRAPHS}"
        )
    own = features_of_pictures(judge, layer, store, units)
    return Distance(layer, len(own), len(natural), frechet_distance(own, natural), distance_of_halves(natural))


def features_of_pictures(judge: Network, layer: str, store: UnitImageStore, units: Sequence[Unit]) -> Features:
    """Return a judge's features of the units' first pictures, float64 (N, units of the layer)."""
    return _rows(_of_pictures(judge, layer, store, units))


def features_of_photographs(judge: Network, layer: str, photographs: PictureList, progress: Progress) -> Features:
    """Return a judge's features of the photographs that can be read, float64 (N, units of the layer)."""
    return _rows(_of_photographs(judge, layer, photographs, progress))


def _rows(found: Iterator[Features]) -> Features:
    parts = list(found)
    return np.concatenate(parts) if parts else np.zeros((0, 1))


def _of_pictures(judge: Network, layer: str, store: UnitImageStore, units: Sequence[Unit]) -> Iterator[Features]:
    for first in range(0, len(units), AT_ONCE):
        pictures = first_pictures(store, units[first : first + AT_ONCE])
        yield _features(judge, layer, torch.cat([whole_picture_input(picture, judge) for picture in pictures]))


def _of_photographs(judge: Network, layer: str, photographs: PictureList, progress: Progress) -> Iterator[Features]:
    with PictureBatches(photographs, judge.preprocessing, AT_ONCE, default_workers(photographs)) as batches:
        for batch in batches(range(batches.count)):
            yield _features(judge, layer, batch.inputs.to(judge.device))[batch.readable]
            progress.advance(len(batch.inputs))


def _features(judge: Network, layer: str, x: torch.Tensor) -> Features:
    """Return the means over places of the layer's values, (N, units)."""
    values = judge.forward(x, [layer])[layer]
    places = (1,) if judge.layers[layer].is_tokens else tuple(range(2, values.ndim))
    return (values.mean(places) if places else values).double().cpu().numpy()
