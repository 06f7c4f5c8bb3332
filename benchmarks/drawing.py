"""How long a whole 1500×930 window takes to draw, for three layers of the default network's shapes.

Every picture is drawn from a new snapshot, as when the network runs; nothing but text is kept from the last one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import BackwardImage, ClassProbabilities, InputGradient, LayerMaps, Maps, Probabilities
from deepvis_toolbox.process_tuning import tune_process
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.layer import Layer

SHOWN = (("stem", (32, 112, 112)), ("block10.expand", (672, 14, 14)), ("fc", (1000,)))
LISTED = 64
"""Names in the layer list; the default network has about as many."""
SIZE = (1500, 930)
LIMIT = 8.0
"""Milliseconds that the median may take."""


def example(name: str, shape: tuple[int, ...]) -> tuple[State, Snapshot]:
    """The layer shown, a unit selected, the backward pass on: everything that can be drawn is drawn."""
    random = np.random.default_rng(0)
    names = [Layer(f"block{number // 3}.part{number % 3}", "conv", (192, 14, 14)) for number in range(LISTED - 1)]
    state = State()
    state.facts.layers = (Layer(name, "conv", shape), *names)
    state.facts.labels = tuple(f"class {i}" for i in range(1000))
    state.view.cursor_area, state.view.unit, state.view.backward = "tiles", 5, "grad"
    snapshot = Snapshot(
        request=make_request(state),
        frame=FrameInfo("camera 0", 0),
        input_image=random.integers(0, 255, (224, 224, 3)).astype(np.uint8),
        answers={
            LayerMaps(name): Maps(np.maximum(random.normal(size=shape), 0).astype(np.float32)),
            ClassProbabilities(): Probabilities(random.dirichlet(np.ones(1000)).astype(np.float32)),
            BackwardImage(name, 5): InputGradient(random.normal(size=(224, 224, 3)).astype(np.float32)),
        },
        network_rate=20.0,
        source_rate=30.0,
        device="cpu",
    )
    return state, snapshot


def milliseconds(
    name: str, shape: tuple[int, ...], rounds: int, gamma_index: int = 0
) -> tuple[list[float], list[float]]:
    """The time of each of `rounds` windows, and what of it the processor spent on them; five more are not counted."""
    state, snapshot = example(name, shape)
    state.view.gamma_index = gamma_index
    painter = Painter(Look())
    times, processor = [], []
    for number in range(rounds + 5):
        answers = deepcopy(dict(snapshot.answers))  # new arrays, as the worker brings them
        fresh = replace(snapshot, answers=answers, network_rate=20 + number % 7)
        start, start_processor = time.perf_counter(), time.process_time()
        painter.paint(state, fresh, SIZE)
        times.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - start_processor))
    return times[5:], processor[5:]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="windows drawn for each layer (100)")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads that OpenCV may use (1: the network has the rest)"
    )
    given = parser.parse_args(arguments)
    tune_process()  # as the window does: its large arrays come from kept memory
    cv2.setNumThreads(given.threads)
    print(f"A window of {SIZE[0]}×{SIZE[1]}, OpenCV with {given.threads} thread(s), {given.rounds} rounds")
    print(f"{'layer':16}{'shape':>14}{'median':>10}{'95 %':>10}{'processor':>12}{'gamma 0.5':>12}   ms")
    slowest = 0.0
    for name, shape in SHOWN:
        times, processor = milliseconds(name, shape, given.rounds)
        boosted = statistics.median(milliseconds(name, shape, given.rounds, gamma_index=2)[0])
        median, late = statistics.median(times), float(np.percentile(times, 95))
        slowest = max(slowest, median)
        size = "×".join(map(str, shape))
        spent = statistics.median(processor)
        print(f"{name:16}{size:>14}{median:10.2f}{late:10.2f}{spent:12.2f}{boosted:12.2f}")
    print(f"slowest median {slowest:.2f} ms, limit {LIMIT:g} ms: {'kept' if slowest <= LIMIT else 'missed'}")
    return 0 if slowest <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
