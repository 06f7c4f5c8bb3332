"""How many frames a second a person sees: counted on a virtual display, from outside the program.

    python benchmarks/shown.py

The real program runs in a process of its own on a display without a screen (Xvfb). Its source writes each frame's
number into the picture and notes when it was handed over; this process looks at the display every few milliseconds,
reads the number that is shown, and so knows which frames were seen, how evenly, and how old they were.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deepvis_toolbox.drawing.pictures import fitted_box  # noqa: E402
from deepvis_toolbox.live.layout import key_table, make_layout  # noqa: E402
from deepvis_toolbox.live.look import Look, look_for  # noqa: E402
from deepvis_toolbox.live.panes.caption import body_box  # noqa: E402
from deepvis_toolbox.live.scene import Scene  # noqa: E402
from deepvis_toolbox.live.state import State  # noqa: E402

SIZE = (1500, 930)
UNIT = "block10.expand:1"
COLUMNS, ROWS = 6, 4
"""The number stands in the picture as so many black and white fields, twice: at its top and at its bottom."""
BITS = COLUMNS * ROWS
SECONDS_BETWEEN_LOOKS = 0.004

SOURCE = '''
"""A camera whose frames carry their number; it notes when each was handed over."""
import time
import numpy as np
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source


@register_source
class Numbered(Source):
    form, meaning, name = "numbered:RATE", "frames that carry their number", "numbered"

    @classmethod
    def claims(cls, text):
        return text.startswith("numbered:")

    @classmethod
    def open(cls, text, options):
        return cls(float(text.partition(":")[2]))

    def __init__(self, rate):
        self.rate, self.number, self.began = rate, 0, None
        self.times = np.memmap({times!r}, np.float64, "r+")
        shape = (480, 480, 3)
        background = np.random.default_rng(0).integers(60, 200, shape).astype(np.uint8)
        self.backgrounds = [np.roll(background, 30 * shift, axis=1) for shift in range(16)]

    def read(self):
        now = time.monotonic()
        self.began = self.began or now
        if self.rate:
            due = self.began + self.number / self.rate
            if due > now:
                time.sleep(due - now)
        picture = self.backgrounds[self.number % 16].copy()
        for bit in range({bits}):
            row, column = divmod(bit, {columns})
            colour = 255 * (self.number >> bit & 1)
            for top in (60, 300):
                picture[top + 30 * row : top + 30 * row + 30, 60 + 60 * column : 120 + 60 * column] = colour
        self.times[self.number % len(self.times)] = time.monotonic()
        self.number += 1
        return SourceFrame(picture, FrameInfo("numbered", self.number))
'''


@dataclass
class Seen:
    """What was on the display: when each number appeared, and when it had been handed over."""

    appeared: NDArray[np.float64]
    handed_over: NDArray[np.float64]
    torn: int
    """Looks at which the upper and the lower number differed: half a frame was painted."""

    def line(self) -> str:
        """Return rate, spacing and age in one line."""
        if len(self.appeared) < 2:
            return f"nothing was seen; {self.torn} torn looks"
        gaps = np.diff(self.appeared) * 1000
        ages = (self.appeared - self.handed_over) * 1000
        rate = (len(self.appeared) - 1) / (self.appeared[-1] - self.appeared[0])
        return (
            f"{rate:5.1f} shown a second; gap {np.median(gaps):5.1f} ms, 95 % {np.percentile(gaps, 95):5.1f} ms; "
            f"capture to screen {np.median(ages):5.1f} ms, 95 % {np.percentile(ages, 95):5.1f} ms; "
            f"{self.torn} torn looks"
        )


class Display:
    """Xvfb, whose picture lies in a file."""

    def __init__(self, folder: Path) -> None:
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nocursor", "-fbdir", str(folder)]
        self.process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.name = f":{pipe.readline().strip()}"
        data = np.memmap(folder / "Xvfb_screen0", np.uint8, "r")
        header = data[:100].view(">u4")
        height, line, start = int(header[5]), int(header[12]), int(header[0] + header[19] * 12)
        self.pixels = data[start : start + height * line].reshape(height, line // 4, 4)


def places() -> NDArray[np.int64]:
    """Return (2, BITS, 2): row and column in the window of each field's middle, upper and lower number."""
    look = look_for(Look(), *SIZE)
    box = make_layout(*SIZE, Scene(State(), None, look, key_table())).boxes["input"]
    body = body_box(box.height, box.width, look)
    picture = fitted_box((224, 224), (body.height, body.width))
    seen = 0.875 * 480  # what the default network sees of the picture
    found = np.zeros((2, BITS, 2), np.int64)
    for copy, top in enumerate((60, 300)):
        for bit in range(BITS):
            row, column = divmod(bit, COLUMNS)
            y, x = top + 30 * row + 15, 60 + 60 * column + 30
            share = [(where - (480 - seen) / 2) / seen for where in (y, x)]
            found[copy, bit] = (
                box.top + body.top + picture.top + share[0] * picture.height,
                box.left + picture.left + share[1] * picture.width,
            )
    return found


def look_on(display: Display, times: NDArray[np.float64], seconds: float, warm_up: float) -> Seen:
    """Watch the display for some seconds, after the program has warmed up."""
    where = places()
    weights = 1 << np.arange(BITS)
    appeared, numbers, torn, last = [], [], 0, -1
    began = time.monotonic() + warm_up
    while (now := time.monotonic()) < began + seconds:
        fields = display.pixels[where[..., 0], where[..., 1], 1] > 127
        upper, lower = (int((copy * weights).sum()) for copy in fields)
        if upper != lower:
            torn += now > began
        elif upper != last:
            last = upper
            if now > began:
                appeared.append(now)
                numbers.append(upper)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return Seen(np.array(appeared), np.array(times[np.array(numbers, int) % len(times)]), torn)


def measure(rate: float, backward: str, seconds: float, root: Path) -> Seen:
    """Run the program of a checkout with a source of `rate` frames a second (0: as many as are read)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = np.memmap(folder / "times", np.float64, "w+", shape=(1 << 16,))
        source = folder / "numbered.py"
        source.write_text(SOURCE.format(times=str(folder / "times"), bits=BITS, columns=COLUMNS))
        display = Display(folder)
        command = [
            sys.executable,
            str(root / "run_toolbox.py"),
            "--extend",
            str(source),
            "--input",
            f"numbered:{rate:g}",
        ]
        command += ["--goto", UNIT, "--set", f"live.backward={backward}", "--set", f"window.width={SIZE[0]}"]
        command += ["--set", f"window.height={SIZE[1]}"]
        try:
            with subprocess.Popen(command, env={**os.environ, "DISPLAY": display.name}, cwd=folder) as program:
                try:
                    return look_on(display, times, seconds, warm_up=8.0)
                finally:
                    program.terminate()
        finally:
            display.process.terminate()
            display.process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose program is run")
    given = parser.parse_args()
    print("frames seen on a virtual display (goals at 30 a second: 28 forward, 22 with backward; gap 60, age 90 ms)")
    for rate in (30.0, 200.0):
        for backward in ("off", "grad"):
            for _ in range(given.rounds):
                seen = measure(rate, backward, given.seconds, given.root)
                print(f"  source {rate:3g} a second backward {backward:4} {seen.line()}", flush=True)


if __name__ == "__main__":
    main()
