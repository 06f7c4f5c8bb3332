"""Checks films: every frame is in the file, whole, at its place; and what cannot be written is told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deepvis_toolbox.drawing.film import Film
from deepvis_toolbox.errors import ToolboxError


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


def test_a_film_that_is_not_whole_is_told_and_removed(tmp_path: Path) -> None:
    film = Film(tmp_path / "film.mp4", 25)
    for _ in range(3):
        film.add(plain(32, 32, (9, 9, 9)))
    film._frames += 1  # one that the writer swallowed, as it does on a full disk
    with pytest.raises(ToolboxError, match=r"film\.mp4.*disk is full"):
        film.close()
    film.close()  # nothing is left to do
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "message"), [("film.gif", "must end in .mp4, .avi, .mkv"), ("folder.mp4", "folder")])
def test_where_no_film_can_be_is_said_before_anything_is_filmed(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ToolboxError, match=message):
        Film(tmp_path / name, 25)


def test_frames_that_no_codec_takes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="0×0 pixels"), Film(tmp_path / "film.mp4", 25) as film:
        film.add(plain(1, 1, (9, 9, 9)))
    assert not list(tmp_path.iterdir())
