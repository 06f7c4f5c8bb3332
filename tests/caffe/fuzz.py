"""Feeds broken Caffe files to the reader: each must load or be refused with a `ToolboxError`, soon, in little memory.

python tests/caffe/fuzz.py --count 20000 --seed 1
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import h5py
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.layer_types import LAYER_TYPES
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening.mean_file import read_mean
from tests.caffe.graphs import build_graph

MAX_SECONDS = 5.0
MAX_BYTES = 1 << 30
RUNNABLE_VALUES = 1 << 20
"""Networks whose blobs have no more values than this are run too."""

NEWER = """
name: "seed" input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 group: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "conv1" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "slice" type: "Slice" bottom: "norm" top: "a" top: "b" slice_param { axis: 1 slice_point: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: -1 } }
layer { name: "cat" type: "Concat" bottom: "sum" bottom: "a" top: "cat" }
layer { name: "drop" type: "Dropout" bottom: "cat" top: "cat"
  dropout_param { dropout_ratio: 0.5 } include { phase: TEST } }
layer { name: "shape" type: "Reshape" bottom: "cat" top: "shape" reshape_param { shape { dim: 0 dim: -1 dim: 1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "cat" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" include { phase: TRAIN } }
"""

OLDER = """
name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 } }
layers { name: "relu" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool" type: POOLING bottom: "conv1" top: "pool"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""

FIRST = """
name: "first" input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layers { layer { name: "padding" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 3 stride: 2 } bottom: "padded" top: "conv1" }
layers { layer { name: "relu" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool" type: "pool" kernelsize: 3 stride: 2 pool: AVE pad: 1 } bottom: "conv1" top: "pool" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 } bottom: "pool" top: "fc" }
"""

PARAMETERS = {"conv1": [(4, 3, 3, 3), (4,)], "bn": [(4,), (4,), (1,)], "scale": [(4,), (4,)], "fc": [(5, 36), (5,)]}
OLD_PARAMETERS = {"conv1": [(4, 3, 3, 3), (1, 1, 1, 4)], "fc": [(1, 1, 5, 64), (1, 1, 1, 5)]}

HUGE = ["2147483647", "-2147483648", "4294967295", "9223372036854775807", "1e39", "1e309", "inf", "nan"]
NUMBERS = ["0", "-1", "1", "2", "7", "0.5", "-1e-39", "255", "65536", *HUGE]


@dataclass
class Tally:
    """How the files ended, and what must not have happened."""

    ends: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0


@dataclass(frozen=True)
class Seed:
    """A good pair of files, of which one is then broken."""

    prototxt: bytes
    weights: bytes


def seeds() -> list[Seed]:
    newer, older = NEWER.encode(), OLDER.encode()
    hdf5 = _hdf5_weights()
    return [
        Seed(newer, _newer_weights()),
        Seed(older, _older_weights()),
        Seed(FIRST.encode(), _older_weights()),
        Seed(newer, hdf5),
    ]


def _values(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1, shape).astype(np.float32)


def _newer_weights() -> bytes:
    net = formats.NetParameter(name="seed")
    for name, shapes in PARAMETERS.items():
        stored = net.layer.add(name=name, type="Convolution")
        for shape in shapes:
            blob = stored.blobs.add(data=_values(shape).ravel().tolist())
            blob.shape.dim.extend(shape)
    return net.SerializeToString()


def _older_weights() -> bytes:
    net = formats.NetParameter(name="old")
    for name, shapes in OLD_PARAMETERS.items():
        stored = net.layers.add(name=name)
        for shape in shapes:
            num, channels, height, width = (1,) * (4 - len(shape)) + shape
            data = _values(shape).ravel().tolist()
            stored.blobs.add(num=num, channels=channels, height=height, width=width, data=data)
    return net.SerializeToString()


def _hdf5_weights() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.caffemodel.h5"
        with h5py.File(path, "w") as file:
            for name, shapes in PARAMETERS.items():
                for index, shape in enumerate(shapes):
                    file[f"data/{name}/{index}"] = _values(shape)
        return path.read_bytes()


def flipped(content: bytes, dice: random.Random) -> bytes:
    """Some bits turned round."""
    changed = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 4, 16])):
        at = dice.randrange(len(changed))
        changed[at] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(content: bytes, dice: random.Random) -> bytes:
    """The end, the beginning or a piece taken out."""
    start, end = sorted(dice.randrange(len(content)) for _ in range(2))
    return dice.choice([content[:start], content[start:], content[:start] + content[end:]])


def grown(content: bytes, dice: random.Random) -> bytes:
    """Something put in: noise, or a piece of the file again, once or often."""
    at = dice.randrange(len(content))
    start, end = sorted(dice.randrange(len(content)) for _ in range(2))
    piece = dice.choice([dice.randbytes(dice.randrange(1, 64)), content[start:end] * dice.choice([1, 2, 20])])
    return content[:at] + piece + content[at:]


def nested(content: bytes, dice: random.Random) -> bytes:
    """The file, or a piece of it, inside itself: messages in messages, braces in braces."""
    at, depth = dice.randrange(len(content)), dice.choice([1, 2, 50, 5000])
    if b"{" in content and dice.random() < 0.7:
        opening = dice.choice([b"layer {", b"shape {", b"convolution_param {", b"{", b"[a.b/c] {"])
        return content[:at] + opening * depth + content[at:] + b"}" * dice.choice([0, depth])
    wrapped = content[:at]
    for _ in range(min(depth, 50)):
        wrapped = bytes([dice.choice([0xA2, 0x12, 0x3A])]) + _length(len(wrapped)) + wrapped
    return wrapped


def _length(size: int) -> bytes:
    encoded = bytearray()
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*encoded, size])


def reworded(content: bytes, dice: random.Random) -> bytes:
    """A text's numbers, types and names exchanged, its lines dropped, doubled or swapped."""
    text = content.decode("utf-8", "replace")
    for _ in range(dice.choice([1, 1, 2, 5])):
        text = dice.choice([_other_number, _other_type, _other_name, _other_lines])(text, dice)
    return text.encode()


def _replaced(text: str, pattern: str, replacement: str, dice: random.Random) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = dice.choice(found)
    return text[: match.start()] + replacement + text[match.end() :]


def _other_number(text: str, dice: random.Random) -> str:
    return _replaced(text, r"(?<=: )-?\d[\d.e-]*", dice.choice(NUMBERS), dice)


def _other_type(text: str, dice: random.Random) -> str:
    return _replaced(text, r'(?<=type: )"\w+"', f'"{dice.choice(sorted(LAYER_TYPES))}"', dice)


def _other_name(text: str, dice: random.Random) -> str:
    names = re.findall(r'"(\w*)"', text) or [""]
    return _replaced(text, r'"\w*"', f'"{dice.choice(names)}"', dice)


def _other_lines(text: str, dice: random.Random) -> str:
    lines = text.splitlines()
    if not lines:
        return text
    a, b = dice.randrange(len(lines)), dice.randrange(len(lines))
    change = dice.randrange(3)
    if change == 0:
        del lines[a]
    elif change == 1:
        lines.insert(b, lines[a])
    else:
        lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines)


BINARY_MUTATIONS = [flipped, cut, grown, nested]
TEXT_MUTATIONS = [*BINARY_MUTATIONS, reworded, reworded, reworded, reworded]


def fuzz(count: int | None, seconds: float | None, seed: int, folder: Path) -> Tally:
    """Tries `count` broken files, or as many as fit in `seconds`."""
    dice, tally = random.Random(seed), Tally()
    good = seeds()
    for pair in good:  # the seeds themselves must load
        _try(lambda pair=pair: _load(pair.prototxt, pair.weights, folder), tally, "a seed")  # type: ignore[misc]
    if tally.ends != {"loaded": len(good)}:
        raise RuntimeError(f"the seeds do not load: {tally}")
    end = time.monotonic() + (seconds or 1e9)
    tried = 0
    with _memory_limit():
        while tried < (count or sys.maxsize) and time.monotonic() < end:
            tried += 1
            _try_one(good, dice, tally, folder, f"file {tried} of seed {seed}")
    return tally


def _try_one(good: list[Seed], dice: random.Random, tally: Tally, folder: Path, label: str) -> None:
    pair, which = dice.choice(good), dice.random()
    if which < 0.55:
        prototxt = _mutated(pair.prototxt, TEXT_MUTATIONS, dice)
        _try(lambda: _load(prototxt, pair.weights, folder), tally, f"{label} (prototxt)")
    elif which < 0.95:
        weights = _mutated(pair.weights, BINARY_MUTATIONS, dice)
        _try(lambda: _load(pair.prototxt, weights, folder), tally, f"{label} (weights)")
    else:
        mean = _mutated(_mean_file(dice), BINARY_MUTATIONS, dice)
        (folder / "mean").write_bytes(mean)
        _try(lambda: read_mean(folder / "mean") is not None, tally, f"{label} (mean)")


def _mutated(content: bytes, mutations: list[Callable[[bytes, random.Random], bytes]], dice: random.Random) -> bytes:
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        content = dice.choice(mutations)(content, dice) if len(content) > 1 else content
    return content


def _mean_file(dice: random.Random) -> bytes:
    if dice.random() < 0.5:
        return formats.BlobProto(num=1, channels=3, height=4, width=4, data=[1.0] * 48).SerializeToString()
    with tempfile.TemporaryFile() as file:
        np.save(file, np.ones((3, 4, 4), np.float32))
        file.seek(0)
        return file.read()


def _load(prototxt: bytes, weights: bytes, folder: Path) -> None:
    (folder / "deploy.prototxt").write_bytes(prototxt)
    (folder / "weights").write_bytes(weights)
    graph = build_graph(folder / "deploy.prototxt", folder / "weights")
    shapes = graph.meta["blob_shapes"]
    if sum(int(np.prod(shape)) for shape in shapes.values()) <= RUNNABLE_VALUES:
        with torch.inference_mode():
            graph(torch.ones(1, *graph.meta["input_shape"]))


class _TooLongError(Exception):
    pass


def _try(load: Callable[[], object], tally: Tally, label: str) -> None:
    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLongError

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    started = time.process_time()
    try:
        load()
        tally.ends["loaded"] += 1
    except ToolboxError:
        tally.ends["refused"] += 1
    except _TooLongError:
        tally.failures.append(f"{label}: took more than {MAX_SECONDS} s")
    except BaseException:
        signal.setitimer(signal.ITIMER_REAL, 0)
        tally.failures.append(f"{label}: {traceback.format_exc()}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        tally.slowest = max(tally.slowest, time.process_time() - started)


class _memory_limit:  # noqa: N801
    """More address space than is used now plus `MAX_BYTES` is refused, which shows as a MemoryError."""

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_BYTES, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self.before)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = fuzz(arguments.count, None, arguments.seed, Path(folder))
    print(f"{dict(tally.ends)}, slowest {tally.slowest:.2f} s of processor time, {len(tally.failures)} failures")
    for failure in tally.failures[:20]:
        print(failure)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
