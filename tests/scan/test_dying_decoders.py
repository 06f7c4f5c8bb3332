"""Checks whose fault it is when a process that decodes pictures dies, and that no scan ends with another result."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.pictures.decode_process import DecodeProcess
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.scan.scanning import UnreadableError
from deepvis_toolbox.sources import isolated_process, picture_process
from deepvis_toolbox.sources.isolated_process import ENDED_IT, DecoderKilledError
from find_maxes import TopImages, list_pictures, scan

OPTIONS = {"batch_size": 8, "workers": 1}

FATAL = """
import sys as _sys
def _fatal(name, ending):
    import os
    from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
    read = PictureReader.read_into
    def read_into(self, slot, path):
        if path.endswith(name):
            slot[...] = 7  # half of a picture
            exec(ending, {"os": os})
        return read(self, slot, path)
    PictureReader.read_into = read_into
"""


def fatal(monkeypatch: pytest.MonkeyPatch, name: str, ending: str) -> None:
    """Have the picture of this name end the process that decodes it, as `ending` does."""
    own = f"{FATAL}{isolated_process._START}".replace(
        "    runpy.run_module", f"    _fatal({name!r}, {ending!r})\n    runpy.run_module"
    )
    monkeypatch.setattr(isolated_process, "_START", own)


def same_files(one: Path, other: Path) -> None:
    for path in other.iterdir():
        assert (one / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.fixture(scope="module")
def whole(small_net, picture_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "maxes"
    scan(small_net, list_pictures(picture_folder), out=folder, batch_size=8, workers=0)
    return folder


def test_a_killed_process_is_started_again_and_costs_nothing(small_net, picture_folder):
    with PictureBatches(list_pictures(picture_folder), small_net.preprocessing, 4, workers=1) as batches:
        first = batches.read(0)
        assert batches._pool is not None
        batches._pool._workers[0]._process.kill()
        again = batches.read(0)
        assert not again.reasons
        np.testing.assert_array_equal(again.inputs.numpy(), first.inputs.numpy())


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("os.abort()", "SIGABRT"),
        ("os._exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 27)", "out of time"),
        ("raise RuntimeError('no decoder does this')", "exit status 1"),
    ],
)
def test_a_picture_that_ends_its_process_is_skipped_and_not_tried_again(
    small_net, picture_folder, tmp_path, monkeypatch, ending, how
):
    fatal(monkeypatch, "012.png", ending)
    top = scan(small_net, list_pictures(picture_folder), out=tmp_path, **OPTIONS)
    assert list(top.skipped) == [12]
    assert how in top.skipped[12]
    assert top.skipped[12].startswith(ENDED_IT)
    assert all(12 not in top.images[layer] for layer in top.layers)
    tried = []
    monkeypatch.setattr(DecodeProcess, "decode", lambda *_: tried.append(1) or ["still"])
    assert list(scan(small_net, list_pictures(picture_folder), out=tmp_path, **OPTIONS).skipped) == [12]
    assert not tried


def test_without_workers_a_decoder_that_is_killed_stops_the_scan_which_goes_on_where_it_was(
    small_net, picture_folder, tmp_path, monkeypatch, whole
):
    ask, here = picture_process._PictureProcess._ask, {**OPTIONS, "workers": 0}
    with monkeypatch.context() as patched:
        killed = lambda own, source, *how: -9 if str(source).endswith("030.png") else ask(own, source, *how)  # noqa: E731
        patched.setattr(picture_process._PictureProcess, "_ask", killed)
        with pytest.raises(DecoderKilledError, match=r"030\.png.*killed twice .SIGKILL.*run it again") as stopped:
            scan(small_net, list_pictures(picture_folder), out=tmp_path, **here)
        assert "\n" not in str(stopped.value)
    assert not (tmp_path / "manifest.json").exists()
    assert (tmp_path / "checkpoint-3.npz").exists()  # batches 0 to 2
    assert not scan(small_net, list_pictures(picture_folder), out=tmp_path, **here).skipped
    same_files(tmp_path, whole)


def test_whatever_reading_a_picture_raises_the_next_one_is_read(small_net, picture_folder, monkeypatch):
    frame = PictureReader.frame

    def raising(self, path):
        if path.endswith("003.png"):
            raise RuntimeError("no reader does this\nor that")
        return frame(self, path)

    monkeypatch.setattr(PictureReader, "frame", raising)
    top = scan(small_net, list_pictures(picture_folder), batch_size=8, workers=0)
    assert top.skipped == {3: "RuntimeError: no reader does this"}


def test_what_a_process_left_of_a_picture_that_ended_it_is_zeros(small_net, picture_folder, monkeypatch):
    fatal(monkeypatch, "001.png", "os.abort()")
    with PictureBatches(list_pictures(picture_folder), small_net.preprocessing, 4, workers=1) as batches:
        assert not batches.read(0).inputs[1].any()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_picture_alone_in_a_process_that_is_killed_stops_the_scan_which_goes_on_where_it_was(
    small_net, picture_folder, tmp_path, monkeypatch, whole, number
):
    with monkeypatch.context() as patched:
        fatal(patched, "030.png", f"os.kill(os.getpid(), {int(number)})")
        with pytest.raises(DecoderKilledError, match=rf"{number.name}.*030\.png.*run it again") as stopped:
            scan(small_net, list_pictures(picture_folder), out=tmp_path, **OPTIONS)
        assert "\n" not in str(stopped.value)
    assert not (tmp_path / "manifest.json").exists()
    assert (tmp_path / "checkpoint-3.npz").exists()  # batches 0 to 2
    taken = []
    ask = DecodeProcess.decode
    monkeypatch.setattr(DecodeProcess, "decode", lambda self, at, paths: (taken.extend(paths), ask(self, at, paths))[1])
    assert not scan(small_net, list_pictures(picture_folder), out=tmp_path, **OPTIONS).skipped
    assert [Path(path).name for path in taken] == [f"{number:03d}.png" for number in range(24, 43)]
    same_files(tmp_path, whole)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("raise ImportError('no cv2 here')", "cannot be started: ImportError: no cv2 here"),
        ("import os; os.abort()", "cannot be started: SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "killed twice"),
    ],
)
def test_processes_that_do_not_start_are_an_error_and_no_result(
    small_net, picture_folder, tmp_path, monkeypatch, start, said, capfd
):
    own = isolated_process._START.replace("    runpy.run_module", f"    {start}\n    runpy.run_module")
    monkeypatch.setattr(isolated_process, "_START", own)
    with pytest.raises(ToolboxError, match=said):
        scan(small_net, list_pictures(picture_folder), out=tmp_path, **OPTIONS)
    assert not (tmp_path / "manifest.json").exists()
    assert "Traceback" not in capfd.readouterr().err


def test_a_program_that_is_not_there_is_an_error(small_net, picture_folder, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ToolboxError, match="cannot be started: No such file"):
        scan(small_net, list_pictures(picture_folder), **OPTIONS)


def test_a_scan_that_read_nothing_is_no_result(small_net, picture_folder, tmp_path, monkeypatch):
    read = PictureBatches.read
    gone = "gone since"

    def all_gone(self, numbers):
        for number in numbers:
            batch = read(self, number)
            batch.reasons.update({batch.first + offset: gone for offset in range(len(batch.inputs))})
            yield batch

    monkeypatch.setattr(PictureBatches, "__call__", all_gone)
    with pytest.raises(UnreadableError, match=rf"none of the 43 pictures can be read; the first: .*000\.png: {gone}"):
        scan(small_net, list_pictures(picture_folder), out=tmp_path, batch_size=8, workers=0)
    assert not (tmp_path / "manifest.json").exists()


SCANS = 3
"""Each takes three seconds; forty were run when this was written."""


def test_scans_whose_processes_are_killed_at_any_moment_all_come_to_the_same_result(
    small_net, picture_folder, tmp_path, monkeypatch, whole
):
    living: list = []
    start = DecodeProcess._start
    monkeypatch.setattr(DecodeProcess, "_start", lambda self: living.append(start(self)) or living[-1])
    ended, random, killed, stopped = threading.Event(), np.random.default_rng(3), 0, 0

    def kill_now_and_then() -> None:
        nonlocal killed
        while not ended.wait(random.uniform(0.02, 0.3)):
            if living:
                victim = living[-1 - int(random.integers(min(2, len(living))))]
                killed += victim.poll() is None
                victim.kill()

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        for number in range(SCANS):
            for _ in range(50):
                try:
                    top = scan(
                        small_net, list_pictures(picture_folder), out=tmp_path / str(number), batch_size=8, workers=2
                    )
                    break
                except DecoderKilledError:
                    stopped += 1
            assert not top.skipped
            same_files(tmp_path / str(number), whole)
            assert TopImages.load(tmp_path / str(number)).is_complete
    finally:
        ended.set()
        killer.join()
        print(f"{SCANS} scans, {killed} processes killed, {stopped} runs stopped and gone on with")
    assert killed
