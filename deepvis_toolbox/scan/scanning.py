"""The scan: one pass over a list of pictures, checkpointed, in parts where asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.numbers.calibration import Calibration, calibrate
from deepvis_toolbox.scan.numbers.held_out import held_out_pictures
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, chosen_layers
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.pictures.picture_list import PictureList, given_list
from deepvis_toolbox.scan.result_folder import ResultFolder, manifest_of
from deepvis_toolbox.scan.same_numbers import gives_the_same, shows_the_same
from deepvis_toolbox.scan.scan_settings import (
    ScanSettings,
    default_batch_size,
    other_versions,
    versions,
    whole_number,
)
from deepvis_toolbox.scan.second_try import add_skipped, readable_by_now
from deepvis_toolbox.scan.tally import Tally
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.sources.isolated_process import DecoderKilledError

_log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 5000
"""Pictures between two checkpoints."""
_FEW_PICTURES = 64


def scan(
    net: Network,
    paths: PictureList | str | Path | Iterable[str | Path],
    labels: Iterable[int | None] | None = None,
    layers: str | Iterable[str] | None = None,
    top: int = 9,
    out: str | Path | None = None,
    *,
    bottom: bool = False,
    statistics: bool = False,
    correlations: bool = True,
    held_out: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    shard: tuple[int, int] = (0, 1),
    accept_versions: bool = False,
    progress: Progress | None = None,
) -> TopImages:
    """Return the `top` pictures that excite each unit of `layers` most, with places and values.

    `paths`: picture files, `archive.tar::member` among them, a `PictureList`, or the name of a folder, an archive or a
    list file; `labels`: a class index each.
    `layers`: names, groups or patterns, by default all but the input. `out`: a folder; a scan that was killed goes on
    from its last checkpoint there. `bottom`: also the smallest. `statistics`: also over places. `held_out`: on
    how many labelled pictures all values are kept, to tell units' classes by; 2000 by default, at most half of them.
    `batch_size`: 12 on a CPU, 128 elsewhere. `workers`: decoding processes. `shard` (i, n): only the i-th of n parts
    (from 0), to be merged. `accept_versions`: go on with a scan that was begun with other versions of PyTorch or NumPy
    also where these give other numbers. Pictures that cannot be read are listed in `skipped`. `ToolboxError` where
    nothing can be read, `out` holds another scan or another run is writing there, or a batch does not fit the device's
    memory.
    """
    pictures = given_list(paths, labels)
    names = chosen_layers(net.layers, layers)
    index = UnitIndex.of(net.layers[name] for name in names)
    size = batch_size or default_batch_size(net)
    settings = ScanSettings(index, top, bottom, statistics, correlations, size, held_out)
    workers = default_workers(pictures) if workers is None else workers
    with ScanRun(net, pictures, settings, out, shard, accept_versions, workers) as run:
        run.go_on(checkpoint_every, progress or Silence())
        return run.finish()


class UnreadableError(ToolboxError):
    """None of the pictures can be read."""


class ScanRun:
    """One scan (or shard) from where it was left to its end; a context manager, which leaves its folder to others."""

    def __init__(
        self,
        net: Network,
        pictures: PictureList,
        settings: ScanSettings,
        out: str | Path | None,
        shard: tuple[int, int] = (0, 1),
        accept_versions: bool = False,
        workers: int = 0,
    ) -> None:
        self.net, self.pictures = net, pictures
        self.folder = ResultFolder(out) if out is not None else None
        begun = self.folder.identity() if self.folder is not None else None
        labels = np.array(pictures.labels, np.int64)
        self.settings = settings.holding_out(labels, begun).keeping_places_as(begun)
        self.identity: dict[str, Any] = self.settings.identity(net, pictures)
        self.held_out = held_out_pictures(labels, self.settings.held_out or 0)
        self.extent = shard_extent(-(-len(pictures) // settings.batch_size), shard)
        self.tally: Tally | None = None
        self._came_later: list[int] = []
        self._lock: FolderLock | None = None
        self._batches = PictureBatches(pictures, net.preprocessing, settings.batch_size, workers)
        if self.folder is not None:
            try:
                self._take_up_all(self.folder)
                self._check_versions(accept_versions)
            except BaseException:
                self.close()
                raise

    @property
    def is_left(self) -> bool:
        """Whether there are batches to scan."""
        return self.tally is None or bool(self.tally.left_of(*self.extent))

    def close(self) -> None:
        """End the decoding processes and leave the folder to other runs."""
        self._batches.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> ScanRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> Tally:
        """Return the tally to go on with: the one that was kept, or a new one."""
        if self.tally is None:
            device = statistics_device(self.net)
            self.tally = Tally(self.settings, self._calibration(), len(self.pictures), device, self.held_out)
        return self.tally

    def go_on(self, checkpoint_every: int, progress: Progress) -> None:
        """Scan what is not in the tally yet. Where it stops for want of memory, all so far is kept."""
        tally = self.begin()
        progress.advance(tally.batches_done * self.settings.batch_size)
        part = self._part_to_scan()
        scanner = BatchScanner(self.net, part)
        since_checkpoint = 0
        try:
            for batch in self._batches(chain.from_iterable(tally.left_of(*self.extent))):
                scanner.take(batch)
                progress.advance(len(batch.inputs))
                since_checkpoint += len(batch.inputs)
                if since_checkpoint >= checkpoint_every and self.folder is not None:
                    part = self._added(part, scanner)
                    scanner = BatchScanner(self.net, part)
                    self.folder.write_checkpoint(self.identity, tally)
                    since_checkpoint = 0
        except DecoderKilledError:
            self._added(part, scanner)
            if since_checkpoint and self.folder is not None:
                self.folder.write_checkpoint(self.identity, tally)
            raise
        self._added(part, scanner)
        if len(tally.skipped) == len(self.pictures):  # what the calibration has read is gone since
            raise self._unreadable(tally.skipped[0])

    def _part_to_scan(self) -> Tally:
        """Return what a scanner adds to: the tally, if all that is left comes behind what is in it; else one to be
        merged."""
        tally = self.begin()
        left = tally.left_of(*self.extent)
        if not left or not tally.done or tally.done[-1][1] <= left[0].start:
            return tally
        return tally.another()

    def _added(self, part: Tally, scanner: BatchScanner) -> Tally:
        """Bring what was scanned into the tally; what the scanner adds to next."""
        scanner.flush()
        tally = self.begin()
        if part is not tally:
            tally.merge(part)
        return self._part_to_scan()

    def _calibration(self) -> Calibration:
        """Return the calibration by the first batch of the whole list that holds a readable picture."""
        first_reason = ""
        for number in range(self._batches.count):
            batch = self._batches.read(number)
            if batch.readable.any():
                return calibrate(self.net, self.settings.index, batch.inputs[torch.from_numpy(batch.readable)])
            first_reason = first_reason or batch.reasons[batch.first]
        raise self._unreadable(first_reason)

    def _unreadable(self, first_reason: str) -> UnreadableError:
        first = f"{self.pictures.path(0)}: {first_reason}"
        return UnreadableError(f"none of the {len(self.pictures)} pictures can be read; the first: {first}")

    def _take_up_all(self, folder: ResultFolder) -> None:
        """Go on from what the folder holds of this scan, with a lock on it where there is something to be written."""
        folder.check(self.identity)
        self._take_up(folder, folder.finished())
        if self.is_left:
            self._lock = folder.prepare(self.identity, self.pictures)
        elif self._came_later and not other_versions(self.identity):
            with suppress(ToolboxError):  # a result that may not be written is used as it is
                self._lock = folder.prepare(self.identity, self.pictures)
        elif not folder.is_complete(self.pictures):
            with suppress(ToolboxError):
                folder.complete(self.pictures)  # for whoever cuts them out
        if self._lock is not None:
            self._take_up(folder, folder.record())  # read anew: whoever held the folder may have written

    def _take_up(self, folder: ResultFolder, record: dict[str, Any] | None) -> None:
        """Go on from a record of this scan; it says of itself with which versions it was begun."""
        self.tally = None
        if record is None:
            return
        self.tally = folder.tally(record, statistics_device(self.net), self.held_out)
        kept = ("versions", "later_versions")
        self.identity |= {key: record["identity"][key] for key in kept if key in record["identity"]}
        self._check_pictures(self.tally, record.get("root", self.pictures.kept_root))
        self._came_later = readable_by_now(self._batches, self.tally.skipped)

    def _check_pictures(self, tally: Tally, root: str) -> None:
        """`ToolboxError` where the scan was of other pictures that have the same names, as numbered ones do."""
        if root in (self.pictures.kept_root, self.pictures.root):
            return
        if not shows_the_same(self.net, tally, self._batches):
            raise ToolboxError(
                f'the scan in "{self.folder and self.folder.folder}" is of the pictures in "{root}"; those of the '
                f'same names in "{self.pictures.root}" are others or missing; choose another folder for them'
            )

    def _check_versions(self, accept: bool) -> None:
        """`ToolboxError` where what is left would be computed otherwise than what is there; a remark where not."""
        changed = other_versions(self.identity) if self.tally is not None else ""
        if self.tally is None or not changed or self.folder is None:
            return
        if not self.is_left:
            _log.warning('the scan in "%s" was made with other versions (%s); it is used as it is',
                         self.folder.folder, changed)  # fmt: skip
            return
        same = gives_the_same(self.net, self.tally, self._batches)
        if not same and not accept:
            raise ToolboxError(
                f'the scan in "{self.folder.folder}" was begun with other versions ({changed}), and these give other '
                "numbers; go on all the same with --accept-versions (accept_versions=True), or choose another folder"
            )
        what = "these give the same numbers" if same else "these give other numbers, which was accepted"
        _log.warning('the scan in "%s" was begun with other versions (%s); %s', self.folder.folder, changed, what)
        later = [each for each in self.identity.get("later_versions", []) if each != versions()]
        self.identity["later_versions"] = [*later, versions()]

    def finish(self) -> TopImages:
        """Write the result and hand it back."""
        assert self.tally is not None
        if self.folder is not None and self._lock is not None:  # without it, all was there
            add_skipped(self.net, self.tally, self._batches, self._came_later)
            arrays = self.folder.write_result(self.identity, self.tally)
        else:
            arrays = self.tally.arrays()
        return TopImages(manifest_of(self.identity, self.tally), arrays, self.pictures)


def shard_extent(batches: int, shard: tuple[int, int]) -> tuple[int, int]:
    """Return the first batch of a shard (i, n) and the one behind its last."""
    try:
        number, count = (whole_number(part, "a part of it") for part in shard)
    except (TypeError, ValueError, ToolboxError):
        raise ToolboxError(f"the shard is {shard!r}; it must be (i, n), the i-th of n parts, from 0") from None
    if count < 1 or not 0 <= number < count:
        raise ToolboxError(f"there is no shard {number}/{count}; the shards of n are 0/n to n-1/n")
    return batches * number // count, batches * (number + 1) // count


def statistics_device(net: Network) -> torch.device:
    """Return where sums are kept: beside the network, or on the CPU where its device has no float64."""
    return net.device if net.device.type == "cuda" else torch.device("cpu")


def default_workers(pictures: PictureList) -> int:
    """Return decoding processes for a list: half of the cores, none for a handful of pictures."""
    if len(pictures) < _FEW_PICTURES or os.name == "nt":  # Windows cannot hand a nameless memory to another process
        return 0
    return max(1, min(16, (os.cpu_count() or 2) // 2))
