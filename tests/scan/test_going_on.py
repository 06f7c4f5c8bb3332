"""Checks which scans are used and gone on with: after updates, in places that cannot be written, beside other runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import LOCK, FolderLock
from deepvis_toolbox.scan import result_folder
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.merging import merge
from deepvis_toolbox.scan.result_folder import ResultFolder
from find_maxes import TopImages, list_pictures, scan

OPTIONS = {"batch_size": 8, "workers": 0}
ROOT = Path(__file__).resolve().parents[2]


def made_elsewhere(folder: Path) -> None:
    """As if another PyTorch, NumPy and Python had written it."""
    for path in (folder / "manifest.json", folder / "checkpoint.json"):
        if path.exists():
            record = json.loads(path.read_text())
            record["identity"]["versions"] |= {"torch": "1.0.0", "numpy": "1.0.0", "python": "3.0.0"}
            path.write_text(json.dumps(record))


@pytest.fixture
def begun(small_net, picture_paths, tmp_path, monkeypatch):
    """A scan that was stopped after two batches, with other versions than these."""
    write = ResultFolder.write_checkpoint

    def stop(self, identity, tally):
        write(self, identity, tally)
        if tally.batches_done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResultFolder, "write_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        scan(small_net, picture_paths, out=tmp_path / "begun", checkpoint_every=1, **OPTIONS)
    monkeypatch.undo()
    made_elsewhere(tmp_path / "begun")
    return tmp_path / "begun"


def test_a_finished_scan_is_used_after_an_update_and_its_versions_are_named(
    small_net, picture_paths, tmp_path, monkeypatch, caplog
):
    first = scan(small_net, picture_paths, out=tmp_path, **OPTIONS)
    made_elsewhere(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(type(small_net), "visit", lambda *_: pytest.fail("the network was run"))
    again = scan(small_net, picture_paths, out=tmp_path, **OPTIONS)
    np.testing.assert_array_equal(again.values["fc"], first.values["fc"])
    assert "made with other versions" in caplog.text
    assert "torch 1.0.0, now" in caplog.text
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_half_finished_scan_goes_on_where_the_new_versions_give_the_same_numbers(
    begun, small_net, picture_paths, caplog
):
    whole = scan(small_net, picture_paths, **OPTIONS)
    top = scan(small_net, picture_paths, out=begun, **OPTIONS)
    for name in whole.layers:
        np.testing.assert_array_equal(top.values[name], whole.values[name])
        np.testing.assert_array_equal(top.images[name], whole.images[name])
    assert "these give the same numbers" in caplog.text
    identity = TopImages.load(begun).manifest["identity"]
    assert identity["versions"]["torch"] == "1.0.0"
    assert len(identity["later_versions"]) == 1


def test_a_half_finished_scan_whose_numbers_would_change_is_gone_on_with_only_when_that_is_accepted(
    begun, small_net, picture_paths
):
    arrays = next(begun.glob("checkpoint-*.npz"))
    with np.load(arrays) as file:
        kept = dict(file)
    kept["top.values"] = np.nextafter(kept["top.values"], np.float32(np.inf))  # as another build's last bit
    np.savez(arrays, **kept)
    with pytest.raises(ToolboxError, match="other numbers; go on all the same with --accept-versions"):
        scan(small_net, picture_paths, out=begun, **OPTIONS)
    assert not (begun / LOCK).exists()
    top = scan(small_net, picture_paths, out=begun, accept_versions=True, **OPTIONS)
    assert top.is_complete


def test_shards_of_other_versions_are_merged(small_net, picture_paths, tmp_path):
    for number in range(2):
        scan(small_net, picture_paths, out=tmp_path / str(number), shard=(number, 2), **OPTIONS)
    made_elsewhere(tmp_path / "0")
    whole = merge([tmp_path / "0", tmp_path / "1"], tmp_path / "whole")
    np.testing.assert_array_equal(whole.values["fc"], scan(small_net, picture_paths, **OPTIONS).values["fc"])


@pytest.mark.skipif(os.name == "nt", reason="Windows asks others for permission")
def test_a_finished_scan_that_may_not_be_written_is_used(small_net, picture_paths, tmp_path, monkeypatch):
    scan(small_net, picture_paths, out=tmp_path, **OPTIONS)
    monkeypatch.setattr(Path, "write_bytes", lambda path, _: pytest.fail(f"{path} is written"))
    monkeypatch.setattr(Path, "replace", lambda path, _: pytest.fail(f"{path} is renamed"))
    monkeypatch.setattr(Path, "unlink", lambda path, **_: pytest.fail(f"{path} is removed"))
    tmp_path.chmod(0o555)
    try:
        assert scan(small_net, picture_paths, out=tmp_path, **OPTIONS).is_complete
    finally:
        tmp_path.chmod(0o755)


class Killed(BaseException):
    """Stands for `kill -9`: nothing of the program's tidies up behind it but what a file system does."""


def raising(error: Exception):
    def fail(*_):
        raise error

    return fail


def killed_at(monkeypatch, name: str, which: int = 1, before: bool = True) -> None:
    """Have the writer of the scan's small files killed at the `which`th file of this name."""
    write, seen = result_folder.write_json, []

    def writer(path, record):
        seen.extend([path] * (path.name == name))
        if before and len(seen) == which and path.name == name:
            raise Killed
        write(path, record)
        if not before and len(seen) == which and path.name == name:
            raise Killed

    monkeypatch.setattr(result_folder, "write_json", writer)


def same_result(one: TopImages, other: TopImages) -> None:
    assert one.is_complete
    assert other.is_complete
    for layer in other.layers:
        np.testing.assert_array_equal(one.images[layer], other.images[layer])
        np.testing.assert_array_equal(one.values[layer], other.values[layer])
        np.testing.assert_array_equal(one.statistics(layer).count, other.statistics(layer).count)


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("shards", [2, 3])
def test_a_run_killed_between_the_arrays_and_the_manifest_of_a_later_part_counts_no_picture_twice(
    small_net, picture_paths, tmp_path, monkeypatch, shards, which
):
    for number in range(shards):
        part = {"out": tmp_path, "shard": (number, shards), **OPTIONS}
        if number:
            with monkeypatch.context() as patched:
                killed_at(patched, "manifest.json", which)
                with pytest.raises(Killed):
                    scan(small_net, picture_paths, **part)
            parts = number + which - 1  # the former pair is whole, or the new one is
            assert TopImages.load(tmp_path).is_complete == (parts == shards)
        scan(small_net, picture_paths, **part)
    scan(small_net, picture_paths, out=tmp_path / "fresh", **OPTIONS)
    for path in (tmp_path / "fresh").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    assert [path.name for path in tmp_path.glob("*.npz")] == ["top_images.npz"]


def test_parts_merged_onto_parts_leave_the_former_pair_whole_when_they_are_killed(
    small_net, picture_paths, tmp_path, monkeypatch
):
    for number in range(4):
        scan(small_net, picture_paths, out=tmp_path / str(number), shard=(number, 4), batch_size=3, workers=0)
    merge([tmp_path / "0", tmp_path / "1"], tmp_path / "out", partial=True)
    before = TopImages.load(tmp_path / "out")
    with monkeypatch.context() as patched:
        killed_at(patched, "manifest.json")
        with pytest.raises(Killed):
            merge([tmp_path / "2", tmp_path / "3"], tmp_path / "out", partial=True)
    after = TopImages.load(tmp_path / "out")
    np.testing.assert_array_equal(after.images["fc"], before.images["fc"])
    merge([tmp_path / str(number) for number in range(4)], tmp_path / "out")
    same_result(TopImages.load(tmp_path / "out"), scan(small_net, picture_paths, batch_size=3, workers=0))


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_later_part_goes_on_from_its_own_checkpoint(small_net, picture_paths, tmp_path, monkeypatch, after):
    whole = scan(small_net, picture_paths, **OPTIONS)
    scan(small_net, picture_paths, out=tmp_path, shard=(0, 2), **OPTIONS)  # three of six batches
    rest = {"out": tmp_path, "shard": (1, 2), "checkpoint_every": 1, **OPTIONS}
    with monkeypatch.context() as patched:
        killed_at(patched, "checkpoint.json", after, before=False)
        with pytest.raises(Killed):
            scan(small_net, picture_paths, **rest)
    taken, take = [], BatchScanner.take
    monkeypatch.setattr(BatchScanner, "take", lambda self, batch: (taken.append(batch.number), take(self, batch)))
    scan(small_net, picture_paths, out=tmp_path, shard=(0, 2), **OPTIONS)
    assert taken == []  # the first part is there all the same
    scan(small_net, picture_paths, **rest)
    assert taken == list(range(3 + after, 6))
    same_result(TopImages.load(tmp_path), whole)


def test_a_finished_scan_whose_pictures_have_moved_says_where_they_are_now(small_net, picture_paths, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for path in picture_paths[:5]:
        (old / path.name).write_bytes(path.read_bytes())
    first = scan(small_net, list_pictures(old), out=tmp_path / "maxes", **OPTIONS)
    old.rename(new)
    scan(small_net, list_pictures(new), out=tmp_path / "maxes", **OPTIONS)
    moved = TopImages.load(tmp_path / "maxes")
    assert moved.paths == [str(new / path.name) for path in picture_paths[:5]]
    np.testing.assert_array_equal(moved.images["fc"], first.images["fc"])


@pytest.mark.parametrize("finished", [True, False])
def test_other_pictures_of_the_same_names_are_another_scan(small_net, picture_paths, tmp_path, monkeypatch, finished):
    for number, path in enumerate(picture_paths):
        for folder, source in (("one", path), ("two", picture_paths[-1 - number])):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / path.name).write_bytes(source.read_bytes())
    maxes = {"out": tmp_path / "maxes", "checkpoint_every": 8, **OPTIONS}
    with monkeypatch.context() as patched:
        if not finished:
            killed_at(patched, "checkpoint.json", 3, before=False)
        with contextlib.nullcontext() if finished else pytest.raises(Killed):
            scan(small_net, list_pictures(tmp_path / "one"), **maxes)
    before = {path: path.read_bytes() for path in (tmp_path / "maxes").iterdir()}
    with pytest.raises(ToolboxError, match=r"is of the pictures in .*one.*; those of the same names in .*two"):
        scan(small_net, list_pictures(tmp_path / "two"), **maxes)
    assert {path: path.read_bytes() for path in (tmp_path / "maxes").iterdir()} == before
    (tmp_path / "one").rename(tmp_path / "three")
    same_result(
        scan(small_net, list_pictures(tmp_path / "three"), **maxes),
        scan(small_net, list_pictures(tmp_path / "three"), **OPTIONS),
    )


@pytest.mark.parametrize("state", ["finished", "killed", "shards", "cannot be written"])
def test_pictures_that_came_later_are_looked_at_by_the_next_run(small_net, picture_paths, tmp_path, monkeypatch, state):
    folder, away = tmp_path / "pictures", [9, 12, 26, 42]
    folder.mkdir()
    for path in picture_paths:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / picture_paths[30].name).write_bytes(b"never a picture")
    copies = [folder / path.name for path in picture_paths]
    labels = [number % 3 for number in range(len(copies))]
    options = {"labels": labels, "bottom": True, "statistics": True, **OPTIONS}
    whole = scan(small_net, copies, out=tmp_path / "whole", **options)
    for index in away:
        copies[index].rename(copies[index].with_suffix(".away"))
    maxes = tmp_path / "maxes"
    with monkeypatch.context() as patched:
        if state == "killed":
            killed_at(patched, "checkpoint.json", 4, before=False)
        shards = [(0, 2), (1, 2)] if state == "shards" else [(0, 1)]
        for shard in shards:
            with pytest.raises(Killed) if state == "killed" else contextlib.nullcontext():
                first = scan(small_net, copies, out=maxes, shard=shard, checkpoint_every=8, **options)
    if state != "killed":
        assert sorted(first.skipped) == [*away[:3], 30, 42]
    for index in away:
        copies[index].with_suffix(".away").rename(copies[index])
    if state == "cannot be written":
        monkeypatch.setattr(ResultFolder, "prepare", raising(ToolboxError("the file system is read-only")))
        assert sorted(scan(small_net, copies, out=maxes, **options).skipped) == [*away[:3], 30, 42]
        return
    again = scan(small_net, copies, out=maxes, **options)
    assert list(again.skipped) == list(whole.skipped) == [30]
    same_result(again, whole)
    with np.load(next(maxes.glob("top_images*.npz"))) as found, np.load(tmp_path / "whole/top_images.npz") as wanted:
        assert set(found.files) == set(wanted.files)
        for name in wanted.files:
            np.testing.assert_array_equal(found[name], wanted[name])


needs_locks = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")


@needs_locks
def test_a_second_run_into_a_folder_is_refused_and_told_who_writes_there(small_net, picture_paths, tmp_path):
    half_written = tmp_path / f".{'0123456789abcdef' * 2}.partial.npz"
    half_written.write_bytes(b"half")
    with FolderLock(tmp_path):
        with pytest.raises(ToolboxError, match=rf"another run is writing .*\(process {os.getpid()} on .*\)"):
            scan(small_net, picture_paths, out=tmp_path, **OPTIONS)
        assert half_written.exists(), "the first one's file"
    scan(small_net, picture_paths, out=tmp_path, **OPTIONS)
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_removed_during_the_scan_is_an_error_and_is_not_made_again(
    small_net, picture_paths, tmp_path, monkeypatch, replaced
):
    out = tmp_path / "maxes"
    take = BatchScanner.take

    def remove_at_the_third(self, batch):
        if batch.number == 2:
            shutil.rmtree(out)
            if replaced:
                out.mkdir()
        take(self, batch)

    monkeypatch.setattr(BatchScanner, "take", remove_at_the_third)
    with pytest.raises(ToolboxError, match=r"maxes\" was removed or replaced since this run began"):
        scan(small_net, picture_paths, out=out, checkpoint_every=8, **OPTIONS)
    assert list(tmp_path.rglob("*")) == ([out] if replaced else [])


HOLD = "import sys, time; from deepvis_toolbox.folder_lock import FolderLock\n"
HOLD += (
    "lock = FolderLock(sys.argv[1])\nprint('held', flush=True)\nsubprocess = __import__('os').fork()\ntime.sleep(60)"
)


@needs_locks
def test_a_killed_run_leaves_no_lock_even_when_a_process_that_it_forked_lives_on(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ToolboxError, match=f"process {holder.pid} on "):
            FolderLock(tmp_path)
        time.sleep(0.5)  # until it has forked
        holder.kill()
        holder.wait()
        assert (tmp_path / LOCK).exists()
        FolderLock(tmp_path).release()
        assert not (tmp_path / LOCK).exists()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_a_run_killed_behind_its_result_left_is_removed_by_the_next_one(small_net, picture_paths, tmp_path):
    scan(small_net, picture_paths, layers=["fc"], out=tmp_path, **OPTIONS)
    whole = everything_in(tmp_path)
    manifest = json.loads(whole["manifest.json"])
    left = {
        LOCK: b"process 1",
        "checkpoint.json": json.dumps({**manifest, "arrays": "checkpoint-2.npz"}).encode(),
        "checkpoint-2.npz": whole["top_images.npz"],
        f".{'0123456789abcdef' * 2}.partial.npz": b"half",
    }
    for name in (LOCK, "checkpoint-2.npz"):  # each is enough to be seen
        for each in left if name == LOCK else (name,):
            (tmp_path / each).write_bytes(left[each])
        scan(small_net, picture_paths, layers=["fc"], out=tmp_path, **OPTIONS)
        assert everything_in(tmp_path) == whole


def test_another_shards_checkpoint_beside_a_finished_one_stays(small_net, picture_paths, tmp_path):
    scan(small_net, picture_paths, layers=["fc"], out=tmp_path, shard=(0, 2), **OPTIONS)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    first, last = manifest["batches_done"][0]
    more = {**manifest, "batches_done": [[first, last + 1]], "arrays": "checkpoint-9.npz"}
    shutil.copy(tmp_path / "top_images.npz", tmp_path / "checkpoint-9.npz")
    (tmp_path / "checkpoint.json").write_text(json.dumps(more))
    (tmp_path / LOCK).write_text("process 1")
    scan(small_net, picture_paths, layers=["fc"], out=tmp_path, shard=(0, 2), **OPTIONS)
    names = set(everything_in(tmp_path))
    assert {"checkpoint.json", "checkpoint-9.npz"} <= names
    assert LOCK not in names
