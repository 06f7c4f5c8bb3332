"""Checks films: every frame is in the file, whole, at its place; and what cannot be written is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deepvis_toolbox.drawing.film import Film, FilmStoppedError
from deepvis_toolbox.drawing.recording import MOST_FRAMES, Recording
from deepvis_toolbox.errors import ToolboxError

ROOT = Path(__file__).resolve().parents[2]


def plain(height: int, width: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    """The film's frames, RGB, as OpenCV plays it."""
    reader, frames = cv2.VideoCapture(str(path)), []
    while (read := reader.read())[0]:
        frames.append(np.asarray(read[1][..., ::-1], np.uint8))
    return frames


def is_near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    """Lossy codecs keep a plain colour to a few levels."""
    return bool(np.abs(pixels.astype(int) - np.array(colour)).max() < 24)


@pytest.mark.parametrize("name", ["film.mp4", "FILM.MP4", "film.avi", "film.mkv"])
@pytest.mark.parametrize("rate", [25, 29.97, 7.3])
def test_every_frame_is_in_the_film_in_its_order_and_its_colours(tmp_path: Path, name: str, rate: float) -> None:
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    with Film(tmp_path / name, rate) as film:
        for colour in colours:
            film.add(plain(49, 65, colour))
    frames = frames_of(tmp_path / name)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3, "an odd last line is left out"
    assert all(is_near(frame, colour) for frame, colour in zip(frames, colours, strict=True))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_frame_of_another_size_is_shown_whole_on_the_first_ones_canvas(tmp_path: Path) -> None:
    large = plain(128, 64, (220, 30, 30))
    large[64:] = (30, 30, 220)
    with Film(tmp_path / "film.avi", 25, background=128) as film:
        film.add(plain(64, 64, (0, 0, 0)))
        film.add(plain(32, 48, (30, 220, 30)))
        film.add(large)
        film.add(plain(65, 65, (220, 220, 30)))
    _, small, shrunk, odd = frames_of(tmp_path / "film.avi")
    assert is_near(small[2:28, 2:44], (30, 220, 30))
    assert is_near(small[36:, 2:], (128, 128, 128))
    assert is_near(small[2:, 52:], (128, 128, 128))
    assert is_near(shrunk[2:28, 2:28], (220, 30, 30))
    assert is_near(shrunk[36:62, 2:28], (30, 30, 220))
    assert is_near(shrunk[2:, 36:], (128, 128, 128))
    assert is_near(odd[:, :], (220, 220, 30)), "one line more is no other size"


def test_what_was_filmed_before_a_mistake_is_kept(tmp_path: Path) -> None:
    def fail() -> None:
        with Film(tmp_path / "film.mp4", 25) as film:
            film.add(plain(32, 32, (9, 9, 9)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(frames_of(tmp_path / "film.mp4")) == 1


def test_a_film_without_frames_is_no_file_and_leaves_a_former_one(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"former")
    with Film(tmp_path / "film.mp4", 25):
        pass
    assert (tmp_path / "film.mp4").read_bytes() == b"former"


@pytest.mark.parametrize("name", ["film.mp4", "film.avi", "film.mkv"])
def test_a_film_that_the_disk_has_no_room_for_is_told_and_kept_up_to_there(tmp_path: Path, name: str) -> None:
    resource = pytest.importorskip("resource")
    noise, filmed = np.random.default_rng(0), 0
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, former[1]))
    try:
        film = Film(tmp_path / name, 25)
        with pytest.raises(FilmStoppedError) as caught:  # noqa: PT012 - as soon as it happens
            while filmed < 400:
                filmed += 1
                film.add(noise.integers(0, 255, (128, 128, 3), np.uint8))
        film.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)

    unfinished = tmp_path / f"{name}.unfinished.mkv"
    assert f'{name}": the file would be larger than is allowed' in str(caught.value)
    assert f'"{unfinished}" holds what was filmed before' in str(caught.value)
    assert filmed < 400, "it is told as soon as it happens"
    assert filmed - len(frames_of(unfinished)) <= MOST_FRAMES
    assert [path.name for path in tmp_path.iterdir()] == [unfinished.name]


def test_a_film_for_which_there_is_no_room_at_its_end_is_told_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf:
        """As OpenCV's on a full disk."""

        def __init__(self, path: str, *_: object) -> None:
            Path(path).write_bytes(b"no film")

        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    film = Film(tmp_path / "film.mp4", 25)
    film.add(plain(32, 32, (9, 9, 9)))
    film._recording._keep()  # type: ignore[union-attr]
    monkeypatch.setattr(cv2, "VideoWriter", type("W", (Deaf,), {"fourcc": lambda *_: 0}))
    with pytest.raises(FilmStoppedError, match=r"film\.mp4.*disk is full"):
        film.close()
    film.close()  # nothing is left to do
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4.unfinished.mkv"]
    assert len(frames_of(tmp_path / "film.mp4.unfinished.mkv")) == 1


def test_frames_that_opencv_loses_are_told(tmp_path: Path) -> None:
    film = Film(tmp_path / "film.mp4", 25)
    film.add(plain(32, 32, (9, 9, 9)))
    film._recording._waiting += 1  # type: ignore[union-attr]
    with pytest.raises(FilmStoppedError, match=r"film\.mp4.*disk is full"):
        film.close()
    assert len(frames_of(tmp_path / "film.mp4.unfinished.mkv")) == 1


@pytest.mark.parametrize("name", ["film.mp4", "film.avi"])
def test_a_killed_film_is_played_up_to_its_end_and_the_next_one_takes_its_place(tmp_path: Path, name: str) -> None:
    code = (
        "import numpy as np, os, sys, pathlib\nfrom deepvis_toolbox.drawing.film import Film\n"
        "film = Film(pathlib.Path(sys.argv[1]), 25)\n"
        "for level in range(60): film.add(np.full((48, 64, 3), level * 4, np.uint8))\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], cwd=ROOT, check=False)
    assert done.returncode == -9
    frames = frames_of(tmp_path / f"{name}.unfinished.mkv")
    assert len(frames) >= 60 - MOST_FRAMES
    assert all(is_near(frame, (level * 4,) * 3) for level, frame in enumerate(frames))
    with Film(tmp_path / name, 25) as film:
        film.add(plain(48, 64, (9, 9, 9)))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_film_whose_folder_is_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    film = Film(tmp_path / "films" / "film.mp4", 25)
    film.add(plain(48, 64, (9, 9, 9)))
    shutil.rmtree(tmp_path / "films")
    with pytest.raises(FilmStoppedError, match=r"cannot write .*film\.mp4"):
        film.close()
    assert not list(tmp_path.iterdir())


def test_one_run_at_a_time_writes_a_film(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        Film(tmp_path / "film.mp4", 25),
        Film(tmp_path / "other.mp4", 25),
        pytest.raises(ToolboxError, match=rf'writing to ".*film\.mp4" \(process {os.getpid()} on .*another name'),
    ):
        Film(tmp_path / "film.mp4", 25)


@pytest.mark.parametrize(("name", "message"), [("film.gif", "must end in .mp4, .avi, .mkv"), ("folder.mp4", "folder")])
def test_where_no_film_can_be_is_said_before_anything_is_filmed(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ToolboxError, match=message):
        Film(tmp_path / name, 25)


def test_frames_that_no_codec_takes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="0×0 pixels"), Film(tmp_path / "film.mp4", 25) as film:
        film.add(plain(1, 1, (9, 9, 9)))
    assert not list(tmp_path.iterdir())


def test_where_opening_files_takes_long_few_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    begun = Recording._begun

    def slow(recording: Recording) -> cv2.VideoWriter:
        opened.append(recording.frames)
        time.sleep(0.3)  # as if OpenCV were opening a stream that does not answer
        return begun(recording)

    monkeypatch.setattr(Recording, "_begun", slow)
    with Film(tmp_path / "film.mp4", 25) as film:
        for level in range(4 * MOST_FRAMES):
            film.add(plain(32, 48, (level, level, level)))
    assert len(opened) <= 3
    found = frames_of(tmp_path / "film.mp4")
    assert len(found) == 4 * MOST_FRAMES
    assert is_near(found[-1], (95, 95, 95))
