"""The clipboard as a source: the picture that was copied last, from a real X clipboard, and what may go wrong there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import copied
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.source import Source
from tests.conftest import missing
from tests.live.conftest import display as display

pytestmark = [pytest.mark.display, pytest.mark.skipif(sys.platform != "linux", reason="asks X for the clipboard")]

Copy = Callable[[bytes, str], None]


@pytest.fixture
def copy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    """Copies bytes as a kind."""
    if shutil.which("xclip") is None:
        missing("xclip")
    request.getfixturevalue("display")  # DISPLAY names it now
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def put(data: bytes, kind: str) -> None:
        subprocess.run(["xclip", "-selection", "clipboard", "-target", kind, "-in"], input=data, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)  # fmt: skip

    yield put
    put(b"no picture", "text/plain")


def png(seed: int) -> tuple[np.ndarray, bytes]:
    image = np.random.default_rng(seed).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    return image, cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def shows(source: Source, image: np.ndarray) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        frame = source.read()
        if frame is not None and np.array_equal(frame.image, image):
            return True
    return False


def test_what_is_copied_is_shown_and_the_next_one_takes_its_place(copy: Copy, tmp_path: Path) -> None:
    copy(b"only text", "text/plain")
    with open_source("clipboard", SourceOptions()) as source:
        assert source.read() is None
        assert source.gone
        assert "copy one" in source.note
        first, data = png(1)
        copy(data, "image/png")
        assert shows(source, first)
        copy(b"only text", "text/plain")
        assert shows(source, first), "what is no picture leaves it there"
        assert source.note == ""
        copy(data[:100], "image/png")
        assert shows(source, first)
        assert "cannot be read" in source.note
        second, data = png(2)
        (tmp_path / "a b.png").write_bytes(data)
        copy((tmp_path / "a b.png").as_uri().encode() + b"\r\n", "text/uri-list")
        assert shows(source, second)


def test_without_a_window_one_look_must_find_a_picture(copy: Copy) -> None:
    copy(b"only text", "text/plain")
    with pytest.raises(ToolboxError, match="holds no picture"):
        open_source("clipboard", SourceOptions(realtime=False))
    image, data = png(3)
    copy(data, "image/png")
    with open_source("clipboard", SourceOptions(realtime=False)) as source:
        frame = source.read()
        assert frame is not None
        np.testing.assert_array_equal(frame.image, image)


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An xclip that does this."""
    (folder / "xclip").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "xclip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def test_whoever_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "exec sleep 100")
    monkeypatch.setattr(copied, "SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(ToolboxError, match="does not answer"):
        copied.copied_picture()
    assert time.monotonic() - began < 60


def test_what_never_ends_is_not_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, 'case "$*" in *TARGETS) echo image/png;; *) exec cat /dev/zero;; esac')
    monkeypatch.setattr(copied, "MAX_FILE_BYTES", 1 << 20)
    with pytest.raises(ToolboxError, match="larger than 1 MiB"):
        copied.copied_picture()


def test_formats_that_start_programs_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(
        tmp_path, monkeypatch, 'case "$*" in *TARGETS) echo image/png;; *) printf "%%!PS-Adobe-3.0 EPSF-3.0\\n";; esac'
    )
    with pytest.raises(ToolboxError, match="cannot be read as a picture"):
        copied.copied_picture()


def test_where_no_program_reads_it_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ToolboxError, match="neither DISPLAY nor WAYLAND_DISPLAY"):
        open_source("clipboard", SourceOptions())
    monkeypatch.setenv("DISPLAY", ":1")
    with pytest.raises(ToolboxError, match="apt-get install xclip"):
        open_source("clipboard", SourceOptions())
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ToolboxError, match="apt-get install wl-clipboard"):
        open_source("clipboard", SourceOptions())
