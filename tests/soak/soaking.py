"""One soak: the real program on a display of its own, driven for some hours, watched, and ended with the key q."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.virtual_display import Display

from .hands import SIZES, Hands
from .samples import Sample, left_over, processes_of, take_sample, write_sample
from .trend import grown
from .vanishing import Pictures, Stream

ROOT = Path(__file__).resolve().parents[2]
TITLE = "Toolbox in a soak"
SECONDS_TO_APPEAR, SECONDS_TO_ANSWER, SECONDS_TO_QUIT = 300.0, 120.0, 30.0
"""Far more than a person would stand: a machine may be busy with other things."""
SECONDS_TO_FOLLOW = 20.0
"""Until what the program had started has ended as well: a process that is just starting ends once it finds that nobody
is there to ask it."""
SECONDS_BETWEEN_ANSWERS = 20.0
SAMPLES = 1200
"""Of a run, at most; at most one a second."""
KEPT_EVENTS = 40
"""How many of the last events are told where something went wrong."""


class SoakError(Exception):
    """The program did what it must not."""


@dataclass(frozen=True)
class Plan:
    """What is asked for. `folder`: where samples, events and the program's output are written."""

    seconds: float
    seed: int
    folder: Path


class Soak:
    """A context manager: the program with its window, its sources and its display."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.samples: list[Sample] = []
        self.events: deque[str] = deque(maxlen=KEPT_EVENTS)
        self._answer = 0.0

    def __enter__(self) -> Soak:
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        self._began = time.monotonic()
        self._events_file = (self.plan.folder / "events.jsonl").open("w", encoding="utf-8")
        (self.plan.folder / "samples.jsonl").write_text("", encoding="utf-8")
        self._temporary = tempfile.TemporaryDirectory(prefix="soak-")
        work = Path(self._temporary.name)
        self._shots = work / "screenshots"
        self._display = Display(work)
        self._pictures, self._stream = Pictures(work / "pictures", work / "masters"), Stream()
        self._start(work)
        self._hands = Hands(self._display, TITLE, (self._pictures, self._stream), self.plan.seed)
        return self

    def __exit__(self, *_: object) -> None:
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait()
        self._stream.close()
        self._display.close()
        self._temporary.cleanup()
        self._events_file.close()

    def run(self) -> None:
        """Drive the window as long as was planned, then end it. `SoakError` where something is wrong."""
        self._appear()
        begin = time.monotonic()
        next_sample = next_answer = begin
        between = max(1.0, self.plan.seconds / SAMPLES)
        while (now := time.monotonic()) < begin + self.plan.seconds:
            self._must_live()
            if now >= next_answer:
                self._watch_a_key()
                next_answer = now + SECONDS_BETWEEN_ANSWERS
            if now >= next_sample:
                self._take_sample(now - begin)
                next_sample = now + between
            self._note(self._hands.act())
            self._hands.rest()
        self._hands.calm()
        self._watch_a_key()
        self._take_sample(time.monotonic() - begin)
        self._quit()
        self._judge()

    def _start(self, work: Path) -> None:
        settings = {
            "window.title": TITLE, "window.width": SIZES[0][0], "window.height": SIZES[0][1],
            "live.screenshots": self._shots, "unit_images.cache_megabytes": 32,
        }  # fmt: skip
        store = shutil.copytree(ROOT / "models" / "efficientnet-lite0" / "unit_images", work / "store")
        command = [sys.executable, str(ROOT / "run_toolbox.py"), str(self._pictures.folder), self._stream.url]
        command += ["--store", str(store)]
        command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        environment = {**os.environ, "DISPLAY": self._display.name, "XDG_CONFIG_HOME": str(work / "configuration")}
        with (self.plan.folder / "stdout.txt").open("w") as out, (self.plan.folder / "stderr.txt").open("w") as err:
            self.program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            env=environment, cwd=work)  # fmt: skip

    def _appear(self) -> None:
        """Wait for the window and its network: until a first key is answered.

        OpenCV's windows on Xvfb without a window manager at times stay black for all their life; such a one heals when
        it is unmapped and mapped.
        """
        deadline = time.monotonic() + SECONDS_TO_APPEAR
        while not self._display.picture().any():
            self._must_live()
            if time.monotonic() > deadline:
                raise SoakError("no window appeared")
            time.sleep(3.0)
            search = ("xdotool", "search", "--name", TITLE, "windowunmap", "--sync", "windowmap")
            if not self._display.picture().any():
                subprocess.run(search, env={**os.environ, "DISPLAY": self._display.name}, check=False,
                               capture_output=True, timeout=30)  # fmt: skip
        self._watch_a_key()

    def _watch_a_key(self) -> None:
        """Press `p` and wait for the new screenshot: keys are taken, the window is drawn, files are written.

        Escape goes before it: where one was typing what is sought, `p` would be a letter of it.
        """
        before = self._pictures_taken()
        began = time.monotonic()
        self._hands.press("Escape", "p")
        pressed = began
        while not self._pictures_taken() - before:
            self._must_live()
            now = time.monotonic()
            if now > began + SECONDS_TO_ANSWER:
                raise SoakError(f"the key p was not answered within {SECONDS_TO_ANSWER:g} seconds")
            if now > pressed + 10:  # a key that comes while the window gets another size may be lost
                self._hands.press("Escape", "p")
                pressed = now
            time.sleep(0.01)
        self._answer = time.monotonic() - began
        for path in sorted(self._pictures_taken())[:-2]:
            path.unlink(missing_ok=True)

    def _pictures_taken(self) -> set[Path]:
        return set(self._shots.glob("*.png")) if self._shots.is_dir() else set()

    def _take_sample(self, seconds: float) -> None:
        sample = take_sample(self.program.pid, seconds, self._answer)
        self.samples.append(sample)
        write_sample(sample, self.plan.folder / "samples.jsonl")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._events_file.write(json.dumps([round(time.monotonic() - self._began, 2), event]) + "\n")
        self._events_file.flush()

    def _must_live(self) -> None:
        if (status := self.program.poll()) is not None:
            raise SoakError(f"the program ended by itself with status {status}")

    def _quit(self) -> None:
        below = [process for process in processes_of(self.program.pid) if process != self.program.pid]
        try:
            status = self._wait_for_the_end()
        except subprocess.TimeoutExpired:
            raise SoakError(f"the key q did not end the program within {SECONDS_TO_QUIT:g} seconds") from None
        if status:
            raise SoakError(f"the key q ended the program with status {status}")
        if left := left_over(below, SECONDS_TO_FOLLOW):
            raise SoakError(f"processes are left over: {left}")

    def _wait_for_the_end(self) -> int:
        """Press `q`, and again where it may have been lost."""
        for _ in range(2):
            self._hands.press("Escape", "q")
            with suppress(subprocess.TimeoutExpired):
                return self.program.wait(SECONDS_TO_QUIT / 3)
        return self.program.wait(SECONDS_TO_QUIT / 3)

    def _judge(self) -> None:
        said = (self.plan.folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        for word in ("Traceback", "Exception ignored", "could not be drawn"):
            if word in said:
                raise SoakError(f'stderr.txt has "{word}":\n{said[said.index(word) :][:3000]}')
        if sentences := grown(self.samples):
            raise SoakError("; ".join(sentences))
