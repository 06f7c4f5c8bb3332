"""The process that runs real Caffe: reads messages on stdin, answers on stdout, until stdin ends.

It is run as a file by the Python that has Caffe, which need not be the toolbox's: it imports nothing but the standard
library, NumPy and caffe. A message is the length of its JSON header (4 bytes, little endian), the header, then the
float32 arrays whose shapes the header lists. Caffe ends this process when a check of its own fails; what it prints goes
to stderr, which the toolbox keeps.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

import numpy as np


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], list[Any]] | None:
    """Return one message, or None at the end of the stream."""
    length = stream.read(4)
    if len(length) < 4:
        return None
    header = json.loads(stream.read(struct.unpack("<I", length)[0]).decode("utf-8"))
    return header, [_read_array(stream, shape) for shape in header["arrays"]]


def write_message(stream: BinaryIO, header: dict[str, Any], arrays: list[Any]) -> None:
    """Send one message."""
    text = json.dumps(dict(header, arrays=[list(array.shape) for array in arrays])).encode("utf-8")
    stream.write(struct.pack("<I", len(text)) + text)
    for array in arrays:
        stream.write(np.ascontiguousarray(array, "<f4").data.cast("B") if array.size else b"")
    stream.flush()


def _read_array(stream: BinaryIO, shape: list[int]) -> Any:
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(stream.read(4 * count), "<f4").reshape(shape)


class Worker:
    """One Caffe network and the commands that it understands: `setup`, `load`, `run`, `hash`."""

    def __init__(self) -> None:
        self.net: Any = None

    def setup(self, header: dict[str, Any], _arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Import Caffe; set the mode for this thread, the one that computes."""
        import caffe
        from caffe.proto import caffe_pb2

        if header["gpu"] is None:
            caffe.set_mode_cpu()
        else:
            caffe.set_mode_gpu()
            caffe.set_device(header["gpu"])
        pooling_fields = [field.name for field in caffe_pb2.PoolingParameter.DESCRIPTOR.fields]
        return {"version": getattr(caffe, "__version__", "unknown"), "pooling_fields": pooling_fields}, []

    def load(self, header: dict[str, Any], _arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Build the network; tell its layers (name, type, bottoms, tops as indices into the blobs) and its blobs."""
        import caffe

        self.net = caffe.Net(str(header["prototxt"]), caffe.TEST)
        if header["weights"]:
            self.net.copy_from(str(header["weights"]))
        net = self.net
        layers = [
            [name, layer.type, list(net._bottom_ids(i)), list(net._top_ids(i))]
            for i, (name, layer) in enumerate(zip(net._layer_names, net.layers))  # noqa: B905 (runs on older Pythons too)
        ]
        blobs = [[name, list(blob.shape)] for name, blob in zip(net._blob_names, net._blobs)]  # noqa: B905
        return {"layers": layers, "blobs": blobs}, []

    def hash(self, _header: dict[str, Any], _arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Return SHA-256 of all parameters."""
        digest = hashlib.sha256()
        for name, layer in zip(self.net._layer_names, self.net.layers):  # noqa: B905
            for blob in layer.blobs:
                digest.update(("%s %s" % (name, tuple(blob.shape))).encode("utf-8"))  # noqa: UP031
                digest.update(np.ascontiguousarray(blob.data).data.cast("B"))
        return {"hash": digest.hexdigest()}, []

    def run(self, header: dict[str, Any], arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Carry out `steps` in order; `set_*` take the arrays in order, `get_*` answer with copies in order."""
        given = iter(arrays)
        answers: list[Any] = []
        for name, *arguments in header["steps"]:
            step = getattr(self, "step_" + name)
            if name.startswith("set_"):
                step(*arguments, next(given))
            elif name.startswith("get_"):
                answers.append(step(*arguments))
            else:
                step(*arguments)
        return {}, answers

    def step_set_input(self, blob: int, values: Any) -> None:
        """Fill an input blob, after giving the whole network the batch's size."""
        target = self.net._blobs[blob]
        if tuple(target.shape) != values.shape:
            target.reshape(*values.shape)
            self.net.reshape()
        target.data[...] = values

    def step_set_diff(self, blob: int, values: Any) -> None:
        """Set a blob's diff to the next of the arrays."""
        diff = self.net._blobs[blob].diff
        diff[...] = values.reshape(diff.shape)

    def step_clear_diffs(self, blobs: list[int]) -> None:
        """Set the diffs of blobs to zero."""
        for blob in blobs:
            self.net._blobs[blob].diff[...] = 0

    def step_forward(self, first: int, last: int) -> None:
        """Run the layers `first` to `last` forward."""
        self.net._forward(first, last)

    def step_backward(self, first: int, last: int) -> None:
        """Run layers `first` down to `last`."""
        self.net._backward(first, last)

    def step_rectify_diff(self, top: int, bottom: int, is_guided: bool) -> None:
        """Stand in for a rectifier's backward pass: the positive part of the signal, guided: where it was on too."""
        above = self.net._blobs[top]
        signal = np.maximum(above.diff, 0)
        if is_guided:
            signal[~(above.data > 0)] = 0
        self.net._blobs[bottom].diff[...] = signal

    def step_copy_diff(self, top: int, bottom: int) -> None:
        """Stand in for a layer's backward pass: the signal as it is."""
        self.net._blobs[bottom].diff[...] = self.net._blobs[top].diff

    def step_get_data(self, blob: int) -> Any:
        """Copy a blob's values into the answer."""
        return self.net._blobs[blob].data.copy()

    def step_get_diff(self, blob: int) -> Any:
        """Copy a blob's diff into the answer."""
        return self.net._blobs[blob].diff.copy()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end. An exception is an answer too: `{"error": …}`."""
    commands = {"setup", "load", "hash", "run"}
    worker = Worker()
    while True:
        message = read_message(requests)
        if message is None:
            return
        header, arrays = message
        if header["command"] not in commands:
            raise ValueError("unknown command %s" % header["command"])  # noqa: UP031
        try:
            answer, results = getattr(worker, header["command"])(header, arrays)
        except (Exception, SystemExit) as error:
            answer, results = {"error": "%s: %s" % (type(error).__name__, error)}, []  # noqa: UP031
        write_message(answers, answer, results)


def main() -> None:
    """Keep stdout for answers alone: whatever else prints there goes to stderr."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path = [folder for folder in sys.path if os.path.abspath(folder) != here]  # noqa: PTH100 (caffe's imports, not ours)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the toolbox's to answer; then our stdin ends
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a failed check of Caffe's leaves no core file
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
