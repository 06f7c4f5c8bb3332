"""What the optimizer has left beside its pictures."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from deepvis_toolbox.optimize.cli.search_command import _shown
from deepvis_toolbox.optimize.files.output import INFO, RECORD_SUFFIX, SHOWN
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.files.record import read_record
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.targets import checked_target
from deepvis_toolbox.optimize.production import Summary, make_unit_images, store_files
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from tests.fuzz.harness import Files, Harness, harness, read_case, tried
from tests.fuzz.mutations.values import json_with
from tests.fuzz.tiny import tiny_network

_UNITS = (Unit("conv", 1), Unit("fc", 0))
_SETTINGS = AscentSettings(max_iter=2)


@harness("record")
class Records(Harness):
    """The optimizer's records (`…_info.json`) and pictures: what is whole is kept, the rest made again or refused."""

    def seeds(self) -> list[Files]:
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch))
            return [read_case(Path(scratch))]

    def use(self, folder: Path) -> None:
        before = {path: path.read_bytes() for path in folder.rglob("*_s0000_*")}
        summary = make(folder)
        if summary.made + summary.skipped + len(summary.problems) < len(_UNITS):
            raise AssertionError(f"a picture is neither made nor there nor told of: {summary}")
        if not summary.made and any(path.read_bytes() != content for path, content in before.items()):
            raise AssertionError("nothing was made, but a picture is another one now")
        files = store_files(tiny_network(), UnitImageStore(folder))
        tried(*(lambda unit=unit: _in_the_sheet(files, unit) for unit in _UNITS))

    def former_failures(self) -> Mapping[str, Files]:
        (whole,) = self.kept_seeds
        record = next(name for name in whole if name.endswith(RECORD_SUFFIX) and INFO in name)
        picture = next(name for name in whole if name.endswith(f"{SHOWN}.png"))
        line = io.BytesIO()
        Image.new("RGB", (4, 3_000_000)).save(line, "PNG")
        return {
            "the objective is a word": {**whole, record: json_with(whole[record], ("best_objective",), "high")},
            "the answer is too large a number": {**whole, record: json_with(whole[record], ("answer",), _HUGE_ANSWER)},
            "a claim that is nested deeply": {**whole, "network.json": b"[" * 100_000},
            "a picture of which nine take gigabytes": {**whole, picture: line.getvalue()},
        }


_HUGE_ANSWER = {"conv": [10**400] * 4, "fc": [10**400] * 3}


def make(folder: Path) -> Summary:
    """Make the pictures that are not there."""
    return make_unit_images(tiny_network(), _UNITS, [0], _SETTINGS, UnitImageStore(folder), Silence())


def _in_the_sheet(files: StoreFiles, unit: Unit) -> None:
    """Show a picture as the search does."""
    picture = AscentTask(checked_target(unit, tiny_network()), 0)
    if files.path(picture, SHOWN, files.suffix).exists() and read_record(files.path(picture, INFO, RECORD_SUFFIX)):
        _shown(files, picture)
