"""What it costs a training to be watched: steps with `view.update`, beside the same steps without it, in turns.

    python benchmarks/watching.py

The network is that of docs/examples/train_shapes.py: small, so that a step takes a few milliseconds and whatever is
added to it shows. "looked at": somebody asks for the weights again as soon as they have come, as the window does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "examples")]

import train_shapes  # noqa: E402

from deepvis_toolbox import watch  # noqa: E402
from deepvis_toolbox.training_view import WEIGHTS  # noqa: E402

BATCH = 64


class Training:
    """The same steps again and again, each of the same pictures."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = train_shapes.ShapeNet()
        self._optimizer = torch.optim.Adam(self.module.parameters(), lr=1e-3)
        self._pictures, self._numbers = train_shapes.batch(BATCH, np.random.default_rng(0))

    def seconds_a_step(self, steps: int, afterwards: Callable[[int], object]) -> float:
        began = time.perf_counter()
        for step in range(steps):
            self._optimizer.zero_grad()
            F.cross_entropy(self.module(self._pictures), self._numbers).backward()
            self._optimizer.step()
            afterwards(step)
        return (time.perf_counter() - began) / steps


class Looker(threading.Thread):
    """Asks for the weights again and again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._address, self._ended, self.seen = f"http://127.0.0.1:{port}{WEIGHTS}", threading.Event(), 0

    def run(self) -> None:
        while not self._ended.is_set():
            with urllib.request.urlopen(self._address, timeout=60) as answer:
                self.seen += bool(answer.read())

    def close(self) -> None:
        self._ended.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=60, help="of each kind in a round (default: 60)")
    given = parser.parse_args()
    torch.set_num_threads(1)  # as the example: so small a network is no quicker with more
    training = Training()
    training.seconds_a_step(given.steps, lambda _: None)  # the first ones are slower
    found: dict[str, list[float]] = {"bare": [], "watched, nobody looks": [], "looked at": []}
    seen = 0
    for _ in range(given.rounds):
        found["bare"].append(training.seconds_a_step(given.steps, lambda _: None))
        with watch(training.module, port=0) as view:
            found["watched, nobody looks"].append(training.seconds_a_step(given.steps, view.update))
            looker = Looker(view.port)
            looker.start()
            found["looked at"].append(training.seconds_a_step(given.steps, view.update))
            looker.close()
            seen += looker.seen
    bare = statistics.median(found["bare"])
    for what, seconds in found.items():
        median = statistics.median(seconds)
        print(f"{what:24} {1000 * median:7.2f} ms a step   {median / bare:.3f} of the bare step")
    print(f"the weights were fetched {seen} times")


if __name__ == "__main__":
    main()
