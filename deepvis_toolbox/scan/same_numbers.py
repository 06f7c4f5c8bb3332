"""Whether the numbers that a scan holds are those of this installation, and of these pictures: a batch is scanned
again."""

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
    again = _scanned_again(net, tally, batches)
    if again is None:
        return True
    kept, found, chosen = again
    return _are_in(found, kept, chosen)


def shows_the_same(net: Network, tally: Tally, batches: PictureBatches) -> bool:
    """Return whether that batch gives nearly all of its entries again, up to what devices and versions differ in.

    Of other pictures under the same names it would give hardly one. What is below the rectifier is compared: above it,
    silent and saturated units are the same for all pictures.
    """
    again = _scanned_again(net, tally, batches)
    if again is None:
        return True
    kept, found, chosen = again
    units, ranks = np.nonzero(chosen)
    wanted = kept["below"][units, ranks]
    here = found["images"][units] == kept["images"][units, ranks][:, None]
    values = found["below"][units, here.argmax(axis=1)]
    near = np.isclose(values, wanted, rtol=_NEARLY, atol=0, equal_nan=True) & here.any(axis=1)
    return bool(near.mean() >= _NEARLY_ALL)


_NEARLY, _NEARLY_ALL = 1e-3, 0.9


def _scanned_again(
    net: Network, tally: Tally, batches: PictureBatches
) -> tuple[dict[str, NDArray], dict[str, NDArray], NDArray[np.bool_]] | None:
    """Return the best entries kept, those of the batch that most of them come from, and which are of that batch.

    Arrays (units, N) as `TopTable.arrays` gives them, and bool (units, N). None where nothing was found.
    """
    kept = tally.tables["top"].arrays()
    size = tally.settings.batch_size
    numbers = kept["images"][kept["images"] >= 0] // size
    if not numbers.size:  # nothing was found that could differ
        return None
    number = int(np.bincount(numbers).argmax())
    again = Tally(tally.settings, tally.calibration, 1 + int(kept["images"].max()), tally.device)
    scanner = BatchScanner(net, again)
    scanner.take(batches.read(number))
    scanner.flush()
    return kept, again.tables["top"].arrays(), (kept["images"] // size == number) & (kept["images"] >= 0)


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
