"""The same scan on a Ray cluster: Ray Data decodes on every CPU and feeds actors that have a network each.

Ray is an optional extra. A part is a run of batches of the list, cut as in a
scan without Ray; the tallies of the parts add up to the same bytes in whatever order they come. When a worker dies, Ray
does its parts again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.extensions import extended
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.loading import load_network
from deepvis_toolbox.process_tuning import ignore_remarks_about_pictures, tune_process
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.ray_cluster import gpus_of, imported_ray, networks_of, ray_cluster
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.numbers.calibration import Calibration
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, chosen_layers
from deepvis_toolbox.scan.pictures.decode_worker import preprocessing_from, preprocessing_record
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatch, PictureBatches
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.scan_settings import ScanSettings, default_batch_size, settings_of
from deepvis_toolbox.scan.scanning import CHECKPOINT_EVERY, ScanRun
from deepvis_toolbox.scan.tally import Tally
from deepvis_toolbox.scan.top_images import TopImages

MOST_BATCHES_A_PART = 32
Row = dict[str, Any]


def scan_on_ray(
    model: str | Path,
    pictures: PictureList,
    out: str | Path | None = None,
    *,
    layers: Sequence[str] | None = None,
    address: str = "local",
    loading: dict[str, Any] | None = None,
    actors: int | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    accept_versions: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> TopImages:
    """Do as `scan`, on the Ray cluster at `address` (`local` starts one here; `auto` finds a running one).

    `model` and the pictures must be found under the same paths (or URLs) on every machine. `actors`: how many networks,
    by default one a GPU of the cluster, or one for two CPUs. `ToolboxError` where Ray is missing or a worker fails.
    """
    imported_ray()
    loading = {"device": "auto", **(loading or {})}
    with load_network(model, **loading) as net:
        index = UnitIndex.of(net.layers[name] for name in chosen_layers(net.layers, layers))
        settings["batch_size"] = settings.get("batch_size") or default_batch_size(net)
        with ScanRun(net, pictures, ScanSettings(index, **settings), out, accept_versions=accept_versions) as run:
            run.begin()
            preprocessing = preprocessing_record(net.preprocessing)
            with ray_cluster(address, "the scan") as ray:
                rows = _scanned(ray, run, str(model), loading, preprocessing, actors or networks_of(ray))
                _collect(run, rows, checkpoint_every, progress or Silence())
            return run.finish()


class PartDecoder:
    """Decodes a part's pictures, anywhere in the cluster."""

    def __init__(self, pictures: PictureList, preprocessing: Row, batch_size: int) -> None:
        ignore_remarks_about_pictures()
        self._batches = PictureBatches(pictures, preprocessing_from(preprocessing), batch_size)

    def __call__(self, row: Row) -> Row:
        """Add to a row (`first`, `last`) the batches' inputs, one after the other, and the reasons."""
        batches = [self._batches.read(number) for number in range(int(row["first"]), int(row["last"]))]
        reasons = {index: reason for batch in batches for index, reason in batch.reasons.items()}
        inputs = b"".join(batch.inputs.numpy().tobytes() for batch in batches)
        return {**row, "inputs": inputs, "reasons": json.dumps(reasons)}


class PartScanner:
    """Scans decoded parts; one lives in each actor, with a network of its own."""

    def __init__(
        self,
        open_network: Callable[[], Network],
        identity: Row,
        calibration: Row,
        held_out: NDArray[np.int32],
        threads: int,
        model: str,
    ) -> None:
        tune_process()
        torch.set_num_threads(threads)  # the same everywhere: how a sum is split can change its last bit
        self._net = open_network()
        if self._net.weights_hash != identity["network"]["weights_hash"]:
            raise ToolboxError(f"a worker found other weights for {model}; all machines need the same files")
        self._identity, self._calibration = identity, Calibration.from_record(calibration)
        self._held_out = held_out

    def __call__(self, row: Row) -> Row:
        """Return a part's tally, as bytes."""
        settings = settings_of(self._identity)
        count = self._identity["pictures"]["count"]
        tally = Tally(settings, self._calibration, count, held_out=self._held_out)
        scanner = BatchScanner(self._net, tally)
        for batch in self._part(row, settings.batch_size):
            scanner.take(batch)
        scanner.flush()
        file = io.BytesIO()
        np.savez(file, **tally.arrays())  # type: ignore[arg-type]
        return {"first": row["first"], "last": row["last"], "tally": file.getvalue(), "reasons": row["reasons"]}

    def _part(self, row: Row, size: int) -> Iterator[PictureBatch]:
        pictures = np.frombuffer(row["inputs"], np.float32).reshape(-1, *self._net.input_shape)
        reasons = {int(index): str(reason) for index, reason in json.loads(row["reasons"]).items()}
        for offset in range(0, len(pictures), size):
            number = int(row["first"]) + offset // size
            batch = pictures[offset : offset + size].copy()
            first = number * size
            told = {index: reasons[index] for index in range(first, first + len(batch)) if index in reasons}
            yield PictureBatch(number, first, torch.from_numpy(batch), told)


def _scanned(ray: Any, run: ScanRun, model: str, loading: Row, preprocessing: Row, actors: int) -> Iterator[Row]:
    """Return the parts that are left, as they come back from the cluster."""
    assert run.tally is not None
    parts = _parts(run.tally.left_of(*run.extent), actors)
    if not parts:
        return iter(())
    cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
    gpus = min(1.0, gpus_of(ray) / actors)
    decoder = (run.pictures, preprocessing, run.settings.batch_size)
    opening = extended(partial(load_network, model, **loading))
    calibration = run.tally.calibration.record()
    scanner = (opening, run.identity, calibration, run.held_out, torch.get_num_threads(), model)
    rows = ray.data.from_items(parts, override_num_blocks=len(parts))
    decoded = rows.map(PartDecoder, fn_constructor_args=decoder, concurrency=(1, max(1, cpus - 1)), num_cpus=0.5)
    scanned = decoded.map(PartScanner, fn_constructor_args=scanner, concurrency=actors, num_cpus=0.5, num_gpus=gpus)
    found: Iterator[Row] = iter(scanned.iter_rows())
    return found


def _parts(left: Sequence[range], actors: int) -> list[Row]:
    """Return runs of batches, four or more for each actor where there are enough."""
    batches = sum(len(numbers) for numbers in left)
    size = int(np.clip(batches // (4 * actors), 1, MOST_BATCHES_A_PART))
    return [
        {"first": first, "last": min(first + size, numbers.stop)}
        for numbers in left
        for first in range(numbers.start, numbers.stop, size)
    ]


def _collect(run: ScanRun, rows: Iterator[Row], checkpoint_every: int, progress: Progress) -> None:
    """Add the parts to the run's tally."""
    assert run.tally is not None
    tally, size, since = run.tally, run.settings.batch_size, 0
    progress.advance(tally.batches_done * size)
    for row in rows:
        part = tally.another()
        with np.load(io.BytesIO(row["tally"]), allow_pickle=False) as arrays:
            part.load(arrays)
        part.done = [(int(row["first"]), int(row["last"]))]
        part.skipped = {int(index): str(reason) for index, reason in json.loads(row["reasons"]).items()}
        tally.merge(part)
        pictures = (int(row["last"]) - int(row["first"])) * size
        progress.advance(pictures)
        since += pictures
        if since >= checkpoint_every and run.folder is not None:
            run.folder.write_checkpoint(run.identity, tally)
            since = 0
