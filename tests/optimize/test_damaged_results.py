"""Results on disk that are damaged, taken away or half written: nothing wrong is kept, and nothing else is lost."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox import AscentSettings, Unit, preferred_images
from deepvis_toolbox.atomic_files import ABANDONED_SECONDS
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import LOCK, FolderGoneError, FolderLock
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.files.compare import Panel, comparison
from deepvis_toolbox.optimize.files.output import Output
from deepvis_toolbox.optimize.files.record import read_record
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.production import make_unit_images, problem_of, store_files
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.picture_file import write_picture
from tests.optimize.networks import linear_network

SETTINGS = AscentSettings(max_iter=3)
NETWORK = ["--model", "tests.optimize.networks:small_classifier", "--input-size", "24x20", "--mean", "110", "--quiet"]
DEEP: Any = json.loads("[" * 700 + "]" * 700)
WRONG: list[Any] = [None, "x", "\x1b[31m", -7, 10**400, 1.5, True, [], [1], {}, {"x": 1}, DEEP]
NOT_READ = ("naturalness", "program", "engine", "label", "seen_part", "last_objective", "became_largest_at_step")
RECORD: dict[str, Any] = {
    **{key: {} for key in ("network", "input", "unit", "settings", "answer")},
    **{"outcome": "majority", "steps": 3, "best_step": 2, "best_objective": 0.5, "more": [1]},
}


def made(folder: Path) -> tuple[int, int, list[str]]:
    summary = make_unit_images(linear_network(), [Unit("fc", 0)], [0, 1], SETTINGS, UnitImageStore(folder), Silence())
    return summary.made, summary.skipped, summary.problems


def pictures_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def turned(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def of_another_size(path: Path) -> None:
    write_picture(path, np.zeros((5, 7, 3), np.uint8))


@pytest.mark.parametrize("what", ["best_X.png", "best_Xpm.png"])
@pytest.mark.parametrize("damage", [cut, turned, of_another_size])
def test_a_damaged_picture_beside_an_intact_record_is_made_again_alone(
    tmp_path: Path, what: str, damage: Callable[[Path], None]
) -> None:
    assert made(tmp_path) == (2, 0, [])
    before = pictures_in(tmp_path)
    damage(next(tmp_path.rglob(f"*s0001_{what}")))
    assert pictures_in(tmp_path) != before
    assert made(tmp_path) == (1, 1, [])
    assert pictures_in(tmp_path) == before


def bomb(path: Path) -> None:
    """Half a gigabyte of zeros in a small file, where there are some kilobytes of numbers."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("best.npy", "w", force_zip64=True) as member,
    ):
        zeros = bytes(1 << 24)
        for _ in range(32):
            member.write(zeros)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [cut, turned, bomb, pipe])
def test_damaged_arrays_are_made_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    net, task = linear_network(), AscentTask(Unit("fc", 0), 0)
    (result,) = preferred_images(net, [task.target], settings=SETTINGS)
    output = Output(store_files(net, UnitImageStore(tmp_path)), arrays=True)
    output.write(net, task, SETTINGS, result)
    assert output.finished(net, task, SETTINGS)
    damage(next(tmp_path.rglob("*.npz")))
    assert not output.finished(net, task, SETTINGS)


def test_a_record_with_a_wrong_field_never_ends_in_a_traceback_or_passes_for_the_picture(tmp_path: Path) -> None:
    assert made(tmp_path) == (2, 0, [])
    net, task = linear_network(), AscentTask(Unit("fc", 0), 1)
    output = Output(store_files(net, UnitImageStore(tmp_path)))
    (path,) = tmp_path.rglob("*s0001_info.json")
    record = json.loads(path.read_bytes())
    assert output.finished(net, task, SETTINGS)
    fields = [field for field in record if field not in ("traces", *NOT_READ)]
    assert len(fields) == 9
    for field in fields:
        left_out = {key: value for key, value in record.items() if key != field}
        for changed in [left_out, *({**record, field: wrong} for wrong in WRONG)]:
            path.write_text(json.dumps(changed))
            found = output.finished(net, task, SETTINGS)
            if found and field in changed:  # a value that this field may have
                assert type(changed[field]) in (type(record[field]), type(None), int)
            blocked = output.in_the_way(net, task, SETTINGS)
            assert "\n" not in blocked
            problem_of(task, str((found or {}).get("outcome")), (found or {}).get("steps"))
            output.forget_failed(task)
            assert not found or not blocked


def test_a_record_with_a_wrong_field_costs_no_other_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path)
    before = pictures_in(tmp_path)
    path = next(tmp_path.rglob("*s0001_info.json"))
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "steps": "x"}))
    assert made(tmp_path) == (1, 1, [])
    assert pictures_in(tmp_path) == before
    (told,) = caplog.messages
    assert told.startswith(f'"{path}" is damaged (at "steps": ')


@pytest.mark.parametrize(("field", "wrong"), [
    ("outcome", "well"), ("outcome", ["majority"]), ("steps", -1), ("steps", "3"), ("best_step", 1.5),
    ("best_objective", "nan"), ("best_objective", 10**400), ("network", "small"), ("settings", []),
    ("answer", {"fc": [1, "x"]}), ("answer", {"fc": [10**400]}),
])  # fmt: skip
def test_a_damaged_record_is_named_with_its_field_and_counts_as_none(tmp_path: Path, field: str, wrong: object) -> None:
    path = tmp_path / "info.json"
    path.write_text(json.dumps({**RECORD, field: wrong}))
    told: list[str] = []
    assert read_record(path, told.append) is None
    assert str(path) in told[0]
    assert f'damaged (at "{field}' in told[0]
    path.write_text(json.dumps(RECORD))
    assert read_record(path) == RECORD


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", "\x00", '{"a":' * 5000, "[" * 100_000, "9" * 5000])
def test_what_is_no_record_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "info.json").write_text(text)
    told: list[str] = []
    assert read_record(tmp_path / "info.json", told.append) is None
    assert len(told) == 1
    assert read_record(tmp_path, told.append) is None
    assert read_record(tmp_path / "none.json", told.append) is None
    assert len(told) == 2


def test_a_folder_that_is_taken_away_during_a_run_ends_it(tmp_path: Path) -> None:
    net, task = linear_network(), AscentTask(Unit("fc", 0), 0)
    (result,) = preferred_images(net, [task.target], settings=SETTINGS)
    with FolderLock(tmp_path / "store") as lock:
        output = Output(store_files(net, UnitImageStore(tmp_path / "store")), lock=lock)
        output.write(net, task, SETTINGS, result)
        if not (tmp_path / "store" / LOCK).exists():
            pytest.skip("there are no locks here")
        shutil.rmtree(tmp_path / "store")
        with pytest.raises(FolderGoneError, match=r"store.* was removed or replaced"):
            output.write(net, task, SETTINGS, result)
        (tmp_path / "store").mkdir()
        with FolderLock(tmp_path / "store"):
            with pytest.raises(FolderGoneError):
                lock.check()
            lock.release()
            assert (tmp_path / "store" / LOCK).exists(), "it is the other run's now"


def test_a_store_that_is_taken_away_before_the_montages_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fcntl")

    def remove(*_: object) -> list[Path]:
        shutil.rmtree(tmp_path / "store")
        return []

    monkeypatch.setattr("deepvis_toolbox.optimize.cli.optimize_command.write_montages", remove)
    with pytest.raises(FolderGoneError):
        main([*NETWORK, "--units", "fc:1", "--max-iter", "1", "--store", str(tmp_path / "store")])


@pytest.mark.parametrize("place", ["--store", "--out"])
def test_two_runs_on_one_output_are_refused_with_who_holds_it(tmp_path: Path, place: str) -> None:
    pytest.importorskip("fcntl")
    held = FolderLock(tmp_path) if place == "--store" else FolderLock(tmp_path, "prefix")
    where = str(tmp_path) if place == "--store" else str(tmp_path / "prefix")
    with held, pytest.raises(ToolboxError, match=rf"another run is writing to .*process {os.getpid()} on "):
        main([*NETWORK, "--units", "fc:1", "--max-iter", "1", place, where])
    assert main([*NETWORK, "--units", "fc:1", "--max-iter", "1", place, where]) == 0


def test_half_written_files_of_killed_runs_go_with_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "regularized_opt" / "fc"
    folder.mkdir(parents=True)
    old, new = folder / f".{'a' * 32}.partial.png", folder / f".{'b' * 32}.partial.png"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - ABANDONED_SECONDS - 1,) * 2)
    made(tmp_path)
    assert not old.exists()
    assert new.exists(), "somebody may be writing it"


def test_titles_of_a_comparison_are_drawn_as_all_text_is() -> None:
    def header(title: str) -> np.ndarray:
        return comparison([Panel(title, [np.zeros((24, 20, 3), np.uint8)])])[:28]

    assert not np.array_equal(header("ä"), header("ö"))
    assert np.array_equal(header("a\x1b[1m"), header("a\\x1b[1m")), "control characters are shown escaped"
    assert header("a" * 500).shape == header("a").shape
    assert (header("a" * 500)[:, -10:] == 255).all(), "what is too long is cut at the edge"
