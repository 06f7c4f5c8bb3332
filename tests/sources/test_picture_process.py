"""The door for strangers' pictures: the same pixels as here; and what breaks, hangs or swells costs one picture."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.paper.looked_at import _readable as readable
from deepvis_toolbox.sources import isolated_process, picture_process, shared_memory
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_picture
from deepvis_toolbox.sources.kinds.list_file import ListSource
from deepvis_toolbox.sources.listing import ListedPicture
from deepvis_toolbox.sources.picture_process import PictureNotDecoded, decode_apart
from deepvis_toolbox.unit_images.picture_file import read_picture

pytestmark = pytest.mark.skipif(not picture_process.IS_POSSIBLE, reason="pictures are decoded in the program here")

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 56, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pool = picture_process._Pool()
    monkeypatch.setattr(picture_process, "_pool", pool)
    yield
    pool.close()


def saved(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format)
    return file.getvalue()


def spoilt(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Have each process do this where a picture is called hostile.png."""
    own = """
import deepvis_toolbox.sources.decode as _decode, os, time, resource
_real = _decode.decode_picture
def _spoilt(source):
    if str(source).endswith("hostile.png"):
        ENDING
    return _real(source)
_decode.decode_picture = _spoilt
"""
    own = own.replace("ENDING", ending).strip().replace("\n", "\n    ")
    start = isolated_process._START.replace("    runpy.run_module", f"    {own}\n    runpy.run_module")
    monkeypatch.setattr(isolated_process, "_START", start)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF"])
def test_pixels_are_those_of_this_process(file_format: str, tmp_path: Path) -> None:
    data = saved(PIXELS, file_format)
    (tmp_path / "picture").write_bytes(data)
    for source in (data, tmp_path / "picture", str(tmp_path / "picture")):
        image = decode_apart(source)
        np.testing.assert_array_equal(image, decode_picture(source))
        assert image.flags.writeable
        assert image.flags.c_contiguous


def test_a_smaller_picture_behind_a_larger_one_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "KEPT_BYTES", 1000)
    for side in (300, 8, 299, 1):
        pixels = np.full((side, side, 3), side % 251, np.uint8)
        np.testing.assert_array_equal(decode_apart(saved(pixels)), pixels)


def test_a_relative_path_is_that_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode_apart(saved(PIXELS))
    (tmp_path / "one.png").write_bytes(saved(PIXELS))
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(decode_apart("one.png"), PIXELS)


def test_reasons_are_those_of_this_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no picture")
    (tmp_path / "cut").write_bytes(saved(PIXELS, "JPEG")[:400])
    for source in (*sorted(tmp_path.iterdir()), tmp_path / "missing", "a\0b", "", b"", b"GIF89a", Path("/dev/zero")):
        with pytest.raises(UnreadablePicture) as here:
            decode_picture(source)
        with pytest.raises(UnreadablePicture) as apart:
            decode_apart(source)
        assert str(apart.value) == str(here.value)
        assert "\n" not in str(apart.value)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("os.abort()", "ended the process that decodes pictures .SIGABRT"),
        ("os._exit(0)", "ended the process that decodes pictures .exit status 0"),
        ("os.kill(os.getpid(), 9)", "killed twice .SIGKILL"),
        ("os.kill(os.getpid(), 27)", "out of time"),
        ("bytearray(3 << 30)", "more memory"),
        ("raise RuntimeError('none does this')", "RuntimeError: none does this"),
        ("time.sleep(60)", "took more than 1 s"),
        ("os.kill(os.getpid(), 19)", "took more than 1 s"),
        ("os.write(1, b'{}' + bytes([10])); time.sleep(60)", "makes no sense"),
        ("os.write(1, b'{]' + bytes([10]))", "killed twice"),
        ("os.write(1, b'[]' + bytes([10])); time.sleep(60)", "killed twice"),
        ("os.write(1, b'{'); time.sleep(60)", "took more than 1 s"),
    ],
)
def test_what_a_hostile_picture_does_costs_it_alone(
    ending: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt(monkeypatch, ending)
    if "1 s" in reason:
        monkeypatch.setattr(picture_process, "MAX_WAIT", 1.0)
    for name in ("hostile.png", "sound.png"):
        (tmp_path / name).write_bytes(saved(PIXELS))
    if "bytearray" not in ending or sys.platform.startswith("linux"):
        with pytest.raises(UnreadablePicture, match=reason) as refused:
            decode_apart(tmp_path / "hostile.png")
        assert "\n" not in str(refused.value)
    np.testing.assert_array_equal(decode_apart(tmp_path / "sound.png"), PIXELS)


def test_the_live_source_skips_what_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt(monkeypatch, "os.abort()")
    paths = [tmp_path / "hostile.png", tmp_path / "sound.png"]
    for path in paths:
        path.write_bytes(saved(PIXELS))
    source = ListSource("pictures", [ListedPicture(path) for path in paths])
    frame = source.read()
    assert frame is not None
    assert frame.info.source.startswith("sound.png")
    assert "skipped hostile.png: it ended the process" in source.note


def test_a_process_that_was_killed_between_two_pictures_is_started_again() -> None:
    decode_apart(saved(PIXELS))
    (process,) = picture_process._pool._kept
    process._process._process.kill()
    np.testing.assert_array_equal(decode_apart(saved(PIXELS)), PIXELS)


def test_where_no_process_can_be_started_that_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(UnreadablePicture, match="cannot be started: No such file"):
        decode_apart(saved(PIXELS))
    picture_process.begin()  # says nothing


def test_a_wrong_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ([-1, 3], [0, 0], [1 << 20, 1 << 20], [1000, 1000], [1], None, ["a", "b"]):
        monkeypatch.setattr(picture_process._PictureProcess, "_ask", lambda *_, size=size: {"size": size})
        with pytest.raises(UnreadablePicture, match=r"no sense|ends too early"):
            decode_apart(b"")


def test_threads_get_their_own_pictures_and_one_process_is_kept() -> None:
    pictures = [np.full((30 + number, 20, 3), number, np.uint8) for number in range(12)]
    answers: list[bool] = []

    def ask(pixels: np.ndarray) -> None:
        data = saved(pixels)
        answers.extend(np.array_equal(decode_apart(data), pixels) for _ in range(5))

    threads = [threading.Thread(target=ask, args=(pixels,)) for pixels in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 60
    assert len(picture_process._pool._kept) == 1


def decode_and_be_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes as soon as the answer is waited for, in this very thread."""
    former = isolated_process.IsolatedProcess._await_answer

    def interrupted(process: isolated_process.IsolatedProcess, seconds: float) -> None:
        signal.raise_signal(signal.SIGINT)
        former(process, seconds)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(isolated_process.IsolatedProcess, "_await_answer", interrupted)
            decode_apart(path)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_ctrl_c_while_it_decodes_leaves_no_answer_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt(monkeypatch, "time.sleep(1)")
    (tmp_path / "hostile.png").write_bytes(saved(PIXELS + 1))
    decode_apart(saved(PIXELS))
    with pytest.raises(KeyboardInterrupt):
        decode_and_be_interrupted(tmp_path / "hostile.png", monkeypatch)
    np.testing.assert_array_equal(decode_apart(saved(PIXELS)), PIXELS)


def test_a_fork_has_processes_of_its_own() -> None:
    decode_apart(saved(PIXELS))
    program = f"""
import os
import numpy as np
from deepvis_toolbox.sources.picture_process import decode_apart, _pool
data = {saved(PIXELS)!r}
decode_apart(data)
child = os.fork()
assert len(_pool._kept) == (child > 0)
decode_apart(data)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
decode_apart(data)
print("both")
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (answer.stdout, answer.stderr) == ("both\n", "")


def test_the_process_is_ready_before_it_is_needed_and_ends_with_the_program() -> None:
    picture_process.begin()
    (process,) = picture_process._pool._kept
    picture_process.begin()
    assert picture_process._pool._kept == [process]
    picture_process._pool.close()
    assert process._process._process.returncode == -signal.SIGKILL
    with pytest.raises(ToolboxError, match="decoding was ended"):
        process._process.ask({})


def test_a_killed_process_is_nowhere_blamed_on_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sound.png").write_bytes(saved(PIXELS))
    monkeypatch.setattr(picture_process._PictureProcess, "_ask", lambda *_: -signal.SIGKILL)
    for read in (read_picture, lambda path: next(readable(iter([str(path)])))):
        with pytest.raises(PictureNotDecoded, match=r"killed twice \(SIGKILL\)") as told:
            read(tmp_path / "sound.png")
        assert "remove it" not in str(told.value)
