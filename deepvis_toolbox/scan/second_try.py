"""Pictures that a scan could not read and that can be read by now, as when a disk was away: they are looked at then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.scan.tally import Tally


def readable_by_now(pictures: PictureList, skipped: Iterable[int], preprocessing: Preprocessing) -> list[int]:
    """Return those of the skipped pictures, by index, that can be read."""
    reader, slot = PictureReader(preprocessing), np.empty(preprocessing.input_shape, np.float32)
    return [index for index in sorted(skipped) if reader.read_into(slot, pictures.path(index)) is None]


def add_skipped(net: Network, tally: Tally, batches: PictureBatches, pictures: int, indices: Iterable[int]) -> None:
    """Add pictures that were skipped, out of a list of `pictures`: computed in the batches that they belong to, so that
    no bit depends on when they came."""
    wanted, size = set(indices), tally.settings.batch_size
    part = Tally(tally.settings, tally.calibration, pictures, tally.device)
    scanner = BatchScanner(net, part)
    for number in sorted({index // size for index in wanted}):
        batch = batches.read(number)
        counted = {index: "counted" for index in range(batch.first, batch.first + size) if index not in wanted}
        scanner.take(replace(batch, reasons={**batch.reasons, **counted}))
    scanner.flush()
    added = wanted.difference(part.skipped)
    part.done, part.skipped = [], {}  # the batches are in the tally already
    tally.merge(part)
    tally.skipped = {index: reason for index, reason in tally.skipped.items() if index not in added}
