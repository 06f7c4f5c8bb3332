"""How many frames a second the worker's computation answers without a window, over the bare network, on any device.

    python benchmarks/frames.py --device cuda

Answering a frame takes preprocessing, the network, and copying to the CPU what the window shows. Bare: the same passes
of the network alone on inputs that lie on the device, waited for one by one. In turns, in this one process.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.live import UNIT_LAYER, PictureLoop, own_activation
from deepvis_toolbox import load_network
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.measure import BackwardImage, ClassProbabilities, LayerMaps
from deepvis_toolbox.network.interface import Network


def finished() -> None:
    """Waits until the device has computed what it was told to."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def answers(network: Network, request: Request) -> Callable[[], None]:
    """Answers the next frame."""
    processor, source = FrameProcessor(network), PictureLoop(None)

    def answer() -> None:
        frame = source.read()
        assert frame is not None
        processor.process(frame, request)

    return answer


def bare(network: Network, mode: str) -> Callable[[], None]:
    """The same passes of the network, and nothing else."""
    x = network.preprocess(PictureLoop(None).pictures[0])
    layers = [UNIT_LAYER, network.probability_layer or UNIT_LAYER]

    def run() -> None:
        if mode == "off":
            network.forward(x, layers)
        else:
            recording = network.record(x, layers)
            value = recording.activations([UNIT_LAYER])[UNIT_LAYER]
            recording.backward(UNIT_LAYER, own_activation(value, 1), mode)
        finished()

    return run


def rate(work: Callable[[], None], seconds: float) -> float:
    """Calls a second."""
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        work()
        calls += 1
    return calls / (time.perf_counter() - began)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    network = load_network(given.model, device=given.device)
    print(f"{network.name} on {network.device}")
    for mode in ("off", "grad", "deconv", "guided"):
        questions = [LayerMaps(UNIT_LAYER), ClassProbabilities()]
        if mode != "off":
            questions.append(BackwardImage(UNIT_LAYER, 1, mode))
        works = answers(network, Request(frozenset(questions))), bare(network, mode)
        for work in works:
            rate(work, 0.5)
        rates = [[rate(work, given.seconds) for work in works] for _ in range(given.rounds)]
        answered, alone = (statistics.median(each) for each in zip(*rates, strict=True))
        ratio = statistics.median(ours / floor for ours, floor in rates)
        print(f"  backward {mode:7} {answered:7.1f} frames/s, the network alone {alone:7.1f}: {ratio:.2f}")


if __name__ == "__main__":
    main()
