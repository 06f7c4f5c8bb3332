"""A virtual display, a real window on it that is driven by real keys, and a small network."""

from __future__ import annotations

import os
import shutil
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from deepvis_toolbox.live import main_loop
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.main_loop import LoopOptions, MainLoop
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
from deepvis_toolbox.live.pictures.picture_shelf import open_shelf
from deepvis_toolbox.live.pictures.shooter import Shooter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.window.window import MouseEvent, Window
from deepvis_toolbox.live.work.counterpart import OpenCounterpart
from deepvis_toolbox.live.work.grower import open_grower
from deepvis_toolbox.live.work.live_work import LiveWork
from deepvis_toolbox.live.work.scan_reading import ScanReading
from deepvis_toolbox.settings.sections import WindowSettings
from deepvis_toolbox.sources.source import Source
from tests.virtual_display import Display

WINDOW = (1500, 930)
SECONDS_TO_APPEAR = 3.0
main_loop.MESSAGE_SECONDS = 0.5  # tests wait until it is gone


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{program} is missing, and CI is set")
            pytest.skip(f"{program} is missing")
    before = os.environ.get("DISPLAY")
    display = Display(tmp_path_factory.mktemp("display"))
    os.environ["DISPLAY"] = display.name
    yield display
    cv2.destroyAllWindows()
    os.environ.pop("DISPLAY") if before is None else os.environ.update(DISPLAY=before)
    display.close()


class WatchedWindow(Window):
    """A window that counts what it has told of: so hands know when what they did has arrived."""

    told = 0

    def wait_key_code(self, milliseconds: int) -> tuple[int, str]:
        code, key = super().wait_key_code(milliseconds)
        self.told += bool(key)
        return code, key

    def mouse_events(self) -> list[MouseEvent]:
        events = super().mouse_events()
        self.told += sum(event.kind not in ("move", "release") for event in events)
        return events


class Driver:
    """A real window with all its threads, and hands for it."""

    def __init__(
        self,
        display: Display,
        load: Callable[[], object],
        sources: list[Source],
        folder: Path,
        unit_images: Path | None = None,
        maxes: Path | None = None,
        open_counterpart: OpenCounterpart | None = None,
    ) -> None:
        self.display = display
        self.state = State()
        self.other_source = False  # of the two
        self.state.facts.sources, self.state.facts.loading = len(sources), "loading"
        grower = partial(open_grower, folder=str(unit_images)) if unit_images else None
        open_scan = partial(ScanReading, maxes, None, True) if maxes else None
        openers = {"open_grower": grower, "open_scan": open_scan, "open_counterpart": open_counterpart}
        self.work = LiveWork(load, sources, **openers)  # type: ignore[arg-type]
        self.work.start()
        self.shots = folder / "shots"
        shooter = Shooter(self.shots, {"model": "under test"})
        self.title = f"Toolbox under test {id(self)}"
        self.window = WatchedWindow(self.title, *WINDOW)
        options = LoopOptions(WindowSettings(drawing_share=1.0))
        self.loop = MainLoop(self.work, self.window, Painter(), self.state, shooter, options)
        if unit_images:
            self.loop.open_shelf = partial(
                open_shelf, commands=PictureCommands("small"), folder=str(unit_images), byte_limit=1 << 24
            )
        display.xdotool("mousemove", "400", "920")
        self._appear()

    def _appear(self) -> None:
        """Opens the window again until the display shows it.

        Of OpenCV's windows on Xvfb without a window manager about one in ten stays black for all its life, whatever is
        painted; such a one heals when it is unmapped and mapped.
        """
        self.run_until(lambda: self.loop.drawn > 0)
        for _ in range(10):
            if self._paints_within(SECONDS_TO_APPEAR):
                return
            self.display.xdotool("search", "--name", self.title, "windowunmap", "--sync", "windowmap")
        pytest.fail("the display never showed the window")

    def _paints_within(self, seconds: float) -> bool:
        """Lets the window system paint, and nothing else happen, until the display shows what was drawn last."""
        deadline = time.monotonic() + seconds
        while not np.array_equal(self.screen(), self.loop.painter.pixels):
            if time.monotonic() > deadline:
                return False
            cv2.waitKeyEx(10)  # keys that come meanwhile wait in the window's queue
        return True

    def run_until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Lets the main loop run until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.loop.step()

    def settle(self) -> None:
        """Until the window shows the answer to what the state asks for."""

        def settled() -> bool:
            snapshot = self.loop.snapshot
            asked = snapshot is not None and snapshot.request == make_request(self.state)
            return (
                asked
                and not self.loop.is_dirty
                and not self.work.inbox.has_work_within(0)
                and not self.state.facts.message
            )

        self.run_until(settled)
        assert self._paints_within(20.0), "the display does not show what was drawn"

    def key(self, name: str) -> None:
        """Presses a real key, and waits until the window shows what it did."""
        self.other_source ^= name == "c"
        self._do("key", name)

    def mouse(self, *arguments: str) -> None:
        """Real clicks and turns of the wheel, as xdotool writes them."""
        self._do(*arguments)

    def _do(self, *arguments: str) -> None:
        told = self.window.told
        self.display.xdotool(*arguments)
        self.run_until(lambda: self.window.told > told)
        self.settle()

    def resize(self, width: int, height: int) -> None:
        """Gives the window another size, and waits until it is drawn in it."""
        self.display.xdotool("search", "--name", self.title, "windowsize", str(width), str(height))
        self.run_until(lambda: self.loop.painter.pixels.shape == (height, width, 3))
        self.settle()

    @property
    def picture(self) -> tuple[str, int]:
        """The source and the number of the frame that is shown."""
        assert self.loop.snapshot is not None
        return self.loop.snapshot.frame.source, self.loop.snapshot.frame.number

    def screen(self) -> NDArray[np.uint8]:
        """What the display shows of the window, RGB."""
        width, height = self.loop.window.size
        return self.display.picture()[:height, :width]

    def panes(self) -> dict[str, NDArray[np.uint8]]:
        """What the display shows of every pane that is drawn."""
        screen, layout = self.screen(), self.loop.painter.layout
        assert layout is not None
        return {name: screen[box.top : box.bottom, box.left : box.right] for name, box in layout.boxes.items()}

    def reset(self) -> None:
        """Back to the start: every test begins with it."""
        if self.other_source:
            source = self.picture[0]
            self.key("c")
            self.run_until(lambda: self.picture[0] != source)
            self.settle()
        self.key("Escape")
        self.state.view = replace(self.state.start_view)
        self.loop._touched()
        self.settle()

    def close(self) -> None:
        self.loop.shooter.close()
        self.loop.window.close()
        assert self.work.close(2.0), "quitting takes more than two seconds"


class SmallNet(nn.Module):
    """Two convolutions, a pool, a concatenation and classes, 32×32 in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(12 * 8 * 8 + 0, 10)
        self.prob = nn.Softmax(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv1(x))
        x = self.pool(self.relu(self.conv2(x)))
        return self.prob(self.fc(x.flatten(1)))


@pytest.fixture(scope="session")
def load_small() -> Callable[[], object]:
    """A function that loads a small network of its own."""
    module = types.ModuleType("live_test_network")
    module.make = SmallNet  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    def load() -> object:
        from deepvis_toolbox import load_network

        return load_network("live_test_network:make", device="cpu", input_size=32, mean=127, std=128)

    return load


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three photos."""
    from skimage import data

    folder = tmp_path_factory.mktemp("photos")
    for name, picture in {"cat.png": data.chelsea(), "coffee.png": data.coffee(), "rocket.png": data.rocket()}.items():
        cv2.imwrite(str(folder / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 40 frames, 25 a second; the frame's number is written in its brightness."""
    path = tmp_path_factory.mktemp("video") / "steps.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    for number in range(40):
        writer.write(np.full((120, 160, 3), 20 + 5 * number, np.uint8))
    writer.release()
    return path
