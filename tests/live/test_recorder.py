"""The key P: films of the window that last as long as it took, and outlive what ends them."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.keys import WINDOW_KEYS, KeyTable
from deepvis_toolbox.live.pictures import window_film
from deepvis_toolbox.live.pictures.recorder import Recorder
from deepvis_toolbox.live.pictures.shooter import Shooter
from deepvis_toolbox.live.pictures.window_film import WindowFilm
from deepvis_toolbox.live.state import State
from deepvis_toolbox.sources.capture import open_video


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pixels(level: int) -> np.ndarray:
    return np.full((64, 96, 3), level, np.uint8)


def levels(path: Path) -> list[int]:
    """The mean level of every frame."""
    film, found = cv2.VideoCapture(str(path)), []
    while (read := film.read())[0]:
        found.append(int(read[1].mean()))
    return found


def test_a_film_lasts_as_long_as_it_took(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "shots", 10.0, clock)
    assert "recording to" in recorder.toggle()
    for moment, level in ((0.0, 10), (0.1, 60), (1.1, 120), (1.2, 180)):  # it stood still for a second
        clock.now = moment
        assert recorder.add(pixels(level)) == ""
    clock.now = 1.4
    assert "finishing" in recorder.toggle()
    recorder.close()
    assert "saved" in (recorder.outcome() or "")
    (path,) = (tmp_path / "shots").glob("*.mp4")
    found = levels(path)
    assert len(found) == 14
    np.testing.assert_allclose(found, [10] + [60] * 10 + [120] + [180] * 2, atol=4)


def test_the_key_begins_and_ends_a_film(tmp_path: Path) -> None:
    keys, state, shooter = KeyTable(WINDOW_KEYS), State(), Shooter(tmp_path, {})
    assert keys.press(state, "P")
    assert "recording to" in shooter.follow(state, None, pixels(9))
    assert state.facts.is_filming
    assert not state.orders.toggle_recording
    assert shooter.follow(state, None, pixels(9)) == ""
    keys.press(state, "P")
    assert "finishing" in shooter.follow(state, None, pixels(9))
    assert not state.facts.is_filming
    shooter.close()
    assert "saved" in (shooter.outcome() or "")
    assert len(list(tmp_path.glob("*.mp4"))) == 1


def test_a_film_that_the_end_of_the_program_meets_is_finished(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 30.0)
    recorder.toggle()
    recorder.add(pixels(50))
    recorder.close()
    assert len(list(tmp_path.glob("*.mp4"))) == 1


def test_where_no_film_can_be_written_a_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    recorder = Recorder(tmp_path / "file" / "shots", 30.0)
    assert recorder.toggle().startswith("no film: ")
    assert not recorder.is_recording
    assert recorder.add(pixels(1)) == ""


def test_a_film_that_stops_says_so_and_the_window_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deepvis_toolbox.drawing.recording import Recording

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    recorder, told = Recorder(tmp_path, 30.0), ""
    recorder.toggle()
    monkeypatch.setattr(Recording, "write", full)
    end = time.monotonic() + 60
    while not told and time.monotonic() < end:
        told = recorder.add(pixels(1))
        time.sleep(0.05)
    assert "disk is full" in told
    assert not recorder.is_recording
    assert recorder.add(pixels(1)) == ""


class Held:
    """In the place of a `Film`: it notes the levels of its frames, and stands still until it is let go."""

    def __init__(self) -> None:
        self.levels: list[int] = []
        self.free, self.entered = Event(), Event()

    def add(self, frame: np.ndarray) -> None:
        self.entered.set()
        assert self.free.wait(60)
        self.levels.append(int(frame[0, 0, 0]))

    def close(self) -> None:
        """Nothing is left to do."""


def test_a_film_that_cannot_follow_holds_nobody_up_and_keeps_the_time_of_what_it_shows() -> None:
    clock, held = Clock(), Held()
    film = WindowFilm(held, 10.0, clock)  # type: ignore[arg-type]
    film.add(pixels(0))
    clock.now = 1.0
    film.add(pixels(1))  # the thread writes the first window for this second
    assert held.entered.wait(60)
    for second in range(2, 100):
        clock.now = float(second)
        film.add(pixels(second))
    clock.now = 100.0
    film.end()
    clock.now = 1000.0
    held.free.set()
    film.close()
    assert len(held.levels) == 1000
    changes = [at for at in range(1, 1000) if held.levels[at] != held.levels[at - 1]]
    shown = [held.levels[at] for at in changes]
    assert shown[-1] == 99
    assert changes == [10 * level for level in shown]


def test_a_film_that_is_far_behind_ends_soon_and_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_film, "SECONDS_TO_FINISH", 0.3)
    clock, held = Clock(), Held()
    film = WindowFilm(held, 10.0, clock)  # type: ignore[arg-type]
    film.add(pixels(7))
    clock.now = 60.0
    film.end()
    assert held.entered.wait(60)
    time.sleep(0.4)
    held.free.set()
    film.close()
    assert len(held.levels) < 600
    assert film.missing == pytest.approx(60 - len(held.levels) / 10)


def test_whatever_ends_a_film_is_told() -> None:
    class Broken(Held):
        def add(self, _: np.ndarray) -> None:
            raise cv2.error("out of order")

    film = WindowFilm(Broken(), 10.0)  # type: ignore[arg-type]
    film.add(pixels(1))
    with pytest.raises(ToolboxError, match=r"no more could be filmed: .*out of order"):
        film.close()


def test_of_windows_within_one_frame_the_last_is_filmed() -> None:
    clock, held = Clock(), Held()
    held.free.set()
    with WindowFilm(held, 10.0, clock) as film:  # type: ignore[arg-type]
        for moment, level in ((0.0, 1), (0.01, 2), (0.05, 3), (0.31, 4), (0.38, 5)):
            clock.now = moment
            film.add(pixels(level))
        clock.now = 0.5
    assert held.levels == [3, 3, 3, 5, 5]


def test_a_stream_that_is_being_opened_does_not_keep_the_window_from_being_filmed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        opening = Thread(target=open_video, args=(f"http://127.0.0.1:{silent.getsockname()[1]}/",))
        opening.start()
        connection, _ = silent.accept()  # OpenCV opens no other file from now on until it gives up
        recorder = Recorder(tmp_path, 25.0)
        recorder.toggle()
        for level in range(50):
            recorder.add(pixels(level))
        assert "finishing" in recorder.toggle()
        assert recorder.toggle() == "the last film is still being finished"
        is_opening_still = opening.is_alive()
        connection.close()
        opening.join()
    recorder.close()
    assert is_opening_still, "nothing was shown by this test: the stream was given up before"
    assert "saved" in (recorder.outcome() or "")
