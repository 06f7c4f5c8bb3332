"""One case for each Caffe layer type: a random layer of the type, and what it must compute.

Most are compared with OpenCV's reader of Caffe files. A case gives its own `expected`, written in NumPy from Caffe's
definition, where OpenCV lacks the type or does something else; it says which.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.caffe.one_layer import Array

Draw = Callable[[st.SearchStrategy[Any]], Any]
Pair = tuple[int, int]


@dataclass
class Case:
    """`layers` read the blob `data` of the shape `shape`; the one called `under_test` has the parameters."""

    shape: tuple[int, ...]
    layers: str
    blobs: dict[str, list[Array]] = field(default_factory=dict)
    expected: Callable[[Array], Array] | None = None
    scale: float = 1.0
    positive: bool = False


CASES: dict[str, list[Callable[[Draw], Case]]] = {}


def case(layer_type: str) -> Callable[[Callable[[Draw], Case]], Callable[[Draw], Case]]:
    def register(make: Callable[[Draw], Case]) -> Callable[[Draw], Case]:
        CASES.setdefault(layer_type, []).append(make)
        return make

    return register


def layer(kind: str, more: str = "", bottoms: str = "data", tops: str = "out", name: str = "under_test") -> str:
    bottom = " ".join(f'bottom: "{blob}"' for blob in bottoms.split())
    top = " ".join(f'top: "{blob}"' for blob in tops.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottom} {top} {more} }}\n'


def random_array(draw: Draw, *shape: int) -> Array:
    seed = draw(st.integers(0, 1 << 16))
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def maps(draw: Draw, most_channels: int = 6, most: int = 9) -> tuple[int, int, int, int]:
    channels = draw(st.integers(1, most_channels))
    return 2, channels, draw(st.integers(3, most)), draw(st.integers(3, most))


def number(draw: Draw, low: float, high: float) -> float:
    return round(draw(st.floats(low, high)), 3)


def branch(name: str, scale: float) -> str:
    """A second blob, made from the input."""
    return layer("Power", f"power_param {{ scale: {scale} shift: 0.125 }}", tops=name, name=f"make_{name}")


def _window_fields(draw: Draw, height: int, width: int, padded: bool = True) -> tuple[str, tuple[int, int]]:
    kernel = (draw(st.integers(1, min(4, height))), draw(st.integers(1, min(4, width))))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    pad = (draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1))) if padded else (0, 0)
    text = f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]}"
    return f"{text} pad_h: {pad[0]} pad_w: {pad[1]}", kernel


@case("Convolution")
def convolution(draw: Draw) -> Case:
    group = draw(st.integers(1, 3))
    shape = (2, group * draw(st.integers(1, 3)), draw(st.integers(5, 9)), draw(st.integers(5, 9)))
    outputs = group * draw(st.integers(1, 3))
    window, kernel = _window_fields(draw, 3, 3)
    dilation, bias = draw(st.integers(1, 2)), draw(st.booleans())
    text = f"num_output: {outputs} group: {group} {window} dilation: {dilation} bias_term: {str(bias).lower()}"
    arrays = [random_array(draw, outputs, shape[1] // group, *kernel)] + [random_array(draw, outputs)] * bias
    return Case(shape, layer("Convolution", f"convolution_param {{ {text} }}"), {"under_test": arrays})


@case("Deconvolution")
def deconvolution(draw: Draw) -> Case:
    """In NumPy: OpenCV 4 mixes up the groups' weights."""
    group = draw(st.integers(1, 3))
    shape = (2, group * draw(st.integers(1, 3)), draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    outputs = group * draw(st.integers(1, 3))
    kernel, stride, pad = draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 1))
    weight, bias = random_array(draw, shape[1], outputs // group, kernel, kernel), random_array(draw, outputs)
    text = f"num_output: {outputs} group: {group} kernel_size: {kernel} stride: {stride} pad: {pad}"

    def expected(x: Array) -> Array:
        full = np.zeros((2, outputs, *(stride * (size - 1) + kernel for size in shape[2:])), np.float32)
        for channel, (row, column) in itertools.product(range(shape[1]), itertools.product(*map(range, shape[2:]))):
            first = channel // (shape[1] // group) * (outputs // group)
            values = x[:, channel, row, column, None, None, None] * weight[channel]
            rows, columns = (slice(stride * at, stride * at + kernel) for at in (row, column))
            full[:, first : first + outputs // group, rows, columns] += values
        height, width = full.shape[2:]
        return full[:, :, pad : height - pad, pad : width - pad] + bias[:, None, None]

    return Case(
        shape, layer("Deconvolution", f"convolution_param {{ {text} }}"), {"under_test": [weight, bias]}, expected
    )


@case("Pooling")
def max_pooling(draw: Draw) -> Case:
    return _pooling(draw, "MAX", lambda window, _: window.max())


@case("Pooling")
def average_pooling(draw: Draw) -> Case:
    return _pooling(draw, "AVE", lambda window, divisor: window.sum() / divisor)


@case("Pooling")
def stochastic_pooling(draw: Draw) -> Case:
    """OpenCV lacks it."""
    made = _pooling(draw, "STOCHASTIC", lambda window, _: np.square(window).sum() / window.sum(), padded=False)
    made.positive = True
    return made


def _pooling(draw: Draw, method: str, of_window: Callable[[Array, int], Any], padded: bool = True) -> Case:
    """In NumPy, from Caffe's definition: OpenCV counts and clips the padded windows of unequal sides differently."""
    shape = maps(draw)
    kernel = (draw(st.integers(2, 3)), draw(st.integers(2, 3)))
    stride = (draw(st.integers(1, kernel[0])), draw(st.integers(1, kernel[1])))
    pad = (draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1))) if padded else (0, 0)
    return _pooling_of(shape, method, of_window, kernel, stride, pad)


def _pooling_of(
    shape: tuple[int, ...], method: str, of_window: Callable[[Array, int], Any], kernel: Pair, stride: Pair, pad: Pair
) -> Case:
    text = f"pool: {method} kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]}"
    text += f" pad_h: {pad[0]} pad_w: {pad[1]}" if any(pad) else ""

    def counted(axis: int) -> int:
        count = math.ceil((shape[2 + axis] + 2 * pad[axis] - kernel[axis]) / stride[axis]) + 1
        beyond = (count - 1) * stride[axis] >= shape[2 + axis] + pad[axis]
        return count - 1 if any(pad) and beyond else count

    def expected(x: Array) -> Array:
        result = np.zeros((*shape[:2], counted(0), counted(1)), np.float32)
        for n, c, i, j in np.ndindex(*result.shape):
            start = [at * step - margin for at, step, margin in zip((i, j), stride, pad, strict=True)]
            end = [min(s + k, size + margin) for s, k, size, margin in zip(start, kernel, shape[2:], pad, strict=True)]
            divisor = (end[0] - start[0]) * (end[1] - start[1])
            rows, columns = (slice(max(s, 0), min(e, size)) for s, e, size in zip(start, end, shape[2:], strict=True))
            result[n, c, i, j] = of_window(x[n, c, rows, columns], divisor)
        return result

    return Case(shape, layer("Pooling", f"pooling_param {{ {text} }}"), expected=expected)


@case("Pooling")
def pooling_padded_along_one_axis(draw: Draw) -> Case:
    """As soon as either axis is padded, Caffe drops windows outside the image along both."""
    shape = (2, 3, draw(st.integers(5, 9)), 2 * draw(st.integers(2, 4)))
    method = draw(st.sampled_from(["MAX", "AVE"]))
    of_window: Callable[[Array, int], Any] = (
        (lambda window, _: window.max()) if method == "MAX" else (lambda window, divisor: window.sum() / divisor)
    )
    return _pooling_of(shape, method, of_window, (3, 1), (2, 2), (draw(st.integers(1, 2)), 0))


@case("Pooling")
def square_pooling(draw: Draw) -> Case:
    method, kernel = draw(st.sampled_from(["MAX", "AVE"])), draw(st.integers(2, 3))
    text = f"pool: {method} kernel_size: {kernel} stride: {draw(st.integers(1, 2))}"
    return Case(maps(draw), layer("Pooling", f"pooling_param {{ {text} }}"))


@case("Pooling")
def global_pooling(draw: Draw) -> Case:
    method = draw(st.sampled_from(["MAX", "AVE"]))
    return Case(maps(draw), layer("Pooling", f"pooling_param {{ pool: {method} global_pooling: true }}"))


@case("ReLU")
def relu(draw: Draw) -> Case:
    slope = draw(st.sampled_from([0, 0.1, 0.25]))
    return Case(maps(draw), layer("ReLU", f"relu_param {{ negative_slope: {slope} }}"))


@case("PReLU")
def prelu(draw: Draw) -> Case:
    shape = maps(draw)
    shared = draw(st.booleans())
    slopes = random_array(draw, *(() if shared else shape[1:2]))
    text = layer("PReLU", f"prelu_param {{ channel_shared: {str(shared).lower()} }}")
    if not shared:
        return Case(shape, text, {"under_test": [slopes]})
    return Case(shape, text, {"under_test": [slopes]}, lambda x: np.where(x > 0, x, x * slopes))  # OpenCV: by channel


@case("ELU")
def elu(draw: Draw) -> Case:
    """OpenCV takes only alpha 1 from Caffe files."""
    alpha = number(draw, 0.1, 2)
    expected: Callable[[Array], Array] = lambda x: np.where(x > 0, x, alpha * np.expm1(x))  # noqa: E731
    return Case(maps(draw), layer("ELU", f"elu_param {{ alpha: {alpha} }}"), expected=expected)


@case("ReLU6")
def relu6(draw: Draw) -> Case:
    return Case(maps(draw), layer("ReLU6"), scale=5, expected=lambda x: np.clip(x, 0, 6))


@case("Clip")
def clip(draw: Draw) -> Case:
    """From Caffe's definition: OpenCV's reader lacks it."""
    low, high = draw(st.sampled_from([(0, 6), (0, 1), (-1, 1), (-0.5, 2)]))
    text = layer("Clip", f"clip_param {{ min: {low} max: {high} }}")
    return Case(maps(draw), text, scale=4, expected=lambda x: np.clip(x, low, high))


@case("Swish")
def swish(draw: Draw) -> Case:
    """From Caffe's definition: OpenCV's reader lacks it."""
    beta = draw(st.sampled_from([1, 1.702, 0.5]))
    text = layer("Swish", f"swish_param {{ beta: {beta} }}")
    return Case(maps(draw), text, expected=lambda x: x / (1 + np.exp(-np.float64(beta) * x)))


@case("Axpy")
def axpy(draw: Draw) -> Case:
    """From its authors' definition: OpenCV and stock Caffe lack it."""
    pool = layer("Pooling", "pooling_param { pool: AVE global_pooling: true }", tops="factor", name="factor")
    text = pool + branch("other", 0.5) + layer("Axpy", bottoms="factor data other")
    return Case(maps(draw), text, expected=lambda x: x.mean((2, 3), keepdims=True) * x + (0.5 * x + 0.125))


@case("DepthwiseConvolution")
def depthwise_convolution(draw: Draw) -> Case:
    """Against the sum over the window of each channel alone."""
    shape = maps(draw)
    weights, bias = random_array(draw, shape[1], 1, 3, 3), random_array(draw, shape[1])
    fields = f"num_output: {shape[1]} group: {shape[1]} kernel_size: 3"

    def expected(x: Array) -> Array:
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
        return np.einsum("nchwij,cij->nchw", windows, weights[:, 0]) + bias[:, None, None]

    text = layer("DepthwiseConvolution", f"convolution_param {{ {fields} }}")
    return Case(shape, text, {"under_test": [weights, bias]}, expected)


@case("Sigmoid")
def sigmoid(draw: Draw) -> Case:
    return Case(maps(draw), layer("Sigmoid"), scale=3)


@case("TanH")
def tanh(draw: Draw) -> Case:
    return Case(maps(draw), layer("TanH"), scale=3)


@case("BNLL")
def bnll(draw: Draw) -> Case:
    return Case(maps(draw), layer("BNLL"), scale=5)


@case("AbsVal")
def absval(draw: Draw) -> Case:
    return Case(maps(draw), layer("AbsVal"))


@case("Threshold")
def threshold(draw: Draw) -> Case:
    """OpenCV lacks it."""
    level = number(draw, -1, 1)
    expected: Callable[[Array], Array] = lambda x: (x > np.float32(level)).astype("f4")  # noqa: E731
    return Case(maps(draw), layer("Threshold", f"threshold_param {{ threshold: {level} }}"), expected=expected)


@case("Power")
def power(draw: Draw) -> Case:
    exponent, scale, shift = draw(st.sampled_from([1, 2, 3])), number(draw, -2, 2), number(draw, -1, 1)
    return Case(maps(draw), layer("Power", f"power_param {{ power: {exponent} scale: {scale} shift: {shift} }}"))


@case("Exp")
def exponential(draw: Draw) -> Case:
    base, scale, shift = draw(st.sampled_from([-1, 2, 0.5])), number(draw, -1, 1), number(draw, -1, 1)
    return Case(maps(draw), layer("Exp", f"exp_param {{ base: {base} scale: {scale} shift: {shift} }}"))


@case("Log")
def logarithm(draw: Draw) -> Case:
    """OpenCV lacks it."""
    base, scale, shift = draw(st.sampled_from([-1, 2, 10])), number(draw, 0.5, 2), number(draw, 0.1, 1)
    divisor = 1 if base == -1 else math.log(base)
    text = layer("Log", f"log_param {{ base: {base} scale: {scale} shift: {shift} }}")
    return Case(maps(draw), text, expected=lambda x: np.log(shift + scale * x) / divisor, positive=True)


@case("LRN")
def lrn(draw: Draw) -> Case:
    size, beta = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([0.75, 0.5, 1.0]))
    text = f"local_size: {size} alpha: {number(draw, 0.1, 2)} beta: {beta}"
    return Case(maps(draw, most_channels=9), layer("LRN", f"lrn_param {{ {text} }}"))


@case("LRN")
def lrn_with_k(draw: Draw) -> Case:
    """In NumPy: OpenCV ignores `k`."""
    size, alpha, k = draw(st.sampled_from([1, 3, 5])), number(draw, 0.1, 2), draw(st.sampled_from([0.5, 2]))

    def expected(x: Array) -> Array:
        half, channels = size // 2, x.shape[1]
        squares = np.pad(x * x, ((0, 0), (half, half), (0, 0), (0, 0)))
        return x * (k + alpha / size * sum(squares[:, i : i + channels] for i in range(size))) ** -0.75

    text = layer("LRN", f"lrn_param {{ local_size: {size} alpha: {alpha} k: {k} }}")
    return Case(maps(draw, most_channels=9), text, expected=expected)


@case("LRN")
def lrn_within_channel(draw: Draw) -> Case:
    """In NumPy: OpenCV divides by the part of the window that lies in the image."""
    size, alpha, beta = draw(st.sampled_from([1, 3, 5])), number(draw, 0.1, 2), 0.75
    text = f"local_size: {size} alpha: {alpha} beta: {beta} norm_region: WITHIN_CHANNEL"

    def expected(x: Array) -> Array:
        half = size // 2
        squares = np.pad(x * x, ((0, 0), (0, 0), (half, half), (half, half)))
        height, width = x.shape[2:]
        shifts = itertools.product(range(size), repeat=2)
        total = sum(squares[:, :, i : i + height, j : j + width] for i, j in shifts)
        return x * (1 + alpha * total / size**2) ** -beta

    return Case(maps(draw), layer("LRN", f"lrn_param {{ {text} }}"), expected=expected)


@case("InnerProduct")
def inner_product(draw: Draw) -> Case:
    shape, outputs, bias = maps(draw), draw(st.integers(1, 5)), draw(st.booleans())
    arrays = [random_array(draw, outputs, math.prod(shape[1:]))] + [random_array(draw, outputs)] * bias
    text = f"inner_product_param {{ num_output: {outputs} bias_term: {str(bias).lower()} }}"
    return Case(shape, layer("InnerProduct", text), {"under_test": arrays})


@case("InnerProduct")
def inner_product_of_last_axes(draw: Draw) -> Case:
    """In NumPy: OpenCV reads `transpose` otherwise."""
    shape, outputs, axis, transposed = maps(draw), draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.booleans())
    weight, bias = random_array(draw, outputs, math.prod(shape[axis:])), random_array(draw, outputs)
    text = f"num_output: {outputs} axis: {draw(st.sampled_from([axis, axis - 4]))} transpose: {str(transposed).lower()}"
    stored = np.ascontiguousarray(weight.T) if transposed else weight
    made = Case(shape, layer("InnerProduct", f"inner_product_param {{ {text} }}"), {"under_test": [stored, bias]})
    made.expected = lambda x: x.reshape(*shape[:axis], -1) @ weight.T + bias
    return made


@case("Dropout")
def dropout(draw: Draw) -> Case:
    return Case(maps(draw), layer("Dropout", "dropout_param { dropout_ratio: 0.3 }"))


@case("Split")
def split(draw: Draw) -> Case:
    return Case(maps(draw), layer("Split", tops="a b") + layer("Eltwise", bottoms="a b", name="sum"))


@case("Silence")
def silence(draw: Draw) -> Case:
    """OpenCV lacks it; what is silenced is computed all the same."""
    text = layer("AbsVal", tops="out", name="abs") + layer("ReLU", tops="unread", name="relu")
    return Case(maps(draw), text + layer("Silence", bottoms="unread", tops=""), expected=np.abs)


@case("Softmax")
def softmax(draw: Draw) -> Case:
    axis = draw(st.sampled_from([1, 2, 3, -1]))
    return Case(maps(draw), layer("Softmax", f"softmax_param {{ axis: {axis} }}"), scale=3)


@case("ArgMax")
def argmax(draw: Draw) -> Case:
    """OpenCV lacks it."""
    shape, k = maps(draw), draw(st.integers(1, 3))
    values, over = draw(st.booleans()), draw(st.sampled_from([None, 2, 3]))

    def expected(x: Array) -> Array:
        if over is not None:
            order = np.flip(np.argsort(x, over), over).take(range(k), over)
            return np.take_along_axis(x, order, over) if values else order.astype("f4")
        flat = x.reshape(2, -1)
        order = np.flip(np.argsort(flat, 1), 1)[:, :k]
        rows = [order.astype("f4"), np.take_along_axis(flat, order, 1)]
        return np.stack(rows if values else rows[:1], 1)[..., None]

    text = f"top_k: {k} out_max_val: {str(values).lower()}" + (f" axis: {over}" if over is not None else "")
    return Case(shape, layer("ArgMax", f"argmax_param {{ {text} }}"), expected=expected)


@case("Concat")
def concat(draw: Draw) -> Case:
    axis = draw(st.sampled_from(["axis: 1", "axis: 2", "axis: -1", "concat_dim: 1", ""]))
    text = branch("b", -0.5) + layer("Concat", f"concat_param {{ {axis} }}", "data b data")
    return Case(maps(draw), text)


@case("Slice")
def slice_points(draw: Draw) -> Case:
    """The parts are joined again in another order, so that one output shows all of them."""
    shape = (2, draw(st.integers(3, 7)), 4, 5)
    first = draw(st.integers(1, shape[1] - 2))
    points = f"slice_point: {first} slice_point: {draw(st.integers(first + 1, shape[1] - 1))}"
    text = layer("Slice", f"slice_param {{ axis: 1 {points} }}", tops="a b c")
    return Case(shape, text + layer("Concat", bottoms="c a b", name="joined"))


@case("Slice")
def slice_evenly(draw: Draw) -> Case:
    axis = draw(st.integers(1, 3))
    shape = [2, 3, 4, 5]
    shape[axis] = 6
    text = layer("Slice", f"slice_param {{ axis: {axis} }}", tops="a b c")
    joined = layer("Concat", f"concat_param {{ axis: {axis} }}", "c a b", name="joined")
    return Case(tuple(shape), text + joined)


@case("Eltwise")
def eltwise(draw: Draw) -> Case:
    kind = draw(st.sampled_from(["SUM", "PROD", "MAX"]))
    weights = (
        " ".join(f"coeff: {number(draw, -2, 2)}" for _ in range(3)) if kind == "SUM" and draw(st.booleans()) else ""
    )
    text = (
        branch("b", -0.5)
        + branch("c", 2)
        + layer("Eltwise", f"eltwise_param {{ operation: {kind} {weights} }}", "data b c")
    )
    return Case(maps(draw), text)


@case("BatchNorm")
def batch_norm(draw: Draw) -> Case:
    shape = maps(draw)
    factor = np.array([draw(st.sampled_from([1.0, 0.5, 37.5]))], np.float32)
    mean, variance = random_array(draw, shape[1]), np.abs(random_array(draw, shape[1])) + 0.1
    eps = draw(st.sampled_from([1e-5, 1e-2, 0]))
    arrays = [mean * factor, (variance * factor).astype("f4"), factor]
    return Case(shape, layer("BatchNorm", f"batch_norm_param {{ eps: {eps} }}"), {"under_test": arrays})


@case("Scale")
def scale_by_channel(draw: Draw) -> Case:
    shape, bias = maps(draw), draw(st.booleans())
    arrays = [random_array(draw, shape[1]) for _ in range(1 + bias)]
    return Case(shape, layer("Scale", f"scale_param {{ bias_term: {str(bias).lower()} }}"), {"under_test": arrays})


@case("Scale")
def scale_along_axes(draw: Draw) -> Case:
    """In NumPy: OpenCV takes no `num_axes`."""
    shape, first = maps(draw), draw(st.integers(1, 3))
    axes = draw(st.sampled_from([count for count in (-1, 0, 1, 2) if count <= 4 - first]))
    covered = () if axes == 0 else shape[first:] if axes == -1 else shape[first : first + axes]
    scale, bias = random_array(draw, *covered), random_array(draw, *covered)
    spread = (*covered, *(1,) * (4 - first - len(covered))) if covered else ()
    made = Case(shape, layer("Scale", f"scale_param {{ axis: {first} num_axes: {axes} bias_term: true }}"))
    made.blobs = {"under_test": [scale, bias]}
    made.expected = lambda x: x * scale.reshape(spread) + bias.reshape(spread)
    return made


@case("Scale")
def scale_by_blob(draw: Draw) -> Case:
    """As in squeeze-and-excitation networks; in NumPy: OpenCV takes the second blob's axes otherwise."""
    pool = layer("Pooling", "pooling_param { pool: AVE global_pooling: true }", tops="mean", name="pool")
    flat = layer("Flatten", bottoms="mean", tops="flat", name="flatten")
    text = pool + flat + layer("Scale", "scale_param { axis: 0 }", "data flat")
    return Case(maps(draw), text, expected=lambda x: x * x.mean((2, 3), keepdims=True))


@case("Bias")
def bias(draw: Draw) -> Case:
    """OpenCV lacks it."""
    shape, axes = maps(draw), draw(st.sampled_from([1, 2, -1]))
    values = random_array(draw, *shape[1 : 1 + axes] if axes > 0 else shape[1:])
    spread = (*values.shape, *(1,) * (3 - values.ndim))
    text = layer("Bias", f"bias_param {{ num_axes: {axes} }}")
    return Case(shape, text, {"under_test": [values]}, lambda x: x + values.reshape(spread))


@case("Flatten")
def flatten(draw: Draw) -> Case:
    first = draw(st.integers(1, 3))
    last = draw(st.sampled_from([*range(first, 4), -1]))
    return Case(maps(draw), layer("Flatten", f"flatten_param {{ axis: {first} end_axis: {last} }}"))


@case("Reshape")
def reshape(draw: Draw) -> Case:
    shape = (2, 4, draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    dims = draw(st.sampled_from(["0 2 -1 0", "0 -1", "0 0 -1", "0 2 2 -1", "0 -1 0 1"]))
    fields = " ".join(f"dim: {dim}" for dim in dims.split())
    made = Case(shape, layer("Reshape", f"reshape_param {{ shape {{ {fields} }} }}"))
    if dims in ("0 2 2 -1", "0 -1 0 1"):
        copied = {"0 2 2 -1": (2, 2, 2, -1), "0 -1 0 1": (2, -1, shape[2], 1)}[dims]
        made.expected = lambda x: x.reshape(copied)
    return made


@case("Crop")
def crop(draw: Draw) -> Case:
    shape = (2, 2, draw(st.integers(6, 9)), draw(st.integers(6, 9)))
    pooled = layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }", tops="size", name="pool")
    offsets = f"offset: {draw(st.integers(0, 2))} offset: {draw(st.integers(0, 2))}"
    return Case(shape, pooled + layer("Crop", f"crop_param {{ axis: 2 {offsets} }}", "data size"))


@case("MVN")
def mvn(draw: Draw) -> Case:
    """In NumPy: OpenCV adds eps to the variance, Caffe to the standard deviation."""
    across, divides = draw(st.booleans()), draw(st.booleans())
    eps = draw(st.sampled_from([1e-9, 1e-2]))
    axes = (1, 2, 3) if across else (2, 3)

    def expected(x: Array) -> Array:
        centred = x - x.mean(axes, keepdims=True)
        return centred / (x.std(axes, keepdims=True) + eps) if divides else centred

    text = f"across_channels: {str(across).lower()} normalize_variance: {str(divides).lower()} eps: {eps}"
    return Case(maps(draw), layer("MVN", f"mvn_param {{ {text} }}"), expected=expected)


@case("MVN")
def mvn_of_single_numbers(draw: Draw) -> Case:
    """Caffe gives them as maps of 1×1."""

    def expected(x: Array) -> Array:
        flat = x.reshape(2, -1, 1, 1)
        return (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)

    flatten = layer("Flatten", tops="flat", name="flatten")
    return Case(
        maps(draw), flatten + layer("MVN", "mvn_param { across_channels: true }", bottoms="flat"), expected=expected
    )


@case("Normalize")
def normalize(draw: Draw) -> Case:
    shape, spatial, shared = maps(draw), draw(st.booleans()), draw(st.booleans())
    scale = random_array(draw, *(() if shared else shape[1:2]))
    axes = (1, 2, 3) if spatial else (1,)
    text = f"across_spatial: {str(spatial).lower()} channel_shared: {str(shared).lower()}"
    made = Case(shape, layer("Normalize", f"norm_param {{ {text} }}"), {"under_test": [scale]})
    if shared or spatial:  # OpenCV knows one scale for each channel, at each place alone
        spread = scale.reshape(() if shared else (-1, 1, 1))
        made.expected = lambda x: x / np.sqrt(np.square(x).sum(axes, keepdims=True) + 1e-10) * spread
    return made


@case("Permute")
def permute(draw: Draw) -> Case:
    order = " ".join(f"order: {axis}" for axis in (0, *draw(st.permutations([1, 2, 3]))))
    return Case(maps(draw), layer("Permute", f"permute_param {{ {order} }}"))


@case("Tile")
def tile(draw: Draw) -> Case:
    """In NumPy: OpenCV's reader lacks it."""
    axis, copies = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    text = layer("Tile", f"tile_param {{ axis: {axis} tiles: {copies} }}")
    return Case(maps(draw), text, expected=lambda x: np.concatenate([x] * copies, axis))


@case("Reduction")
def reduction(draw: Draw) -> Case:
    """In NumPy: OpenCV keeps the reduced axes."""
    shape, axis, coefficient = maps(draw), draw(st.integers(0, 3)), number(draw, 0.5, 2)
    first = max(axis, 1)  # 0 would add up the images of a batch
    kind = draw(st.sampled_from(["SUM", "ASUM", "SUMSQ", "MEAN"]))
    value = {
        "SUM": np.sum,
        "MEAN": np.mean,
        "ASUM": lambda x, a: np.abs(x).sum(a),
        "SUMSQ": lambda x, a: (x * x).sum(a),
    }
    text = layer("Reduction", f"reduction_param {{ operation: {kind} axis: {axis} coeff: {coefficient} }}")
    axes = tuple(range(first, 4))
    made = Case(shape, text)
    made.expected = lambda x: (value[kind](x, axes) * coefficient).reshape(2, *(shape[1:first] or (1,)))  # type: ignore[operator]
    return made
