"""Writes what one ascent gave: the pictures, the arrays, the record.

A former record goes first and the new one comes last: with it, all is there, and of one run.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from deepvis_toolbox.atomic_files import is_written, remove, replacing, write_text
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.npz_file import is_whole
from deepvis_toolbox.optimize.files.picture_files import KIND, PictureFiles, StoreFiles
from deepvis_toolbox.optimize.files.record import (
    TRACES,
    BesidePhotographs,
    Record,
    as_text,
    difference,
    identity,
    read_record,
    record_of,
)
from deepvis_toolbox.optimize.files.shown_image import centred, seen_part, shown
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.result import AscentResult, PixelImage, is_start
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.numbers import JudgeNumbers, natural_of
from deepvis_toolbox.unit_images.picture_file import is_published, read_picture, write_picture
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit

_log = logging.getLogger(__name__)
INFO = "info"
RECORD_SUFFIX = ".json"
Kind = Literal["majority", "best", "last"]
SHOWN = "best_Xpm"
"""What a montage is made of."""


Beside = Callable[[Target, RGBImage, AscentSettings], BesidePhotographs]
"""(what was climbed, the picture that is shown, how it was made) -> what photographs say of it."""
Judges = Callable[[Target, RGBImage], Mapping[str, JudgeNumbers]]
"""(what was climbed, the picture that is shown) -> what other networks say of it, by their names."""


@dataclass(frozen=True)
class Output:
    """Where and in which forms results are kept."""

    files: PictureFiles
    kinds: tuple[Kind, ...] = ("best",)
    """Which images."""
    arrays: bool = False
    """Also the images themselves and the traces, as `.npz`."""
    text: bool = False
    """Also the original's `info.txt`."""
    overwrite: bool = False
    failed_too: bool = False
    """Also the start images of ascents that failed: where runs are compared, each has its picture."""
    how_to_overwrite: str = "; --brave overwrites it"
    lock: FolderLock | None = None
    """The run's own, without which it must not go on."""
    beside: Beside | None = None
    """Tells what photographs say of a picture, for its record; None: the store says what it knows of its unit."""
    judges: Judges | None = None
    """Tells what other networks say of a picture, for its record."""

    def finished(self, net: Network, picture: AscentTask, settings: AscentSettings) -> Record | None:
        """Return the record of the picture where it is there already, made of the same network with the same
        parameters."""
        found = read_record(self._path(picture, INFO, RECORD_SUFFIX), _log.warning)
        whole = (
            found is not None
            and (self.failed_too or not _is_of_a_failed_one(found))
            and not difference(found, identity(net, picture, settings))
            and all(
                _is_sound_picture(
                    self._path(picture, what, self.files.suffix), seen_part(net, picture.target, settings)
                )
                for what in (SHOWN, "best_X")
            )
            and (not self.arrays or is_whole(self._path(picture, "arrays", ".npz"), _most_bytes(net, settings)))
        )
        return found if whole else None

    def check_store(self, net: Network) -> None:
        """Raise `ToolboxError` where the store holds another network's pictures."""
        if isinstance(self.files, StoreFiles):
            self.files.store.check_network(net)

    def in_the_way(self, net: Network, picture: AscentTask, settings: AscentSettings) -> str:
        """Return why a picture may not be made: another one is there, made otherwise. Empty where nothing is in the
        way."""
        if self.overwrite:
            return ""
        path = self._path(picture, INFO, RECORD_SUFFIX)
        found = read_record(path)
        other = difference(found, identity(net, picture, settings)) if found else ""
        return f'"{path}" is of another run ({other}){self.how_to_overwrite}' if other else ""

    def write(self, net: Network, picture: AscentTask, settings: AscentSettings, result: AscentResult) -> None:
        """Write everything of one picture. `ToolboxError` where a file cannot be written.

        `FolderGoneError` where the folder is no longer the run's own.
        """
        if self.lock:
            self.lock.check()
        if isinstance(self.files, StoreFiles):
            self.files.store.claim(net)
        part = seen_part(net, picture.target, settings)
        record = self._record(net, picture, settings, result)
        path_of_record = self._path(picture, INFO, RECORD_SUFFIX)
        former = read_record(path_of_record)
        is_the_same = former is not None and not difference(former, identity(net, picture, settings))
        remove(path_of_record)
        written: list[Path] = []
        for kind in self.kinds:
            image: PixelImage | None = getattr(result, kind)
            if image is not None:
                drawn = {
                    "X": centred(image, part, net.preprocessing),
                    "Xpm": shown(net, picture.target, settings, image),
                }
                for what, drawing in drawn.items():
                    written.append(self._path(picture, f"{kind}_{what}", self.files.suffix))
                    write_picture(written[-1], drawing)
        if self.arrays:
            written.append(self._path(picture, "arrays", ".npz"))
            _write_arrays(written[-1], result)
        if self.text:
            written.append(self._path(picture, INFO, ".txt"))
            write_text(written[-1], _as_info(record))
        for path in () if is_the_same else set(self._forms(picture)).difference(written):
            remove(path)
        write_text(path_of_record, as_text(record))

    def _record(self, net: Network, picture: AscentTask, settings: AscentSettings, result: AscentResult) -> Record:
        best_shown = shown(net, picture.target, settings, result.best)
        beside = self._beside(picture.target, best_shown, settings)
        transfer = self.judges(picture.target, best_shown) if self.judges is not None else None
        return record_of(net, picture, settings, result, best_shown, beside, transfer)

    def _beside(self, target: Target, picture: RGBImage, settings: AscentSettings) -> BesidePhotographs:
        found = BesidePhotographs() if self.beside is None else self.beside(target, picture, settings)
        if found.largest is None and isinstance(self.files, StoreFiles) and isinstance(target, Unit):
            return found._replace(largest=natural_of(self.files.store, target))
        return found

    def shown_path(self, picture: AscentTask) -> Path:
        """Return the file of a picture that montages show."""
        return self._path(picture, SHOWN, self.files.suffix)

    def forget_failed(self, picture: AscentTask) -> None:
        """Remove the picture of an ascent that failed, which earlier versions kept, and a montage of nothing else."""
        record = self._path(picture, INFO, RECORD_SUFFIX)
        found = read_record(record)
        if found is None or not _is_of_a_failed_one(found):
            return
        for path in (record, *self._forms(picture)):
            remove(path)
        if isinstance(self.files, StoreFiles) and isinstance(picture.target, Unit):
            store, unit = self.files.store, picture.target
            montage = store.montage_path(KIND, unit)
            if not store.singles(KIND, unit) and not is_published(montage):
                remove(montage)

    def _forms(self, picture: AscentTask) -> list[Path]:
        """Return every file that a picture may have beside its record, whichever a run was asked for."""
        shown = [
            self._path(picture, f"{kind}_{what}", suffix)
            for kind in get_args(Kind)
            for what in ("X", "Xpm")
            for suffix in self.files.suffixes
        ]
        return [*shown, self._path(picture, "arrays", ".npz"), self._path(picture, INFO, ".txt")]

    def _path(self, picture: AscentTask, what: str, suffix: str) -> Path:
        return self.files.path(picture, what, suffix)


def _is_of_a_failed_one(record: Record) -> bool:
    """As `AscentResult.has_failed`, of what was written down."""
    start_at = record.get("settings", {}).get("start_at")
    return is_start(record.get("outcome"), record.get("steps"), record.get("best_step"), start_at)


def _is_sound_picture(path: Path, part: Rect) -> bool:
    """Return whether there is a picture of this part of the input, which can be read to its end."""
    try:
        return is_written(path) and read_picture(path).shape[:2] == (part.bottom - part.top, part.right - part.left)
    except ToolboxError:
        return False


def _most_bytes(net: Network, settings: AscentSettings) -> int:
    """Return more than what the arrays of one picture are: three images, a number for each step in each trace."""
    return 2 * (len(get_args(Kind)) * 4 * math.prod(net.input_shape) + len(TRACES) * 8 * settings.max_iter) + (1 << 20)


def _write_arrays(path: Path, result: AscentResult) -> None:
    """Write the images (zero-centred pixels) and traces as they are; no `majority` where there was none."""
    arrays = {name: getattr(result, name) for name in (*TRACES, "best", "last")}
    if result.majority is not None:
        arrays["majority"] = result.majority
    with replacing(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def _as_info(record: Record) -> str:
    """Return the parameters and the results as lines, as the original's `info.txt`."""
    settings, traces = record["settings"], record["traces"]
    unit = record["unit"]
    lines = [f"push_unit: {unit['address']}", f"rand_seed: {unit['seed']}"]
    lines += [f"{name}: {value}" for name, value in settings.items()]
    lines += ["", f"network: {record['network']['name']} ({record['network']['weights_sha256']})"]
    lines += [
        f"{name}: {record[name]}" for name in ("outcome", "steps", "best_step", "best_objective", "last_objective")
    ]
    lines += ["", "step objective is_max largest norm distance std"]
    columns = zip(
        *(traces[name] for name in ("objective", "is_max", "largest", "norm", "distance", "std")), strict=True
    )
    lines += [f"{step} {' '.join(map(str, values))}" for step, values in enumerate(columns)]
    return "\n".join(lines) + "\n"
