"""The torch engine against real Caffe and OpenCV's dnn on the same files, batch 1, in one run.

    DEEPVIS_CAFFE=… python benchmarks/caffe.py [--threads 2] [--rounds 7]

The nets are SqueezeNet, an AlexNet and GoogLeNet of models/ with random weights. Each round times all of them in turn,
so that a busy moment of the machine hits them alike; the quickest round of each counts. `forward` is the whole network;
`+ backward` adds a backward pass from the classes to the input. Real Caffe is timed inside its process, on the file as
it is: what the toolbox adds to it is not counted. Ends with status 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, in which this file would hide the package caffe

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from deepvis_toolbox import ToolboxError, load_network, tune_process  # noqa: E402
from deepvis_toolbox.caffe.process import Installation, find_caffe  # noqa: E402
from tests.caffe.random_weights import write_random_weights  # noqa: E402

NETS = ("squeezenet", "caffenet-yos", "bvlc-googlenet")
FORWARD_TARGET, BACKWARD_TARGET, OPENCV_TARGET = 1.8, 2.5, 1.0
REPEATS = 5

CAFFE = """
import sys, time
import numpy as np
import caffe
caffe.set_mode_cpu()
prototxt, weights, classes = sys.argv[1:]
net = caffe.Net(prototxt, caffe.TEST)
net.copy_from(weights)
blob = list(net._blob_names).index(classes)
top = max(i for i in range(len(net.layers)) if blob in list(net._top_ids(i)))
net.blobs["data"].data[...] = np.random.RandomState(0).normal(0, 50, net.blobs["data"].data.shape)
last = len(net.layers) - 1
for line in sys.stdin:
    what, repeats = line.split()
    began = time.perf_counter()
    for _ in range(int(repeats)):
        net._forward(0, last)
        if what == "backward":
            net.blobs[classes].diff[...] = 1
            net._backward(top, 0)
    print((time.perf_counter() - began) / int(repeats), flush=True)
"""


class RealCaffe:
    """Caffe in a process of its own, which times itself."""

    def __init__(self, installation: Installation, threads: int, *arguments: str) -> None:
        environment = {**os.environ, "GLOG_minloglevel": "2", "OPENBLAS_NUM_THREADS": str(threads)}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, installation.folders))
        self._process = subprocess.Popen(
            [installation.python, "-c", CAFFE, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def seconds(self, what: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {REPEATS}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    for _ in range(REPEATS):
        call()
    return (time.perf_counter() - began) / REPEATS


def measure(name: str, installation: Installation, threads: int, rounds: int) -> dict[str, float]:
    """Seconds of each contender for a net: the quickest round."""
    with tempfile.TemporaryDirectory() as folder:
        prototxt, weights = Path(folder) / "net.prototxt", Path(folder) / "net.caffemodel"
        prototxt.write_text("force_backward: true\n" + (ROOT / "models" / name / "deploy.prototxt").read_text())
        write_random_weights(prototxt, weights)
        began = time.perf_counter()
        network = load_network(None, "torch", "cpu", prototxt=prototxt, weights=weights)
        load = time.perf_counter() - began
        opencv = cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))
        caffe = RealCaffe(installation, threads, str(prototxt), str(weights), network.label_layers[0])
        contenders = _contenders(network, opencv, caffe)
        for call in contenders.values():  # the first calls plan and allocate
            call()
        times: dict[str, list[float]] = {what: [] for what in contenders}
        for _ in range(rounds):
            for what, call in contenders.items():
                times[what].append(call())
        caffe.close()
        return {"load": load, **{what: min(several) for what, several in times.items()}}


def _contenders(network: Any, opencv: Any, caffe: RealCaffe) -> dict[str, Callable[[], float]]:
    x = torch.from_numpy(np.random.RandomState(0).normal(0, 50, (1, *network.input_shape)).astype("f4"))
    classes = network.label_layers[0]
    diff = torch.ones((1, *network.layers[classes].shape))

    def opencv_forward() -> None:
        opencv.setInput(x.numpy())
        opencv.forward()

    def torch_backward() -> None:
        network.record(x).backward(classes, diff)

    return {
        "caffe": lambda: caffe.seconds("forward"),
        "opencv": lambda: seconds(opencv_forward),
        "torch": lambda: seconds(lambda: network.forward(x, ["prob"])),
        "caffe + backward": lambda: caffe.seconds("backward"),
        "torch + backward": lambda: seconds(torch_backward),
    }


def report(name: str, took: dict[str, float]) -> bool:
    """Prints a net's figures; gives whether the targets are met."""
    forward, backward = took["caffe"] / took["torch"], took["caffe + backward"] / took["torch + backward"]
    opencv = took["opencv"] / took["torch"]
    milliseconds = [1e3 * took[what] for what in ("caffe", "opencv", "torch", "caffe + backward", "torch + backward")]
    cells = [f"{value:.1f}" for value in milliseconds]
    cells[5:5] = [f"{backward:.2f}×", f"{took['load']:.2f}"]
    cells[3:3] = [f"{forward:.2f}×", f"{opencv:.2f}×"]
    print(f"{name:<15}" + "".join(f"{cell:>10}" for cell in cells))
    return forward >= FORWARD_TARGET and backward >= BACKWARD_TARGET and opencv >= OPENCV_TARGET


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    tune_process()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    try:
        installation = find_caffe()
    except ToolboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"milliseconds, {given.threads} threads; forward, and with a backward pass to the input")
    columns = ("Caffe", "cv2.dnn", "torch", "Caffe/", "cv2.dnn/", "Caffe", "torch", "Caffe/", "load, s")
    print(" " * 15 + "".join(f"{column:>10}" for column in columns))
    met = [report(name, measure(name, installation, given.threads, given.rounds)) for name in NETS]
    print(
        f"targets: forward {FORWARD_TARGET}× Caffe and {OPENCV_TARGET}× cv2.dnn, + backward {BACKWARD_TARGET}× Caffe; ",
        end="",
    )
    print("met" if all(met) else "missed")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
