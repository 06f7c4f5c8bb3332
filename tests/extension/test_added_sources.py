"""A source from one file: opened by what is written after `--input`, shown by the window, listed where inputs are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

SOURCE = '''
"""A source of plain colours, each frame a little darker than the last."""
import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0)}


@register_source
class Colour(Source):
    form = "colour:NAME"
    meaning = "a plain colour, red or green"

    @classmethod
    def claims(cls, text):
        return text.startswith("colour:")

    @classmethod
    def open(cls, text, options):
        name = text.removeprefix("colour:")
        if name not in COLOURS:
            raise ToolboxError(f"{text}: there is no such colour; it is one of {', '.join(COLOURS)}")
        return cls(name)

    def __init__(self, colour):
        self.name = colour
        self.number = 0

    def read(self):
        colour = np.maximum(np.array(COLOURS[self.name]) - self.number, 0).astype(np.uint8)
        image = np.broadcast_to(colour, (30, 40, 3)).copy()
        frame = SourceFrame(image, FrameInfo(self.name, self.number))
        self.number += 1
        return frame
'''


@pytest.fixture
def source(users):
    users.write("mine.py", SOURCE)
    return users


def test_the_library_opens_an_added_source_and_its_frames_are_its_own(source) -> None:
    program = """
import json
import mine
from deepvis_toolbox.sources.opening import open_source
with open_source("colour:green") as opened:
    frames = [opened.read() for _ in range(3)]
print(json.dumps([[frame.image[7, 9].tolist() for frame in frames], [frame.info.number for frame in frames]]))
"""
    assert source.python(program) == [[[0, 200, 0], [0, 199, 0], [0, 198, 0]], [0, 1, 2]]


def test_the_window_shows_the_frames_of_an_added_source_beside_another_one(source) -> None:
    done = source.run(
        "run_toolbox.py", "--extend", "mine.py", "--headless", "--model", "small", "--device", "cpu",
        "--input", "colour:red", "--input", "pictures/0.png", "--frames", "6", "--snapshot", "out.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(source.path / "out.png") as picture:
        assert json.loads(picture.text["deepvis_toolbox"])
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    is_red = (pixels[..., 0] >= 190) & (pixels[..., 0] <= 200) & (pixels[..., 1] == 0) & (pixels[..., 2] == 0)
    assert is_red.sum() > 20_000  # the input's pane


def test_an_added_source_is_listed_by_help_by_the_settings_page_and_in_messages(source) -> None:
    told = source.run("run_toolbox.py", "--extend", "mine.py", "--help").stdout
    assert "\n  colour:NAME: a plain colour, red or green\n" in told
    assert "\n  demo: a slow film" in told
    page = source.run("settings.py", "--extend", "mine.py", "--markdown").stdout
    assert "VIDEO, URL, screen:X,Y,WIDTH,HEIGHT, pair:FIRST+SECOND, clipboard, -, colour:NAME |" in page
    window = ["--headless", "--model", "small", "--device", "cpu", "--frames", "1", "--input"]
    unknown = source.run("run_toolbox.py", "--extend", "mine.py", *window, "nothing")
    assert unknown.returncode == 2
    assert "colour:NAME" in unknown.stderr
    wrong = source.run("run_toolbox.py", "--extend", "mine.py", *window, "colour:blue")
    assert (wrong.returncode, wrong.stderr.splitlines()[-1]) == (
        2, "error: colour:blue: there is no such colour; it is one of red, green",
    )  # fmt: skip


def test_a_second_source_of_one_form_is_refused(source) -> None:
    source.write("again.py", SOURCE)
    done = source.run("run_toolbox.py", "--extend", "mine.py", "--extend", "again.py", "--help")
    assert done.returncode == 2
    assert 'there is a kind of input "colour:NAME" already' in done.stderr
