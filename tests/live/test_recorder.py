"""The key P: films of the window that last as long as it took, and outlive what ends them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.live.keys import WINDOW_KEYS, KeyTable
from deepvis_toolbox.live.pictures.recorder import Recorder
from deepvis_toolbox.live.pictures.shooter import Shooter
from deepvis_toolbox.live.state import State


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

    recorder = Recorder(tmp_path, 30.0)
    recorder.toggle()
    monkeypatch.setattr(Recording, "write", full)
    assert "disk is full" in recorder.add(pixels(1))
    assert not recorder.is_recording
    assert recorder.add(pixels(1)) == ""
