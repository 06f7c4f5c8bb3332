"""The toolbox without a window, as a user calls it: pictures, videos, mistakes; and quitting the one with a window."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live import toolbox_command as run_toolbox
from deepvis_toolbox.live.headless import HeadlessRun
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.start import StartOptions, run_live
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.window import display as display_module
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.words.unit import parse_unit

from .conftest import Display

pytestmark = pytest.mark.usefixtures("load_small")

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--model", "live_test_network:make", "--device", "cpu", "--input-size", "32", "--mean", "127", "--std", "128"]
IN_ORDER = SourceOptions(realtime=False)


def toolbox(*arguments: str) -> int:
    """Runs the command in this process; the exit status."""
    return run_command(lambda: run_toolbox.main([*SMALL, "--headless", *arguments]))


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_same_call_draws_the_same_picture(photos: Path, tmp_path: Path) -> None:
    call = ["--input", str(photos), "--script", "right down right b", "--snapshot"]
    assert toolbox(*call, "a.png") == 0
    assert toolbox(*call, "b.png") == 0
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    assert first.shape == (930, 1500, 3)
    np.testing.assert_array_equal(first, second)


def test_script_plays_a_key_before_each_frame_and_the_picture_says_what_made_it(photos: Path, tmp_path: Path) -> None:
    assert toolbox("--input", str(photos), "--goto", "conv2:3", "--script", "b wait z", "--snapshot", "out.png") == 0
    with Image.open(tmp_path / "out.png") as picture:
        made_by = json.loads(picture.text["deepvis_toolbox"])  # type: ignore[attr-defined]
    assert (made_by["unit"], made_by["backward"], made_by["zoom"]) == ("conv2:3", "grad", "unit")
    assert made_by["settings"]["device"] == "cpu"


def test_store_says_whose_unit_images_are_shown(photos: Path, tmp_path: Path) -> None:
    for store in ("first", "second"):
        assert toolbox("--input", str(photos), "--store", store, "--snapshot", f"{store}.png") == 0
    first, second = (np.asarray(Image.open(tmp_path / f"{store}.png")) for store in ("first", "second"))
    where = np.nonzero((first != second).any(axis=(0, 2)))[0]
    assert where.size, "the commands that make what is missing name the store"
    assert where.min() > first.shape[1] // 2, "nothing but the unit images' pane differs"


def test_sources_stand_anywhere_without_a_flag(photos: Path, video: Path, tmp_path: Path) -> None:
    assert toolbox("--input", str(video), "--script", "c", "--frames", "1", "--snapshot", "flag.png") == 0
    assert toolbox(str(video), "--script", "c", "--frames", "1", "--snapshot", "plain.png") == 0
    assert toolbox(str(photos), "--script", "c c", "--snapshot", "two.png", str(video)) == 0
    flag, plain, two = (Image.open(tmp_path / name) for name in ("flag.png", "plain.png", "two.png"))
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(flag))
    sources = [json.loads(picture.text["deepvis_toolbox"])["source"] for picture in (flag, plain, two)]  # type: ignore[attr-defined]
    assert "steps" in sources[1]
    assert sources[0] == sources[1]
    assert "cat" in sources[2] or "coffee" in sources[2]  # the first one named, which is come back to


@pytest.mark.parametrize(
    "where", ["rtsp://me:hunter2@camera.example:554/live?token=hunter2", "rtsp://me:hunter2@[::1/live"]
)
def test_a_picture_that_is_passed_on_does_not_tell_the_password_of_a_stream(
    where: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert toolbox(str(photos), "--set", f'sources.input=["{where}"]', "--snapshot", "out.png") == 0
    assert b"hunter2" not in (tmp_path / "out.png").read_bytes()
    with Image.open(tmp_path / "out.png") as picture:
        (shown,) = json.loads(picture.text["deepvis_toolbox"])["settings"]["sources"]["input"]  # type: ignore[attr-defined]
    assert shown in ("rtsp://camera.example:554/live", "rtsp://…")
    assert toolbox(where) == 2
    assert "hunter2" not in capsys.readouterr().err


def test_record_writes_every_window_as_a_video(video: Path, tmp_path: Path) -> None:
    assert toolbox("--input", str(video), "--frames", "7", "--record", "out.mp4") == 0
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    frames = []
    while True:
        there, picture = capture.read()
        if not there:
            break
        frames.append(picture)
    assert len(frames) == 7
    assert frames[0].shape == (930, 1500, 3)
    assert not list(tmp_path.glob(".*"))


def frames_and_rate(path: Path) -> tuple[int, float]:
    capture = cv2.VideoCapture(str(path))
    return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("rate", [25, 10, 29.97, 12.5])
@pytest.mark.parametrize("script", [[], ["--script", "right b"]])
def test_a_film_that_ends_is_recorded_to_its_end_at_its_own_rate(
    tmp_path: Path, rate: float, script: list[str]
) -> None:
    writer = cv2.VideoWriter("film.avi", cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
    for number in range(15):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()
    assert toolbox("film.avi", "--set", "sources.loop=false", *script, "--record", "out.mp4") == 0
    frames, found = frames_and_rate(tmp_path / "out.mp4")
    assert frames == 15
    assert found == pytest.approx(rate, rel=1e-3)
    assert toolbox("film.avi", "--frames", "4", "--record", "four.mp4") == 0
    assert frames_and_rate(tmp_path / "four.mp4")[0] == 4


@pytest.mark.parametrize(("script", "frames"), [([], 1), (["--script", "right b wait"], 3)])
def test_of_what_has_no_end_one_frame_or_the_scripts_are_recorded_and_that_is_said(
    video: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, script: list[str], frames: int
) -> None:
    assert toolbox(str(video), *script, "--record", "out.mp4") == 0
    assert frames_and_rate(tmp_path / "out.mp4") == (frames, 25)
    assert f"has no end: {frames} of its frames" in caplog.text
    caplog.clear()
    assert toolbox(str(photos), *script, "--record", "still.mp4") == 0
    assert frames_and_rate(tmp_path / "still.mp4")[0] == frames
    assert "has no end" not in caplog.text


def test_every_frame_is_processed_in_order(video: Path, load_small: Callable[[], Any]) -> None:
    seen: list[tuple[int, int]] = []
    source = open_source(str(video), SourceOptions(realtime=False, loop=False))
    run = HeadlessRun(
        load_small(), [source], Painter(), State(), (640, 400),
        lambda _, snapshot: seen.append((snapshot.frame.number, int(snapshot.input_image.mean()))),
    )  # fmt: skip
    assert run.run(100) == 40  # the video ends
    assert [number for number, _ in seen] == list(range(seen[0][0], seen[0][0] + 40))
    assert all(abs(brightness - (20 + 5 * place)) <= 3 for place, (_, brightness) in enumerate(seen))


def test_frozen_picture_stays_while_frames_go_on(video: Path, load_small: Callable[[], Any]) -> None:
    seen: list[int] = []
    run = HeadlessRun(
        load_small(), [open_source(str(video), IN_ORDER)], Painter(), State(), (640, 400),
        lambda _, snapshot: seen.append(snapshot.frame.number),
    )  # fmt: skip
    run.run(7, ("", "", "f", "", "f", "", ""))
    first = seen[0]
    assert [number - first for number in seen] == [0, 1, 1, 1, 2, 3, 4]


def test_two_inputs_are_switched_between(video: Path, photos: Path, load_small: Callable[[], Any]) -> None:
    seen: list[str] = []
    sources = [open_source(str(photos), IN_ORDER), open_source(str(video), IN_ORDER)]
    state = State()
    state.facts.sources = 2
    run = HeadlessRun(
        load_small(), sources, Painter(), state, (640, 400), lambda _, shot: seen.append(shot.frame.source)
    )
    run.run(4, ("", "c", "c", "page down"))
    assert "cat" in seen[0]
    assert "steps" in seen[1]
    assert "cat" in seen[2]
    assert "coffee" in seen[3]


def test_memory_stays_flat(video: Path, load_small: Callable[[], Any]) -> None:
    statistics = Path("/proc/self/statm")
    if not statistics.exists():
        pytest.skip("this system does not tell how much memory a program takes")
    sizes: list[int] = []
    run = HeadlessRun(
        load_small(), [open_source(str(video), IN_ORDER)], Painter(), State(), (640, 400),
        lambda *_: sizes.append(int(statistics.read_text().split()[1])),
    )  # fmt: skip
    run.run(160, ("down", "b", "a"))
    early, late = np.median(sizes[60:80]), np.median(sizes[-20:])
    assert late / early < 1.02


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "no/such/file.mp4"], "no/such"),
        (["--goto", "conv9:1", "--input", "demo"], "conv9"),
        (["--goto", "conv2:12", "--input", "demo"], "units 0 to 11"),
        (["--script", "down sideways", "--input", "demo"], "sideways"),
        (["--script", "down down", "--frames", "1", "--input", "demo"], "too few"),
        (["--record", "out.gif", "--input", "demo"], "must end in"),
        (["--input", "demo", "--input", "demo", "--input", "demo"], "two at most"),
        (["a.jpg", "b.jpg", "--frames", "1", "c.jpg"], "3 inputs are named; the window takes two at most"),
        (["nothing-here.jpg"], '"nothing-here.jpg"'),
        (["--set", "window.wdth=3", "--input", "demo"], "width"),
        (["--input-size", "big", "--input", "demo"], "big"),
        (["--std", "a,b", "--input", "demo"], "--std"),
        (["--device", "gpu7", "--input", "demo"], "gpu7"),
        (["--device", "gpu", "--input", "demo"], '--device: unknown device "gpu"'),
        (["--snapshot", "out.jpg", "--input", "demo"], "must end in .png"),
        (["--set", "look.font_path=/none.ttf", "--input", "demo"], "/none.ttf"),
        (["--prototxt", "none.prototxt", "--weights", "none.caffemodel", "--input", "demo"], "none.prototxt"),
    ],
    ids=lambda value: value[0].lstrip("-") if isinstance(value, list) else "",
)
def test_user_s_mistake_is_one_sentence_and_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert toolbox(*arguments) == 2
    message = capsys.readouterr().err.strip()
    assert words in message
    assert len(message.splitlines()) == 1


def test_a_folder_of_broken_pictures_is_a_mistake_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_bytes(b"broken")
    assert toolbox("--input", str(tmp_path), "--script", "down right", "--snapshot", "out.png") == 2
    assert "none of the 2 pictures" in capsys.readouterr().err


def test_any_gap_between_tiles_that_may_be_set_can_be_drawn(photos: Path) -> None:
    assert toolbox("--input", str(photos), "--set", "look.tile_gap=4000", "--set", "window.scale=8") == 0


def test_a_number_of_frames_that_is_none_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("x", "0", "-3", "1.5"):
        assert toolbox(f"--frames={wrong}") == 2
        assert f'--frames is "{wrong}"; it must be a whole number, 1 or more' in capsys.readouterr().err


def test_the_address_that_the_help_gives_exists(default_network: Any) -> None:
    action = next(action for action in run_toolbox.parser()._actions if action.dest == "goto")
    assert action.help is not None
    by_number, by_class = action.help.partition(": ")[2].split(", ")
    parse_unit(by_number, default_network.layers)
    parse_unit(by_class, default_network.layers, default_network.class_names)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The real command in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_toolbox.py"), *arguments],
        env=inherited | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DISPLAY": ":54321"},
        {"DISPLAY": "nonsense"},
        {"WAYLAND_DISPLAY": "wayland-0"},
        {"WAYLAND_DISPLAY": "wayland-0", "QT_QPA_PLATFORM": "wayland"},
        {"QT_QPA_PLATFORM": "offscreen"},
        {"QT_QPA_PLATFORM": "xcb", "DISPLAY": ":54321"},
    ],
    ids=["none", "unreachable", "nonsense", "wayland", "Qt on wayland", "Qt off screen", "Qt on X"],
)
def test_no_display_is_one_sentence_and_status_2(environment: dict[str, str]) -> None:
    process = start("--input", "demo", **environment)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--headless" in err
    assert len(err.strip().splitlines()) == 1
    assert not out


@pytest.mark.display
def test_q_ends_the_real_program_in_any_state(display: Display, photos: Path) -> None:
    process = start("--input", str(photos), "--set", "window.title=To quit", "--timings", DISPLAY=display.name)
    display.xdotool("search", "--sync", "--onlyvisible", "--name", "To quit")
    display.xdotool("mousemove", "600", "400")
    deadline = time.monotonic() + 20
    while process.poll() is None:  # a window that has only just opened does not listen yet
        assert time.monotonic() < deadline
        display.xdotool("key", "q")
        time.sleep(0.5)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "first window" in out


@pytest.mark.display
def test_keys_tells_of_every_key_also_of_those_it_has_no_name_for(display: Display) -> None:
    process = start("--keys", DISPLAY=display.name)
    display.xdotool("search", "--sync", "--onlyvisible", "--name", "^Keys$")
    display.xdotool("mousemove", "300", "80")
    deadline = time.monotonic() + 20
    while process.poll() is None:
        assert time.monotonic() < deadline
        display.xdotool("key", "F3", "ctrl+a", "q")
        time.sleep(0.5)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert f"code {0xFFC0} (0xffc0): a key without a name here; it does: nothing" in out
    assert "code 97 (0x61): a key without a name here" in out


@pytest.mark.display
@pytest.mark.parametrize("platform", ["wayland", "offscreen", "wayland;eglfs", "nonsense", "wayland;xcb", "xcb"])
def test_a_platform_that_qt_lacks_gives_way_to_the_display_there_is(display: Display, platform: str) -> None:
    process = start("--keys", DISPLAY=display.name, QT_QPA_PLATFORM=platform)
    display.xdotool("search", "--sync", "--onlyvisible", "--name", "^Keys$")
    assert _quit_by_keys(process, display, "q")[0] == 0


def _quit_by_keys(process: subprocess.Popen[str], display: Display, *keys: str) -> tuple[int, str]:
    """Presses the keys until the program ends; its status, and what it told."""
    display.xdotool("mousemove", "300", "80")
    deadline = time.monotonic() + 20
    while process.poll() is None:
        assert time.monotonic() < deadline
        display.xdotool("key", *keys)
        time.sleep(0.5)
    out, err = process.communicate()
    return process.returncode, out + err


@pytest.mark.display
@pytest.mark.parametrize("layout", ["us", "ru", "gr", "il", "ara"])
def test_letter_keys_are_those_at_their_place_whatever_the_keyboard_writes(display: Display, layout: str) -> None:
    with keyboard(display, layout):
        process = start("--keys", DISPLAY=display.name)
        display.xdotool("search", "--sync", "--onlyvisible", "--name", "^Keys$")
        status, told = _quit_by_keys(process, display, "40", "54", "24")  # the keycodes of d, c, q
    assert status == 0, told
    for name in ("d", "c"):
        assert re.search(rf"code \d+ \(0x\w+\): {name}; it does: ", told), told


@contextmanager
def keyboard(display: Display, layout: str) -> Iterator[None]:
    """The display's keyboard in another layout."""
    if shutil.which("setxkbmap") is None or shutil.which("xkbcomp") is None:
        pytest.skip("setxkbmap is missing")
    environment = {**os.environ, "DISPLAY": display.name}
    subprocess.run(["setxkbmap", "-layout", layout], check=True, env=environment)
    try:
        yield
    finally:
        subprocess.run(["setxkbmap", "-layout", "us"], check=True, env=environment)


@contextmanager
def pressing(display: Display, key: str) -> Iterator[None]:
    """Presses a key again and again: a window that has only just opened does not listen yet."""
    done = threading.Event()

    def press() -> None:
        while not done.wait(0.3):
            display.xdotool("key", key)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.display
def test_a_network_that_fails_is_exit_status_2_after_the_window_is_closed(
    display: Display, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> Any:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(cv2, "setNumThreads", lambda _: None)  # for the whole process, which has other tests to run
    display.xdotool("mousemove", "400", "500")
    options = StartOptions(load=load, inputs=[str(photos)])
    with pressing(display, "q"):
        assert run_command(lambda: int(run_live(options))) == 2
    assert "the network could not be loaded: RuntimeError: the disk is gone" in capsys.readouterr().err


def test_opencv_without_windows_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    with pytest.raises(ToolboxError, match=r"built without windows.*pip install opencv-python"):
        display_module.check_display()


def test_two_opencv_packages_are_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "opencv_python_headless-4.14.0.94.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: opencv-python-headless\nVersion: 4.14.0.94\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ToolboxError, match="opencv-python and opencv-python-headless are both installed"):
        display_module.check_display()


def test_a_screenshot_of_a_picture_whose_name_is_no_text_says_its_name(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    name = os.fsdecode(b"\xff\xe9.jpg")
    (folder / name).write_bytes(next(photos.glob("*.*")).read_bytes())
    assert toolbox("--input", str(folder), "--snapshot", str(folder / "shot.png")) == 0
    with Image.open(folder / "shot.png") as picture:
        assert json.loads(picture.text["deepvis_toolbox"])["source"] == name
