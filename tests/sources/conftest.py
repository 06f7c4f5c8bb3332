"""Fixtures of the tests of sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.sources.certificates import certificates, secure_stream
from tests.sources.real_parts import FakeCamera, Files, MotionJpeg, Server, write_video

__all__ = ["certificates", "secure_stream"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.avi")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of four pictures whose red is their number, and things that are no pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2, 10, 20):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(folder / f"img{number}.png")
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "subfolder").mkdir()
    return folder


@pytest.fixture
def camera() -> Iterator[FakeCamera]:
    fake = FakeCamera()
    yield fake
    if fake.hanging is not None:
        fake.hanging.set()


@pytest.fixture
def motion_jpeg() -> Iterator[Server]:
    server = Server(MotionJpeg)
    yield server
    server.stop()


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(lambda *arguments: Files(*arguments, directory=str(tmp_path)))
    yield server
    server.stop()
