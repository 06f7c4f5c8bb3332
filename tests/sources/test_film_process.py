"""The door for strangers' films: the same frames as here; and what crashes, hangs or swells costs this film alone."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import film_capture, film_process, isolated_process
from deepvis_toolbox.sources.capture import open_video, to_rgb
from deepvis_toolbox.sources.film_capture import FilmCapture, open_file
from deepvis_toolbox.sources.film_worker import TOLD
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.reader import FrameReader
from tests.sources.hostile_films import film_pid, spoil, write_bomb
from tests.sources.hostile_films import film_process as living
from tests.sources.real_parts import VIDEO_FRAMES, MotionJpeg, Server, frame_number, read_until, write_video

pytestmark = pytest.mark.skipif(not film_capture.IS_POSSIBLE, reason="films are decoded in the program here")

ROOT = Path(__file__).resolve().parents[2]
ONCE = SourceOptions(realtime=False, loop=False)


@pytest.fixture(autouse=True)
def own_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pool = film_process.Pool()
    for module in (film_process, film_capture, sys.modules["tests.sources.hostile_films"]):
        monkeypatch.setattr(module, "pool", pool)
    yield
    pool.end()


def noise(path: Path, codec: str, size: tuple[int, int], frames: int = 9) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, size)
    assert writer.isOpened()
    random = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    writer.release()
    return path


def numbers(path: Path, options: SourceOptions = ONCE) -> list[int]:
    with open_source(str(path), options) as source:
        found = []
        while (frame := source.read()) is not None:
            found.append(frame_number(frame.image))
        return found


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "FFV1")])
@pytest.mark.parametrize("size", [(64, 48), (322, 182)])
def test_frames_and_properties_are_those_of_this_process(
    tmp_path: Path, name: str, codec: str, size: tuple[int, int]
) -> None:
    path = str(noise(tmp_path / name, codec, size))
    here, apart = open_video(path), open_file(path)
    assert here is not None
    assert isinstance(apart, FilmCapture)
    assert [apart.get(number) for number in TOLD] == [here.get(number) for number in TOLD]
    for _ in range(9):
        np.testing.assert_array_equal(bgr := apart.read()[1], here.read()[1])
        rgb = to_rgb(bgr)
        assert rgb.flags.c_contiguous
        assert np.shares_memory(rgb, bgr)
    assert apart.read() == (False, None) == here.read()
    assert apart.read() == (False, None)


def test_frames_stay_as_they_are_while_others_are_decoded(tmp_path: Path) -> None:
    with open_source(str(write_video(tmp_path / "clip.avi")), ONCE) as source:
        frames = [source.read() for _ in range(VIDEO_FRAMES)]
    assert [frame_number(frame.image) for frame in frames if frame] == list(range(VIDEO_FRAMES))


def test_a_film_that_is_killed_again_and_again_goes_on_at_its_place(tmp_path: Path) -> None:
    random, found, killed = np.random.default_rng(1), [], 0
    with open_source(str(write_video(tmp_path / "clip.avi")), SourceOptions(realtime=False)) as source:
        for _ in range(60):
            frame = source.read()
            assert frame is not None
            found.append(frame_number(frame.image))
            if random.random() < 0.2:
                time.sleep(random.uniform(0.0, 0.02))
                os.kill(film_pid(), signal.SIGKILL)
                killed += 1
    assert found == [number % VIDEO_FRAMES for number in range(60)]
    assert killed > 5


def test_a_process_that_stands_still_is_told_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_capture, "MAX_WAIT", 1.5)
    monkeypatch.setattr(film_capture, "READ_SECONDS", 0.3)
    path = write_video(tmp_path / "clip.avi", rate=100.0)
    with open_source(str(path), SourceOptions(loop=False)) as source:
        assert source.read() is not None
        os.kill(former := film_pid(), signal.SIGSTOP)
        found, notes = [0], set()
        while not source.ended:
            frame = source.read()
            notes.add(source.note)
            if frame is not None:
                found.append(frame_number(frame.image))
        assert found == list(range(VIDEO_FRAMES))
        assert notes == {"", "waiting for clip.avi", "clip.avi has ended"}
        assert film_pid() != former


BAD_ENDS = [
    ("os.abort()", r"ended the process that decodes it \(SIGABRT\)"),
    ("os.kill(os.getpid(), 11)", r"ended the process that decodes it \(SIGSEGV\)"),
    ("os._exit(0)", r"ended the process that decodes it \(exit status 0\)"),
    ("os.kill(os.getpid(), 9)", r"was killed \(SIGKILL\)"),
    ("os.kill(os.getpid(), 27)", r"\(out of time\)"),
    ("time.sleep(60)", "took more than 1 s"),
    ("os.kill(os.getpid(), 19)", "took more than 1 s"),
    ("bytearray(6 << 30)", "more memory"),
    ("raise RuntimeError('none does this')", "RuntimeError: none does this"),
    ("os.write(1, b'{'); time.sleep(60)", "took more than 1 s"),
    ("return {}", "makes no sense"),
    ("return {'size': [1 << 20, 1 << 20]}", "makes no sense"),
    ("return {'size': [-1, 5]}", "makes no sense"),
    ("return {'size': ['a', None]}", "makes no sense"),
    ("return []", "was killed"),
    ("os.write(1, b'[]' + bytes([10]))", "was killed"),
    ("os.write(1, b'[' * 99999 + bytes([10]))", "was killed"),
]


@pytest.mark.parametrize(
    ("ending", "reason", "realtime"),
    [(*end, place % 2 == 1) for place, end in enumerate(BAD_ENDS)] + [(*end, False) for end in BAD_ENDS[1:8:3]],
)
def test_what_a_hostile_film_does_ends_it_with_a_sentence_and_no_other(
    ending: str, reason: str, realtime: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "bytearray" in ending and not sys.platform.startswith("linux"):
        pytest.skip("only Linux keeps to a limit on memory")
    if "1 s" in reason:
        monkeypatch.setattr(film_capture, "MAX_WAIT", 1.0)
    path = write_video(tmp_path / "clip.avi", rate=100.0)
    with monkeypatch.context() as spoilt:
        spoil(spoilt, ending)
        source, count = open_source(str(path), SourceOptions(realtime=realtime)), 0
        if realtime:
            while not source.ended:
                count += source.read() is not None
        else:
            while count < 5:
                count += source.read() is not None
            with pytest.raises(ToolboxError, match=reason) as told:
                source.read()
            assert str(told.value) == source.note
    assert count == 5
    assert source.note.startswith("clip.avi cannot be decoded any more: ")
    assert reason.replace("\\", "") in source.note
    assert "\n" not in source.note
    assert source.gone
    assert source.read() is None
    source.close()
    assert numbers(path) == list(range(VIDEO_FRAMES))


@pytest.mark.parametrize(("ending", "reason"), BAD_ENDS[:8:2])
def test_a_film_that_does_it_when_it_is_opened_is_refused_in_a_sentence(
    ending: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film_process, "MAX_WAIT", 1.0)
    spoil(monkeypatch, ending, frame=-1)
    with pytest.raises(ToolboxError, match=rf"clip\.avi cannot be decoded: .*{reason}") as told:
        open_source(str(write_video(tmp_path / "clip.avi")), ONCE)
    assert "\n" not in str(told.value)
    assert not film_process.pool.living


def test_a_fault_that_passes_does_not_end_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = tmp_path / "once"
    spoil(monkeypatch, f"os.path.exists({str(once)!r}) or (open({str(once)!r}, 'w').close(), os.abort())")
    assert numbers(write_video(tmp_path / "clip.avi")) == list(range(VIDEO_FRAMES))


@pytest.mark.parametrize(("width", "height"), [(9500, 9500), (12000, 12000), (90, 1_000_000)])
@pytest.mark.parametrize("realtime", [False, True])
def test_a_film_that_claims_too_many_pixels_is_refused(tmp_path: Path, width: int, height: int, realtime: bool) -> None:
    bomb = write_bomb(tmp_path / "bomb.avi", width, height)
    assert bomb.stat().st_size < 100_000
    told = rf"bomb\.avi cannot be decoded: its frames have {width}×{height} pixels, more than 89 million"
    with pytest.raises(ToolboxError, match=told):
        open_source(str(bomb), SourceOptions(realtime=realtime))
    assert not film_process.pool.living


@pytest.mark.parametrize(("width", "height"), [(16384, 16384), (65500, 65500), (0, 0), (2**31 - 1, 2**31 - 1)])
def test_a_film_of_more_pixels_than_ffmpeg_takes_has_no_frames(tmp_path: Path, width: int, height: int) -> None:
    with open_source(str(write_bomb(tmp_path / "bomb.avi", width, height)), ONCE) as source:
        assert source.read() is None
        assert source.note == "bomb.avi: no frame can be decoded"


def test_a_process_that_takes_its_memory_away_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "os.ftruncate(int(sys.argv[1]), 10); time.sleep(60)", frame=1)
    with open_source(str(write_video(tmp_path / "clip.avi")), ONCE) as source:
        time.sleep(0.5)
        with pytest.raises(ToolboxError, match="ends too early"):
            source.read()


def test_frames_that_grow_on_the_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = "from deepvis_toolbox.sources import film_worker; film_worker.MAX_PIXELS = 100"
    spoil(monkeypatch, grown, frame=3)
    with pytest.raises(ToolboxError, match="its frames have 64×48 pixels, more than"):
        numbers(write_video(tmp_path / "clip.avi"))


def test_the_window_s_reader_goes_on_with_the_next_source(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as spoilt:
        spoil(spoilt, "time.sleep(60)", frame=0)
        film = open_source(str(write_video(tmp_path / "clip.avi")))
    reader = FrameReader([film, open_source(str(pictures))])
    reader.start()
    read_until(lambda: time.sleep(0.05), lambda: reader.status.note == "waiting for clip.avi")
    reader.toggle_source()
    frame = reader.frames.get(5)
    assert frame is not None
    assert frame.info.source.startswith("img1.png")
    assert reader.close(5)
    assert not film_process.pool.living


def test_a_stream_whose_process_dies_is_picked_up_again() -> None:
    server = Server(MotionJpeg)
    try:
        with open_source(server.url) as source:
            assert source.read() is not None
            os.kill(film_pid(), signal.SIGKILL)
            notes: set[str] = set()
            read_until(
                lambda: notes.add((source.read(), source.note)[1]), lambda: any("lost" in note for note in notes)
            )
            read_until(source.read, lambda: source.note == "", seconds=8)
            assert {note for note in notes if "lost" in note} == {
                "stream lost, retrying: the process that decodes it was killed (SIGKILL); memory may be short"
            }
    finally:
        server.stop()


def test_headless_a_stream_whose_process_dies_is_an_error() -> None:
    server = Server(MotionJpeg)
    try:
        with open_source(server.url, SourceOptions(realtime=False)) as source:
            assert source.read() is not None
            os.kill(film_pid(), signal.SIGKILL)
            with pytest.raises(ToolboxError, match=r"cannot be decoded any more: .*killed \(SIGKILL\)"):
                read_until(source.read, lambda: source.ended)
    finally:
        server.stop()


FROM_STANDARD_INPUT = """
import sys
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import isolated_process
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
isolated_process._START = START
try:
    source, count = open_source("-", SourceOptions(realtime=sys.argv[1] == "live")), 0
    while not source.ended:
        count += source.read() is not None
    print(source.note)
except ToolboxError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["live", "headless"])
@pytest.mark.parametrize("frame", [-1, 5])
def test_standard_input_that_crashes_its_decoder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, frame: int
) -> None:
    spoil(monkeypatch, "os.abort()", frame)
    program = FROM_STANDARD_INPUT.replace("START\n", f"{isolated_process._START!r}\n", 1)
    film = write_video(tmp_path / "clip.avi").read_bytes()
    done = subprocess.run([sys.executable, "-c", program, how], input=film, capture_output=True, timeout=60,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)  # fmt: skip
    assert "standard input cannot be decoded" in done.stdout.decode(), done.stderr.decode()
    assert "it ended the process that decodes it (SIGABRT)" in done.stdout.decode()
    assert not done.stderr


def test_a_film_that_is_shown_again_has_the_same_process_and_another_film_its_own(tmp_path: Path) -> None:
    one, other = write_video(tmp_path / "one.avi"), write_video(tmp_path / "other.avi")
    with open_source(str(one), SourceOptions(realtime=False)) as source:
        source.read()
        former = film_pid()
        for _ in range(3 * VIDEO_FRAMES):
            assert source.read() is not None
        assert film_pid() == former
    assert not film_process.pool.living
    assert numbers(one) == list(range(VIDEO_FRAMES))
    kept = film_pid()
    with open_source(str(other), ONCE) as source:
        assert source.read() is not None
        assert len(film_process.pool.living) == 2
    with open_source(str(one), ONCE) as source:
        assert source.read() is not None
        assert film_pid() == kept


def test_a_process_is_there_before_it_is_needed(tmp_path: Path) -> None:
    film_process.begin()
    early = film_pid()
    with open_source(str(write_video(tmp_path / "clip.avi")), ONCE) as source:
        assert source.read() is not None
        assert film_pid() == early


def test_no_more_than_two_idle_processes_are_kept(tmp_path: Path) -> None:
    for number in range(4):
        numbers(write_video(tmp_path / f"{number}.avi"))
    assert len(film_process.pool.living) == 2


def test_a_film_that_nobody_closes_ends_its_process(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "clip.avi")), ONCE)
    source.read()
    process = living()._process._process
    del source
    gc.collect()
    assert not film_process.pool.living
    assert process.wait(10) == -signal.SIGKILL


def test_at_the_end_of_the_program_all_processes_end_and_none_is_started(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi")
    source = open_source(str(path), SourceOptions(realtime=False))
    source.read()
    os.kill(film_pid(), signal.SIGSTOP)
    process = living()._process._process
    film_process.end()
    assert process.wait(10) == -signal.SIGKILL
    with pytest.raises(ToolboxError, match="decoding was ended"):  # behind frames that were there
        read_until(source.read, lambda: source.ended)
    with pytest.raises(ToolboxError, match="decoding was ended"):
        open_source(str(path))


def test_processes_that_are_killed_before_they_are_ready_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "    import os; os.kill(os.getpid(), 9)\n    runpy.run_module"
    monkeypatch.setattr(isolated_process, "_START", isolated_process._START.replace("    runpy.run_module", own))
    with pytest.raises(ToolboxError, match=r"clip\.avi cannot be decoded: .*killed before they are ready"):
        open_source(str(write_video(tmp_path / "clip.avi")))


def test_where_no_process_can_be_started_that_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ToolboxError, match=r"clip\.avi cannot be decoded: .*cannot be started: No such file"):
        open_source(str(write_video(tmp_path / "clip.avi")))


def test_a_module_beside_the_film_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text("raise SystemExit('hostile')")
    monkeypatch.chdir(tmp_path)
    assert numbers(write_video(tmp_path / "clip.avi")) == list(range(VIDEO_FRAMES))


def test_a_fork_has_processes_of_its_own(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi")
    program = f"""
import os
from deepvis_toolbox.sources.film_capture import open_file
from deepvis_toolbox.sources.film_process import pool
film = open_file({str(path)!r})
assert film.read()[0]
child = os.fork()
assert len(pool.living) == (child > 0)
if child == 0:
    assert open_file({str(path)!r}).read()[0]
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert film.read()[0]
print("both")
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False,
                            env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (answer.stdout, answer.stderr) == ("both\n", "")
