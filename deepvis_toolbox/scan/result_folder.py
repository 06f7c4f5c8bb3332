"""A scan's folder on disk: manifest.json, top_images.npz and pictures.jsonl; a checkpoint while it runs.

The arrays are written first, under a name that no JSON file says, then the small JSON file that names them: whoever is
killed in between leaves the former pair whole.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import check_writable, remove_partial_files, replacing, write_json
from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.folder_lock import LOCK, FolderLock
from deepvis_toolbox.npz_file import read_arrays
from deepvis_toolbox.regular_file import json_in, open_regular, read_json
from deepvis_toolbox.scan.kept_scan import check_arrays, check_record, forms_of
from deepvis_toolbox.scan.numbers.calibration import Calibration
from deepvis_toolbox.scan.pictures.archive_listing import NO_LABEL
from deepvis_toolbox.scan.pictures.picture_list import MOST_LABEL, PictureList
from deepvis_toolbox.scan.pictures.remote_files import is_url
from deepvis_toolbox.scan.scan_settings import FORMAT, difference, settings_of
from deepvis_toolbox.scan.tally import Tally
from deepvis_toolbox.shown_text import host_is_certain

MANIFEST, ARRAYS, PICTURES, CHECKPOINT = "manifest.json", "top_images.npz", "pictures.jsonl", "checkpoint.json"
_MOST_RECORD = 1 << 28
_LONGEST_LINE = 1 << 16
"""Bytes of what is said of one picture."""
MEANWHILE = "top_images-new.npz"
"""The arrays of a result that takes a former one's place, as a second shard's in one folder, until they have the usual
name."""


def manifest_of(identity: dict[str, Any], tally: Tally) -> dict[str, Any]:
    """Return what a manifest says beside the arrays, as plain data."""
    return {
        "identity": identity,
        "calibration": tally.calibration.record(),
        "batches_done": [list(part) for part in tally.done],
        "skipped": {str(index): tally.skipped[index] for index in sorted(tally.skipped)},
        **({"held_out": len(tally.held_out)} if tally.held_out is not None else {}),
    }


class ResultFolder:
    """Where a scan is kept. `ToolboxError` where it cannot be written or holds another scan."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._root = ""

    def prepare(self, identity: dict[str, Any], pictures: PictureList) -> FolderLock:
        """Make the folder ready for this scan: new, or begun or finished by the same one.

        The lock that is returned keeps other runs out until it is released. `ToolboxError` where another run is writing
        there, or the list holds a password, which would be kept.
        """
        self.check(identity)
        _check_secrets(pictures)
        check_writable(self.folder)
        lock = FolderLock(self.folder)
        self._root = pictures.kept_root
        try:
            remove_partial_files(self.folder)
            self._write_pictures(pictures)
        except BaseException:
            lock.release()
            raise
        return lock

    def check(self, identity: dict[str, Any]) -> None:
        """`ToolboxError` where the folder holds another scan."""
        for record in filter(None, (self._record(MANIFEST), self._record(CHECKPOINT))):
            other = difference(identity, record["identity"])
            if other:
                raise ToolboxError(
                    f'"{self.folder}" holds another scan (its {other} differs); choose another folder or remove it'
                )

    def identity(self) -> dict[str, Any] | None:
        """Return what the scan here, finished or begun, says of itself; None where there is none."""
        record = self.record()
        return None if record is None else dict(record["identity"])

    def finished(self) -> dict[str, Any] | None:
        """Return the manifest of the scan, or of the shards of one, that came to an end here; None where none did."""
        return self._record(MANIFEST)

    def record(self) -> dict[str, Any] | None:
        """Return the manifest or the last checkpoint, whichever holds more batches; None where nothing was kept.

        A checkpoint beside a manifest is of the next shard: it holds what was finished before, too.
        """
        kept = [record for record in (self._record(MANIFEST), self._record(CHECKPOINT)) if record is not None]
        return max(kept, key=_batches_in, default=None)

    def tally(
        self,
        record: dict[str, Any],
        device: torch.device | None = None,
        held_out: NDArray[np.int32] | None = None,
    ) -> Tally:
        """Return what `finished` or `record` gave, with its arrays. `ToolboxError` where they are damaged.

        `held_out`: int32 (S,), the pictures that are held out, for whoever goes on with it.
        """
        identity, arrays = record["identity"], self._arrays(record)
        calibration = Calibration.from_record(record["calibration"])
        tally = Tally(settings_of(identity), calibration, identity["pictures"]["count"], device, held_out)
        tally.load(arrays)
        tally.skipped = {int(index): reason for index, reason in record["skipped"].items()}
        for first, last in record["batches_done"]:
            tally.mark_done(first, last)
        return tally

    def write_checkpoint(self, identity: dict[str, Any], tally: Tally) -> None:
        """Keep the tally so far."""
        name = f"checkpoint-{tally.batches_done}.npz"
        self._write(CHECKPOINT, name, manifest_of(identity, tally), tally)
        for path in self.folder.glob("checkpoint-*.npz"):
            if path.name != name:
                path.unlink()

    def write_result(self, identity: dict[str, Any], tally: Tally) -> dict[str, NDArray]:
        """Write the scan's (or the shard's) end and remove the checkpoint; return the arrays.

        Their shapes and dtypes are those of `Tally.arrays`. `prepare` has written the list of pictures.
        """
        former = (self._record(MANIFEST) or {}).get("arrays")
        name = MEANWHILE if former == ARRAYS else ARRAYS  # nothing is written over what a manifest names
        arrays = self._write(MANIFEST, name, manifest_of(identity, tally), tally)
        self._give_arrays_their_name()
        self._remove_checkpoint()
        return arrays

    def is_complete(self, pictures: PictureList) -> bool:
        """Return whether the finished scan here says that these are its pictures, and where they are, its arrays have
        their name, and nothing lies there that a run left when it was killed behind its result."""
        try:
            record = self._record(MANIFEST)
            if record is None or record["arrays"] == MEANWHILE or (self.folder / LOCK).exists():
                return False
            return self._pictures_of(record).root == pictures.kept_root and not self._has_outlived_checkpoint(record)
        except ToolboxError:
            return False

    def complete(self, pictures: PictureList) -> None:
        """Do what `is_complete` misses in the folder of a finished scan. `ToolboxError` where that is impossible."""
        with FolderLock(self.folder):
            remove_partial_files(self.folder)
            self._write_pictures(pictures)
            record = self._record(MANIFEST)
            if record is not None:
                write_json(self.folder / MANIFEST, {**record, "root": pictures.kept_root})
                self._give_arrays_their_name()
                if self._has_outlived_checkpoint(record):
                    self._remove_checkpoint()

    def read(self) -> tuple[dict[str, Any], dict[str, NDArray], PictureList]:
        """Return the manifest, the arrays (shapes and dtypes as in `Tally.arrays`) and the list of pictures.

        `ToolboxError` where there is no finished scan.
        """
        record = self._record(MANIFEST)
        if record is None:
            begun = "; the scan in it has not ended: run it again" if self._record(CHECKPOINT) else ""
            raise ToolboxError(f'"{self.folder}" holds no top images ({MANIFEST} is missing{begun})')
        return record, self._arrays(record), self._pictures_of(record)

    def _pictures_of(self, record: dict[str, Any]) -> PictureList:
        """Return the list of a manifest's pictures. `ToolboxError` where the file holds another list."""
        pictures = self.read_pictures(record.get("root", ""))
        if pictures.hash != record["identity"]["pictures"]["hash"]:
            raise ToolboxError(
                f'"{self.folder / PICTURES}" is not the list of this scan; scan the same pictures again, then it is'
            )
        return pictures

    def read_pictures(self, root: str = "") -> PictureList:
        """Return the list of pictures."""
        path = self.folder / PICTURES
        try:
            with open_regular(path) as file:
                lines = iter(lambda: file.readline(_LONGEST_LINE), b"")  # they end at line feeds alone
                rows = [_picture(line) for line in lines]
        except (OSError, ValueError) as error:
            raise ToolboxError(f'"{path}" cannot be read as a list of pictures: {os_reason_of(error)}') from error
        return PictureList(tuple(name for name, _ in rows), tuple(label for _, label in rows), root)

    def read_tally(self) -> tuple[dict[str, Any], Tally, PictureList]:
        """Return the identity, the tally and the pictures of a finished scan or shard."""
        record = self._record(MANIFEST)
        if record is None:
            raise ToolboxError(f'"{self.folder}" holds no finished part of a scan ({MANIFEST} is missing)')
        return record["identity"], self.tally(record), self._pictures_of(record)

    # -- inside -------------------------------------------------------------------------------------------------

    def _write(self, name: str, arrays: str, record: dict[str, Any], tally: Tally) -> dict[str, NDArray]:
        written = tally.arrays()
        with replacing(self.folder / arrays) as path:
            np.savez(path, **written)  # type: ignore[arg-type]
        write_json(self.folder / name, {**record, "root": self._root, "arrays": arrays})
        return written

    def _give_arrays_their_name(self) -> None:
        record = self._record(MANIFEST)
        if record is not None and record["arrays"] == MEANWHILE:
            with replacing(self.folder / ARRAYS) as path:
                shutil.copyfile(self.folder / MEANWHILE, path)
            write_json(self.folder / MANIFEST, {**record, "arrays": ARRAYS})
        (self.folder / MEANWHILE).unlink(missing_ok=True)

    def _has_outlived_checkpoint(self, manifest: dict[str, Any]) -> bool:
        """Whether a checkpoint lies here that is not of another shard, which would hold more than what is finished."""
        checkpoint = self._record(CHECKPOINT)
        if checkpoint is None:
            return any(self.folder.glob("checkpoint-*.npz"))
        return _batches_in(checkpoint) <= _batches_in(manifest)

    def _remove_checkpoint(self) -> None:
        for path in (self.folder / CHECKPOINT, *self.folder.glob("checkpoint-*.npz")):
            path.unlink(missing_ok=True)

    def _write_pictures(self, pictures: PictureList) -> None:
        path = self.folder / PICTURES
        with suppress(ToolboxError):
            if self.read_pictures().hash == pictures.hash:
                return
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for name, label in zip(pictures.names, pictures.labels, strict=True):
                file.write(json.dumps([str(name), int(label)]) + "\n")

    def _record(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        try:
            record = read_json(path, _MOST_RECORD)
            if isinstance(record, dict) and _format_of(record) != FORMAT:
                raise ToolboxError(f'"{path}" was written by another version of the toolbox; scan again')
            check_record(record)
            return dict(record)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ToolboxError(f'"{path}" cannot be read: {os_reason_of(error)}') from error
        except ValueError as error:
            raise ToolboxError(f'"{path}" is damaged ({reason_of(error)}); remove it and scan again') from error

    def _arrays(self, record: dict[str, Any]) -> dict[str, NDArray]:
        path = self.folder / record["arrays"]
        try:
            arrays = read_arrays(path, forms_of(record))
            check_arrays(record, arrays)
        except ToolboxError as error:
            raise ToolboxError(f"{error}; remove the folder and scan again") from error
        except ValueError as error:
            raise ToolboxError(f'"{path}" is damaged ({error}); remove the folder and scan again') from error
        return arrays


def _check_secrets(pictures: PictureList) -> None:
    for address in pictures.addresses if not is_url(pictures.root) else ():
        if "@" in urlsplit(address).netloc or not host_is_certain(address):
            raise ToolboxError(
                f'the address of the picture "{address}" holds a name or a password, which would be kept in '
                f'"{PICTURES}"; give the place once as the folder of pictures, with the names in a list'
            )


def _format_of(record: dict[str, Any]) -> Any:
    identity = record.get("identity")
    return identity.get("format") if isinstance(identity, dict) else FORMAT


def _picture(line: bytes) -> tuple[str, int]:
    """Return name and label of a line of the list. `ValueError` where it is none."""
    row = json_in(line.decode("utf-8"))
    match row:
        case [str(name), int(label)] if not isinstance(label, bool) and NO_LABEL <= label <= MOST_LABEL:
            name.encode(errors="surrogateescape")  # half a character is no part of a name
            return name, label
    raise ValueError(f"a line is {line[:60].decode(errors='replace').strip()}, no name and class index")


def _batches_in(record: dict[str, Any]) -> int:
    return sum(int(last) - int(first) for first, last in record["batches_done"])
