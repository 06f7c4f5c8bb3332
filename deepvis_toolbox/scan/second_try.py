"""Pictures that a scan could not read and that can be read by now, as when a disk was away: they are looked at then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain, compress

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.tally import Tally
from deepvis_toolbox.sources.isolated_process import ENDED_IT


def readable_by_now(batches: PictureBatches, skipped: Mapping[int, str]) -> list[int]:
    """Return those of the skipped pictures, by index, that can be read. What ended a decoding process still does."""
    tried = [index for index in sorted(skipped) if not skipped[index].startswith(ENDED_IT)]
    if not tried:
        return []
    with batches.of(tried) as chosen:
        readable = chain.from_iterable(batch.readable for batch in chosen(range(chosen.count)))
        return list(compress(tried, readable))


def add_skipped(net: Network, tally: Tally, batches: PictureBatches, indices: Iterable[int]) -> None:
    """Add pictures that were skipped: computed in the batches that they belong to, so that no bit depends on when they
    came."""
    wanted, size = set(indices), tally.settings.batch_size
    part = tally.another()
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
