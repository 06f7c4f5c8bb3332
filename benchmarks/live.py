"""Measures the live window in one run: rates against a bare loop, drawing, keys while busy, start, memory.

Everything that is compared runs in turns in the same process, on the same network, frames and threads, so that a busy
machine slows both sides. Needs a display; where there is none, it starts a virtual one (Xvfb) for itself.

Whatever computes does so in a thread of its own that then ends, and loads its network there, as the toolbox's worker
does: a second thread with helper threads for PyTorch would make all of them sleep between operations, at half the rate.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from deepvis_toolbox import load_network, tune_process  # noqa: E402
from deepvis_toolbox.live.actions import go_to  # noqa: E402
from deepvis_toolbox.live.headless import HeadlessRun  # noqa: E402
from deepvis_toolbox.live.layout import make_request  # noqa: E402
from deepvis_toolbox.live.main_loop import MainLoop  # noqa: E402
from deepvis_toolbox.live.painter import Painter  # noqa: E402
from deepvis_toolbox.live.pictures.shooter import Shooter  # noqa: E402
from deepvis_toolbox.live.state import State  # noqa: E402
from deepvis_toolbox.live.window.window import Window  # noqa: E402
from deepvis_toolbox.live.work.frame_processor import FrameProcessor  # noqa: E402
from deepvis_toolbox.live.work.grower import OpenGrower, open_grower  # noqa: E402
from deepvis_toolbox.live.work.live_work import LiveWork  # noqa: E402
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork  # noqa: E402
from deepvis_toolbox.network.interface import Network  # noqa: E402
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame  # noqa: E402
from deepvis_toolbox.sources.options import SourceOptions  # noqa: E402
from deepvis_toolbox.sources.pacing import Pacer  # noqa: E402
from deepvis_toolbox.sources.source import Source  # noqa: E402
from deepvis_toolbox.words.unit import Unit  # noqa: E402

SIZE = (1500, 930)
LAYERS = ("stem", "block10.expand", "fc")
UNIT_LAYER = "block10.expand"


class PictureLoop(Source):
    """Camera-like: 640×480 pictures that are ready in memory, `rate` a second."""

    form, meaning, name = "pictures in memory", "for benchmarks", "memory"

    def __init__(self, rate: float | None) -> None:
        random = np.random.default_rng(0)
        small = random.integers(0, 255, (8, 60, 80, 3)).astype(np.uint8)
        self.pictures = [np.asarray(cv2.resize(each, (640, 480), interpolation=cv2.INTER_CUBIC)) for each in small]
        self._pacer = Pacer(rate) if rate else None
        self._number = 0

    @classmethod
    def claims(cls, text: str) -> bool:  # noqa: ARG003
        return False

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> PictureLoop:  # noqa: ARG003
        return cls(None)

    def read(self) -> SourceFrame | None:
        if self._pacer and not self._pacer.wait():
            return None
        self._number += 1
        return SourceFrame(self.pictures[self._number % len(self.pictures)], FrameInfo(self.name, self._number))

    def interrupt(self) -> None:
        if self._pacer:
            self._pacer.interrupt()


def load() -> Network:
    """The default network."""
    return load_network("efficientnet-lite0", device="cpu")


def in_a_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` gives, in a thread that nothing runs beside."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work, *arguments).result()


def measure_drawing(repeats: int) -> None:
    """Whole windows, each time with maps that were not drawn before."""
    network = load()
    processor, source = FrameProcessor(network), PictureLoop(None)
    print(f"\ndrawing a whole {SIZE[0]}×{SIZE[1]} window (goal: median at most 8 ms)")
    for name in LAYERS:
        painter, state = Painter(), State()
        LoadedNetwork.of(network, f"{name}:1").introduce(state)
        layer = state.layer
        assert layer is not None
        state.view.backward = "grad"
        shots, request = [], make_request(state)
        for _ in range(4):
            frame = source.read()
            assert frame is not None
            shots.append(processor.process(frame, request))
        times = []
        for number in range(repeats + 4):
            started = time.perf_counter()
            painter.paint(state, shots[number % 4], SIZE)
            times.append((time.perf_counter() - started) * 1000)
        print(f"  {layer.name:18} {'×'.join(map(str, layer.shape)):12} {_spread(times[4:])}")


def measure_rates(seconds: float, rounds: int) -> None:
    """The worker's rate with the window on over a bare loop's, in turns: each round is bare, live, bare, live …"""
    print("\nthe worker's rate with the window on, over a bare loop's on the same frames (goal: at least 0.9)")
    for what, backward in (("forward", False), ("forward+backward", True)):
        bare, ready, live, drawn = [], [], [], []
        for _ in range(rounds):
            bare.append(in_a_thread(bare_loop, backward, True, seconds / 2))
            ready.append(in_a_thread(bare_loop, backward, False, seconds / 2))
            with live_loop(backward) as loop:
                rate, windows = live_rate(loop, seconds)
            live.append(rate)
            drawn.append(windows)
        print(f"  {what:17} live {np.median(live):6.1f}/s, {np.median(drawn):4.1f} windows/s")
        for name, rates in (("preprocess, then the network", bare), ("the network on inputs that are ready", ready)):
            ratios = np.array(live) / np.array(rates)
            every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"    bare loop: {name:37} {np.median(rates):6.1f}/s  ratio {np.median(ratios):.3f}  ({every})")


def own_activation(value: torch.Tensor, unit: int) -> torch.Tensor:
    """The live diff: a unit's own activation map, zero elsewhere."""
    diff = torch.zeros_like(value)
    diff[:, unit] = value[:, unit]
    return diff


def bare_loop(backward: bool, preprocess: bool, seconds: float) -> float:
    """Passes a second, nothing else running."""
    network = load()
    pictures = PictureLoop(None).pictures
    inputs = [network.preprocess(picture) for picture in pictures]
    layers = [UNIT_LAYER, network.probability_layer or UNIT_LAYER]

    def one_pass(number: int) -> None:
        x = network.preprocess(pictures[number]) if preprocess else inputs[number]
        if backward:
            recording = network.record(x, layers)
            value = recording.activations([UNIT_LAYER])[UNIT_LAYER]
            recording.backward(UNIT_LAYER, own_activation(value, 1))
        else:
            network.forward(x, layers)

    for number in range(len(inputs)):  # the first passes plan and allocate
        one_pass(number)
    passes, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        one_pass(passes % len(inputs))
        passes += 1
    return passes / (time.perf_counter() - started)


@contextmanager
def live_loop(backward: bool, open_grower: OpenGrower | None = None) -> Iterator[MainLoop]:
    """A real window with its threads, and a camera quicker than the network."""
    work = LiveWork(load, [PictureLoop(160.0)], open_grower=open_grower)
    work.start()
    state = State()
    window = Window("Benchmark", *SIZE)
    loop = MainLoop(work, window, Painter(), state, Shooter(Path(), {}))
    while not state.facts.layers:
        loop.step()
    go_to(state, Unit(UNIT_LAYER, 1))
    state.view.backward = "grad" if backward else "off"
    try:
        yield loop
    finally:
        window.close()
        work.close(5)


def live_rate(loop: MainLoop, seconds: float) -> tuple[float, float]:
    """Frames that the worker has answered and windows, a second."""
    answered = count_calls(loop.work.snapshots, "put")
    _run_for(loop, 1.0)
    first, drawn, started = answered(), loop.drawn, time.perf_counter()
    _run_for(loop, seconds)
    elapsed = time.perf_counter() - started
    return (answered() - first) / elapsed, (loop.drawn - drawn) / elapsed


def count_calls(of: Any, method: str) -> Callable[[], int]:
    """Tells how often a method has been called since."""
    calls, own = [0], getattr(of, method)

    def counted(*arguments: Any) -> Any:
        calls[0] += 1
        return own(*arguments)

    setattr(of, method, counted)
    return lambda: calls[0]


def measure_growth(seconds: float, rounds: int) -> None:
    """The worker's rate while a class unit's preferred image grows, over its rate before and after, in one window."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    with TemporaryDirectory() as folder, live_loop(False, partial(open_grower, folder=folder)) as loop:
        go_to(loop.state, Unit("fc", 9))
        for number in range(2 * rounds + 1):
            growing = number % 2 == 1
            loop.state.orders.grow = frozenset({Unit("fc", 9)}) if growing else frozenset()
            rates[growing].append(live_rate(loop, seconds)[0])
            if growing:
                loop.state.orders.grow = frozenset()
    alone = [(before + after) / 2 for before, after in itertools.pairwise(rates[False])]
    ratios = np.array(rates[True]) / np.array(alone)
    every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print("\nthe worker's rate while a preferred image grows, over its rate without (goal: at least 0.8)")
    both = f"{np.median(alone):.1f}/s alone, {np.median(rates[True]):.1f}/s growing"
    print(f"  {both}: ratio {np.median(ratios):.3f}  ({every})")


def measure_keys(presses: int) -> None:
    """From the moment a real key is sent until the window that shows it has been handed to the display."""
    sent: list[float] = []
    shown: list[float] = []
    with live_loop(True) as loop:
        subprocess.run(["xdotool", "mousemove", "700", "500"], check=True)
        _run_for(loop, 2.0)
        hands = subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE, text=True)
        assert hands.stdin is not None
        random = np.random.default_rng(0)
        for number in range(presses):
            _run_for(loop, float(random.uniform(0.12, 0.3)))
            unit = loop.state.view.unit
            sent.append(time.perf_counter())
            hands.stdin.write("key Right\n" if number % 2 else "key Left\n")
            hands.stdin.flush()
            while loop.state.view.unit == unit or loop.is_dirty:
                loop.step()
            shown.append(time.perf_counter())
        hands.stdin.close()
        hands.wait()
    milliseconds = (np.array(shown) - np.array(sent)) * 1000
    print("\nkey press to changed window while forward+backward runs (goal: 95th percentile at most 60 ms)")
    print(f"  {presses} keys: median {np.median(milliseconds):.1f} ms, 95th percentile "
          f"{np.percentile(milliseconds, 95):.1f} ms, worst {milliseconds.max():.1f} ms")  # fmt: skip


def measure_start() -> None:
    """A process of its own, from its first line to its first frame."""
    print("\nstart (goal: first frame within 4 s)")
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(ROOT / "run_toolbox.py"), "--input", "demo", "--frames", "1", "--timings"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        print(f"  {done.stdout.strip()} (process {time.perf_counter() - started:.2f} s)")


def measure_memory(frames: int) -> None:
    """Resident memory of a headless run with a backward pass, after a tenth of the frames and after all."""
    sizes: list[int] = []
    statistics = Path("/proc/self/statm")
    page = os.sysconf("SC_PAGE_SIZE")

    def note(*_: object) -> None:
        sizes.append(int(statistics.read_text().split()[1]) * page)

    run = HeadlessRun(load(), [PictureLoop(None)], Painter(), State(), SIZE, note)
    run.run(frames, ("right", "down", "b"))
    tenth, end = (float(np.median(sizes[place - 20 : place])) / 2**20 for place in (frames // 10, frames))
    print(f"\nmemory after {frames // 10} frames {tenth:.1f} MiB, after {frames} {end:.1f} MiB: {end / tenth:.4f}"
          " (goal: at most 1.02)")  # fmt: skip


def _run_for(loop: MainLoop, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        loop.step()


def _spread(milliseconds: list[float]) -> str:
    return f"median {np.median(milliseconds):5.2f} ms, 95th percentile {np.percentile(milliseconds, 95):5.2f} ms"


@contextmanager
def a_display() -> Iterator[None]:
    """The display there is, or a virtual one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1200x24"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
    try:
        yield
    finally:
        cv2.destroyAllWindows()
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each turn of the rates")
    parser.add_argument("--rounds", type=int, default=5, help="turns of the rates")
    parser.add_argument("--keys", type=int, default=100, help="key presses")
    parser.add_argument("--memory-frames", type=int, default=10_000, help="0: leave memory out")
    parser.add_argument("--only", nargs="*", default=[], help="drawing, rates, growth, keys, start, memory")
    given = parser.parse_args()
    tune_process()
    import torch

    with a_display():
        cv2.setNumThreads(1)
        print(f"{os.cpu_count()} processors, {torch.get_num_threads()} threads for torch, cpu")
        parts: dict[str, Callable[[], None]] = {
            "drawing": lambda: in_a_thread(measure_drawing, 100),
            "rates": lambda: measure_rates(given.seconds, given.rounds),
            "growth": lambda: measure_growth(given.seconds, given.rounds),
            "keys": lambda: measure_keys(given.keys),
            "start": measure_start,
            "memory": lambda: in_a_thread(measure_memory, given.memory_frames),
        }
        for name, part in parts.items():
            if (not given.only or name in given.only) and not (name == "memory" and not given.memory_frames):
                part()


if __name__ == "__main__":
    main()
