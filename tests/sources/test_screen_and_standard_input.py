"""What other programs show or write, as a source: a part of the screen, and standard input."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from tests.live.conftest import display as display

ROOT = Path(__file__).resolve().parents[2]

SHOWN = """
import cv2, numpy as np, sys, time
picture = np.zeros((200, 300, 3), np.uint8)
picture[:, :150] = (0, 0, 255)
picture[:, 150:] = (255, 0, 0)
cv2.namedWindow("w", cv2.WINDOW_GUI_NORMAL | cv2.WINDOW_NORMAL)
cv2.resizeWindow("w", 300, 200)
cv2.moveWindow("w", 0, 0)
while True:
    cv2.imshow("w", picture)
    cv2.waitKey(50)
"""


@pytest.fixture
def red_and_blue(request: pytest.FixtureRequest) -> Iterator[None]:
    """A window whose left half is red and whose right half is blue."""
    request.getfixturevalue("display")  # DISPLAY names it now
    program = subprocess.Popen([sys.executable, "-c", SHOWN])
    yield
    program.kill()
    program.wait()


@pytest.mark.usefixtures("red_and_blue")
def test_a_part_of_the_screen_is_what_is_shown_there() -> None:
    source = open_source("screen:20,60,240,80", SourceOptions())
    end = time.monotonic() + 30
    while time.monotonic() < end:
        frame = source.read()
        assert frame is not None
        assert frame.image.shape == (80, 240, 3)
        if frame.image[40, 20, 0] > 200:
            break
    np.testing.assert_array_equal(frame.image[40, 20], (255, 0, 0))
    np.testing.assert_array_equal(frame.image[40, 220], (0, 0, 255))
    with pytest.raises(ToolboxError, match="leaves it"):
        open_source("screen:0,0,90000,10", SourceOptions())


@pytest.mark.parametrize("text", ["screen:", "screen:1,2,3", "screen:a,b,c,d", "screen:-1,0,5,5", "screen:0,0,0,5"])
def test_what_is_no_region_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ToolboxError, match=r"screen:X,Y,WIDTH,HEIGHT|at least 1"):
        open_source(text, SourceOptions())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no DISPLAY")
@pytest.mark.parametrize("name", ["", ":7654"])
def test_without_an_x_server_there_is_no_screen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DISPLAY", name)
    with pytest.raises(ToolboxError, match=r"DISPLAY|cannot be read"):
        open_source("screen", SourceOptions())


READ = """
import sys
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
try:
    source = open_source("-", SourceOptions(realtime=sys.argv[1] == "live"))
except ToolboxError as error:
    sys.exit(str(error))
levels = []
while not source.ended:
    frame = source.read()
    if frame is not None:
        levels.append(int(frame.image.mean()))
print(*levels, source.note, sep="|")
"""


def read_from(written: bytes | None, how: str) -> subprocess.CompletedProcess[str]:
    """What a program says that reads these bytes from its standard input; None: it is closed."""
    command = [sys.executable, "-c", READ, how]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if written is None:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    done = subprocess.run(command, input=written, capture_output=True, env=environment, timeout=60, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def jpegs(*levels: int) -> bytes:
    return b"".join(cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes() for level in levels)


def test_pictures_written_to_standard_input_are_frames_in_their_order() -> None:
    done = read_from(jpegs(10, 100, 200), "headless")
    assert done.stdout.split("|")[:3] == ["10", "100", "200"], done.stderr
    assert "has ended" in done.stdout


def test_live_the_last_picture_stays_and_the_end_is_told() -> None:
    done = read_from(jpegs(10, 100, 200), "live")
    assert done.stdout.split("|")[-2] == "200"
    assert "has ended" in done.stdout


@pytest.mark.parametrize(("written", "told"), [(b"", "nothing"), (b"no pictures\n" * 50, "nothing"), (None, "closed")])
@pytest.mark.parametrize("how", ["live", "headless"])
def test_standard_input_without_pictures_is_told_in_a_sentence(written: bytes | None, told: str, how: str) -> None:
    done = read_from(written, how)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
