"""Whether this installation computes the numbers that a half-finished scan holds: a batch of it is scanned again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.tally import Tally


def gives_the_same(net: Network, tally: Tally, batches: PictureBatches) -> bool:
    """Return whether the batch that most entries come from gives exactly these entries again.

    An entry of the scan's best is among the best of its own batch, so that each of them is found again.
    """
    kept = tally.tables["top"].arrays()
    size = tally.settings.batch_size
    numbers = kept["images"][kept["images"] >= 0] // size
    if not numbers.size:  # nothing was found that could differ
        return True
    number = int(np.bincount(numbers).argmax())
    again = Tally(tally.settings, tally.calibration, 1 + int(kept["images"].max()), tally.device)
    scanner = BatchScanner(net, again)
    scanner.take(batches.read(number))
    scanner.flush()
    return _are_in(again.tables["top"].arrays(), kept, (kept["images"] // size == number) & (kept["images"] >= 0))


def _are_in(found: dict[str, NDArray], kept: dict[str, NDArray], chosen: NDArray[np.bool_]) -> bool:
    """Whether the chosen entries of `kept`, arrays (units, N), are in their units' rows of `found`, bit for bit."""
    units, ranks = np.nonzero(chosen)
    here = found["images"][units] == kept["images"][units, ranks][:, None]
    at = here.argmax(axis=1)
    same = [
        np.array_equal(found[name][units, at], kept[name][units, ranks], equal_nan=name in ("values", "below"))
        for name in ("values", "below", "places")
    ]
    return bool(here.any(axis=1).all()) and all(same)
