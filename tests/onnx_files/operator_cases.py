"""For each operator a way to draw nodes with it, with attributes as exporters write them and as they may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

Array = NDArray[Any]
SHAPE = (3, 8, 9)


@dataclass
class Case:
    """Nodes that read `image` (N, 3, 8, 9) and give `y`."""

    nodes: list[onnx.NodeProto]
    constants: Mapping[str, Array] = field(default_factory=dict)
    opset: int = 17


class Drawing:
    """Draws what a case is made of."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def whole(self, low: int, high: int) -> int:
        found: int = self.draw(st.integers(low, high))
        return found

    def array(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Array:
        dice = np.random.default_rng(self.whole(0, 10**6))
        return dice.uniform(low, high, shape).astype(np.float32)


Make = Callable[[Drawing], Case]
CASES: dict[str, Make] = {}


def case(*names: str) -> Callable[[Callable[[Drawing, str], Case]], Callable[[Drawing, str], Case]]:
    def enter(make: Callable[[Drawing, str], Case]) -> Callable[[Drawing, str], Case]:
        for name in names:
            CASES[name] = lambda drawing, name=name: make(drawing, name)  # type: ignore[misc]
        return make

    return enter


def node(name: str, *inputs: str, output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(name, list(inputs), [output], **{k: v for k, v in attributes.items() if v is not None})


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def to_float(name: str = "found") -> onnx.NodeProto:
    return node("Cast", name, to=TensorProto.FLOAT)


@case("Abs", "Neg", "Exp", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh",
      "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "HardSwish", "Identity", "Reciprocal")  # fmt: skip
def plain(_: Drawing, name: str) -> Case:
    return Case([node(name, "image")])


@case("Mish")
def plain_of_18(_: Drawing, name: str) -> Case:
    return Case([node(name, "image")], opset=18)


@case("Sqrt", "Log")
def of_positive_numbers(_: Drawing, name: str) -> Case:
    return Case([node("Abs", "image", output="found"), node(name, "found")])


@case("Asin", "Acos", "Atanh")
def of_small_numbers(_: Drawing, name: str) -> Case:
    return Case([node("Mul", "image", "small", output="found"), node(name, "found")], {"small": np.float32(0.15)})


@case("Acosh")
def of_large_numbers(_: Drawing, name: str) -> Case:
    nodes = [node("Abs", "image", output="far"), node("Add", "far", "one", output="found"), node(name, "found")]
    return Case(nodes, {"one": np.float32(1.5)})


@case("LeakyRelu", "Elu", "Celu", "ThresholdedRelu")
def with_alpha(drawing: Drawing, name: str) -> Case:
    return Case([node(name, "image", alpha=drawing.one_of(None, 0.3, 1.0, 1.7))])


@case("Selu")
def selu(drawing: Drawing, name: str) -> Case:
    return Case([node(name, "image", alpha=drawing.one_of(None, 1.2), gamma=drawing.one_of(None, 0.7))])


@case("HardSigmoid")
def hard_sigmoid(drawing: Drawing, name: str) -> Case:
    return Case([node(name, "image", alpha=drawing.one_of(None, 1 / 6, 0.3), beta=drawing.one_of(None, 0.5, 0.4))])


@case("Gelu")
def gelu(drawing: Drawing, name: str) -> Case:
    return Case([node(name, "image", approximate=drawing.one_of(None, "tanh"))], opset=20)


@case("Shrink")
def shrink(drawing: Drawing, name: str) -> Case:
    return Case([node(name, "image", lambd=drawing.one_of(None, 0.2), bias=drawing.one_of(None, 0.1))])


@case("PRelu")
def prelu(drawing: Drawing, name: str) -> Case:
    shape = drawing.one_of((3, 1, 1), (1,), (1, 3, 1, 1), (3, 8, 9), (9,))
    return Case([node(name, "image", "slope")], {"slope": drawing.array(*shape)})


def _or_none(number: float | None) -> float | None:
    return None if number is None else float(number)


@case("Clip")
def clip(drawing: Drawing, name: str) -> Case:
    low, high = drawing.one_of((0, 6), (0, None), (-1, 1), (None, 0.5), (0, 2), (-0.5, None))
    if drawing.one_of(True, False):
        return Case([node(name, "image", min=_or_none(low), max=_or_none(high))], opset=9)
    given = {"low": low, "high": high}
    constants = {key: np.float32(value) for key, value in given.items() if value is not None}
    return Case([node(name, "image", *(key if key in constants else "" for key in given))], constants)


@case("Softmax", "LogSoftmax", "Hardmax")
def over_an_axis(drawing: Drawing, name: str) -> Case:
    opset = drawing.one_of(9, 13) if name != "Hardmax" else 13
    axis = drawing.one_of(None, 1, 2, 3) if opset == 9 else drawing.one_of(None, 1, -1, 2)
    return Case([node(name, "image", axis=axis)], opset=opset)


@case("Add", "Sub", "Mul", "Div", "Mod", "Pow", "Max", "Min", "Sum", "Mean")
def of_two(drawing: Drawing, name: str) -> Case:
    shape = drawing.one_of((), (1,), (3, 1, 1), (1, 3, 1, 1), (3, 8, 9), (9,), (8, 1))
    other = drawing.array(*shape, low=0.5, high=1.5)
    if name == "Pow":
        other = drawing.one_of(np.float32(2), np.float32(0.5), other)
        return Case([node("Abs", "image", output="found"), node(name, "found", "b")], {"b": other})
    turned = drawing.one_of(True, False) and name != "Mod"
    if name == "Div" and turned:
        return Case([node("Exp", "image", output="found"), node(name, "b", "found")], {"b": other})
    return Case(
        [node(name, *(("b", "image") if turned else ("image", "b")), fmod=1 if name == "Mod" else None)], {"b": other}
    )


@case("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def compared(drawing: Drawing, name: str) -> Case:
    nodes = [node("Round", "image", output="near"), node(name, "near", "b", output="found"), to_float()]
    return Case(nodes, {"b": np.round(drawing.array(3, 1, 1, low=-2, high=2))})


@case("And", "Or", "Xor", "Not", "IsInf", "IsNaN")
def truth(drawing: Drawing, name: str) -> Case:
    nodes = [node("Greater", "image", "zero", output="a"), node("Less", "image", "one", output="b")]
    given = {"zero": np.float32(0), "one": np.float32(1)}
    if name == "Not":
        return Case([*nodes, node(name, "a", output="found"), to_float()], given)
    if name.startswith("Is"):
        options = {"detect_negative": drawing.one_of(0, 1), "detect_positive": drawing.one_of(0, 1)}
        nodes = [node("Relu", "image", output="off"), node("Div", "image", "off", output="c")]
        return Case([*nodes, node(name, "c", output="found", **(options if name == "IsInf" else {})), to_float()])
    return Case([*nodes, node(name, "a", "b", output="found"), to_float()], given)


@case("Where")
def where(drawing: Drawing, name: str) -> Case:
    order = drawing.one_of(("image", "b"), ("b", "image"), ("b", "c"))
    constants = {
        "zero": np.float32(0),
        "b": drawing.one_of(np.float32(-1), drawing.array(3, 1, 1)),
        "c": drawing.array(9),
    }
    return Case([node("Greater", "image", "zero", output="up"), node(name, "up", *order)], constants)


@case("Dropout", "Cast", "CastLike")
def unchanged(drawing: Drawing, name: str) -> Case:
    if name == "Dropout":
        return Case([node(name, "image")], opset=drawing.one_of(9, 13))
    last = node("Cast", "found", to=TensorProto.FLOAT)
    if name == "CastLike":
        return Case([node(name, "image", "like", output="found"), last], {"like": ints(3)})
    kind = drawing.one_of(TensorProto.INT32, TensorProto.BOOL, TensorProto.INT64, TensorProto.FLOAT)
    return Case([node(name, "image", output="found", to=kind), last])


@case("MatMul")
def product(drawing: Drawing, name: str) -> Case:
    if drawing.one_of(True, False):
        return Case([node(name, "image", "w")], {"w": drawing.array(9, 4)})
    turned = node("Transpose", "image", output="turned", perm=[0, 1, 3, 2])
    return Case([turned, node(name, *drawing.one_of(("image", "turned"), ("turned", "image")))])


@case("Gemm")
def gemm(drawing: Drawing, name: str) -> Case:
    turned, shape = drawing.one_of(0, 1), drawing.one_of((5,), (1, 5), (1,), ())
    weight = drawing.array(5, 216) if turned else drawing.array(216, 5)
    flat = node("Flatten", "image", output="flat")
    options = {"alpha": drawing.one_of(None, 0.5), "beta": drawing.one_of(None, 2.0), "transB": turned}
    return Case([flat, node(name, "flat", "w", "c", **options)], {"w": weight, "c": drawing.array(*shape)})


@case("Einsum")
def einsum(drawing: Drawing, name: str) -> Case:
    equation = drawing.one_of("nchw,wk->nchk", "nchw, kc -> nkhw", "nchw,wk->nk")
    shape = (4, 3) if "kc" in equation else (9, 4)
    return Case([node(name, "image", "w", equation=equation)], {"w": drawing.array(*shape)})


def _window(drawing: Drawing) -> dict[str, Any]:
    kernel = [drawing.whole(1, 4), drawing.whole(1, 4)]
    strides = drawing.one_of(None, [1, 1], [min(2, kernel[0]), 1], kernel)
    automatic = drawing.one_of(None, None, "SAME_UPPER", "SAME_LOWER", "VALID")
    pads = None if automatic else drawing.one_of(None, *[[drawing.whole(0, size - 1) for size in kernel * 2]] * 3)
    return {"kernel_shape": kernel, "strides": strides, "auto_pad": automatic, "pads": pads}


@case("Conv")
def convolution(drawing: Drawing, name: str) -> Case:
    window, groups = _window(drawing), drawing.one_of(1, 3)
    weight = drawing.array(6, 3 // groups, *window["kernel_shape"])
    dilations = None if window["auto_pad"] else drawing.one_of(None, [1, 2])
    names = ["w", "b"][: drawing.one_of(1, 2)]
    constants = {"w": weight, "b": drawing.array(6)}
    return Case([node(name, "image", *names, group=groups, dilations=dilations, **window)], constants)


@case("ConvTranspose")
def transposed(drawing: Drawing, name: str) -> Case:
    kernel, strides, groups = [3, drawing.whole(2, 4)], drawing.one_of([1, 1], [2, 2], [3, 2]), drawing.one_of(1, 3)
    way = drawing.one_of({}, {"pads": [1, 0, 1, 1]}, {"pads": [1, 1, 1, 1]}, {"pads": [0, 1, 2, 0]},
                         {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"})  # fmt: skip
    more = drawing.one_of(None, [s - 1 for s in strides]) if "pads" in way else None
    constants = {"w": drawing.array(3, 2, *kernel), "b": drawing.array(2 * groups)}
    options = {"strides": strides, "group": groups, "output_padding": more, **way}
    return Case([node(name, "image", "w", "b", kernel_shape=kernel, **options)], constants)


@case("MaxPool", "AveragePool", "LpPool")
def pooling(drawing: Drawing, name: str) -> Case:
    window = _window(drawing)
    rounds_up = None if window["auto_pad"] or name == "LpPool" else drawing.one_of(None, 0, 1)
    counts = drawing.one_of(None, 1) if name == "AveragePool" else None
    opset = 19 if rounds_up else 12
    return Case([node(name, "image", ceil_mode=rounds_up, count_include_pad=counts, **window)], opset=opset)


@case("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pooling(drawing: Drawing, name: str) -> Case:
    if drawing.one_of(True, False):
        return Case([node(name, "image")])
    return Case([node("Reshape", "image", "flat", output="rows"), node(name, "rows")], {"flat": ints(0, 3, -1)})


@case("BatchNormalization")
def batch_norm(drawing: Drawing, name: str) -> Case:
    constants = {key: drawing.array(3, low=0.3) for key in "abcd"}
    return Case([node(name, "image", *"abcd", epsilon=drawing.one_of(None, 1e-3))], constants, drawing.one_of(9, 15))


@case("InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization")
def norms(drawing: Drawing, name: str) -> Case:
    epsilon = drawing.one_of(None, 1e-3)
    if name == "LayerNormalization":
        axis = drawing.one_of(-1, -2, 1, 3)
        shape = SHAPE[axis - 1 if axis > 0 else axis :]
        names = drawing.one_of(["a"], ["a", "b"])
        constants = {key: drawing.array(*shape) for key in "ab"}
        return Case([node(name, "image", *names, axis=axis, epsilon=epsilon)], constants)
    if name == "RMSNormalization":
        return Case([node(name, "image", "a", epsilon=epsilon)], {"a": drawing.array(9)}, 23)
    constants = {key: drawing.array(3) for key in "ab"}
    if name == "GroupNormalization":
        return Case([node(name, "image", *"ab", num_groups=drawing.one_of(1, 3), epsilon=epsilon)], constants, 21)
    return Case([node(name, "image", *"ab", epsilon=epsilon)], constants)


@case("LRN")
def lrn(drawing: Drawing, name: str) -> Case:
    return Case(
        [
            node(
                name,
                "image",
                size=drawing.one_of(1, 3, 5),
                alpha=drawing.one_of(None, 0.5),
                bias=drawing.one_of(None, 2.0),
            )
        ]
    )


@case("LpNormalization", "MeanVarianceNormalization")
def unit_norm(drawing: Drawing, name: str) -> Case:
    if name == "LpNormalization":
        return Case([node(name, "image", axis=drawing.one_of(None, 1, 2), p=drawing.one_of(None, 1, 2))])
    return Case([node(name, "image", axes=drawing.one_of([2, 3], [1, 2, 3]))], opset=13)


REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
              "ReduceLogSumExp", "ReduceSumSquare")  # fmt: skip


@case(*REDUCTIONS)
def reduction(drawing: Drawing, name: str) -> Case:
    axes, keeps = drawing.one_of([2, 3], [1], [-1], [1, 2, 3]), drawing.one_of(None, 0, 1)
    positive = [node("Abs", "image", output="found")]
    if drawing.one_of(True, False):
        return Case([*positive, node(name, "found", axes=axes, keepdims=keeps)], opset=11)
    return Case([*positive, node(name, "found", "axes", keepdims=keeps)], {"axes": ints(*axes)}, 18)


@case("ArgMax", "ArgMin")
def place(drawing: Drawing, name: str) -> Case:
    options = {
        "axis": drawing.one_of(1, 2, -1),
        "keepdims": drawing.one_of(None, 0),
        "select_last_index": drawing.one_of(0, 1),
    }
    return Case([node(name, "image", output="found", **options), to_float()])


@case("CumSum", "TopK", "Trilu")
def along(drawing: Drawing, name: str) -> Case:
    if name == "CumSum":
        options = {"exclusive": drawing.one_of(0, 1), "reverse": drawing.one_of(0, 1)}
        return Case([node(name, "image", "axis", **options)], {"axis": np.int64(drawing.one_of(1, 2, -1))})
    if name == "Trilu":
        return Case([node(name, "image", "k", upper=drawing.one_of(0, 1))], {"k": np.int64(drawing.whole(-2, 2))})
    made = helper.make_node(
        name, ["image", "k"], ["y", "places"], axis=drawing.one_of(1, -1), largest=drawing.one_of(0, 1)
    )
    return Case([made], {"k": ints(2)})


@case("Reshape")
def reshape(drawing: Drawing, name: str) -> Case:
    shape = drawing.one_of((0, -1), (-1, 216), (0, 0, 72), (-1, 3, 2, 36), (0, 3, -1, 3))
    return Case([node(name, "image", "shape")], {"shape": ints(*shape)})


@case("Flatten")
def flatten(drawing: Drawing, name: str) -> Case:
    return Case([node(name, "image", axis=drawing.one_of(None, 1, 2, 3, -1, 0))])


@case("Transpose")
def transpose(drawing: Drawing, name: str) -> Case:
    first = node(name, "image", output="turned", perm=drawing.one_of([0, 2, 3, 1], [0, 3, 1, 2]))
    return Case([first, node(name, "turned", perm=drawing.one_of([0, 3, 1, 2], [0, 2, 1, 3]))])


@case("Squeeze", "Unsqueeze")
def axes_of_one(drawing: Drawing, name: str) -> Case:
    old = drawing.one_of(True, False)
    axes = drawing.one_of([1], [-1], [1, 3])
    other = "Unsqueeze" if name == "Squeeze" else "Squeeze"
    first, second = ("Unsqueeze", "Squeeze") if name == "Squeeze" else (name, other)
    if old:
        return Case([node(first, "image", output="found", axes=axes), node(second, "found", axes=axes)], opset=11)
    return Case([node(first, "image", "axes", output="found"), node(second, "found", "axes")], {"axes": ints(*axes)})


@case("Expand", "Tile")
def larger(drawing: Drawing, name: str) -> Case:
    if name == "Tile":
        return Case([node(name, "image", "times")], {"times": ints(1, drawing.whole(1, 2), 1, drawing.whole(1, 3))})
    shape = drawing.one_of((1, 3, 8, 9), (5, 1, 1, 1, 1), (1,), (1, 1, 8, 1))
    return Case([node(name, "image", "shape")], {"shape": ints(*shape)})


@case("DepthToSpace", "SpaceToDepth")
def blocks(drawing: Drawing, name: str) -> Case:
    start = node("Conv", "image", "w", output="wide", kernel_shape=[1, 2])
    weight = {"w": drawing.array(8, 3, 1, 2)}
    if name == "SpaceToDepth":
        return Case([start, node(name, "wide", blocksize=2)], weight)
    return Case([start, node(name, "wide", blocksize=2, mode=drawing.one_of(None, "DCR", "CRD"))], weight)


@case("Concat")
def concat(drawing: Drawing, name: str) -> Case:
    return Case(
        [node("Relu", "image", output="off"), node(name, "image", "off", "image", axis=drawing.one_of(1, 2, -1))]
    )


@case("Split")
def split(drawing: Drawing, name: str) -> Case:
    outputs, sizes = ["y", "b", "c"], drawing.one_of(None, [2, 4, 2])
    if drawing.one_of(True, False):
        options = {} if sizes is None else {"split": sizes}
        sizes = sizes or [1, 1, 1]
        axis = 1 if not options else 2
        return Case([helper.make_node(name, ["image"], outputs, axis=axis, **options)], opset=11)
    if sizes is None:
        return Case([helper.make_node(name, ["image"], outputs, axis=3, num_outputs=3)], opset=18)
    return Case([helper.make_node(name, ["image", "sizes"], outputs, axis=2)], {"sizes": ints(*sizes)}, 13)


@case("Slice")
def part(drawing: Drawing, name: str) -> Case:
    starts = [drawing.one_of(0, 1, -5), drawing.one_of(0, 2, -3)]
    ends = [drawing.one_of(7, -1, 2**31 - 1), drawing.one_of(9, 2**62, -1)]
    if drawing.one_of(True, False):
        return Case([node(name, "image", starts=starts, ends=ends, axes=[2, 3])], opset=9)
    steps = [drawing.one_of(1, 2), drawing.one_of(1, 3, -1, -2)]
    if steps[1] < 0:
        starts[1], ends[1] = drawing.one_of(-1, 7, 2**31 - 1), drawing.one_of(0, -9, -(2**31), 2)
    given = {"starts": starts, "ends": ends, "axes": [2, -1], "steps": steps}
    return Case([node(name, "image", *given)], {key: ints(*value) for key, value in given.items()})


@case("Gather", "GatherND")
def fetched(drawing: Drawing, name: str) -> Case:
    if name == "Gather":
        indices = drawing.one_of(np.int64(1), np.int64(-1), ints(0, 2, 1), ints(2, 0).reshape(1, 2))
        return Case([node(name, "image", "i", axis=drawing.one_of(1, 2, -1))], {"i": indices})
    if name == "GatherND":
        turned = node("Transpose", "image", output="turned", perm=[1, 2, 3, 0])
        return Case(
            [turned, node(name, "turned", "i")],
            {"i": drawing.one_of(ints(1, 2).reshape(1, 2), ints(0, 2).reshape(2, 1))},
        )
    raise AssertionError(name)


@case("ScatterND")
def written(drawing: Drawing, name: str) -> Case:
    turned = node("Transpose", "image", output="turned", perm=[1, 2, 3, 0])
    few = node("GatherND", "turned", "i", output="few")
    more = [node("Mul", "few", "two", output="new"), node(name, "turned", "i", "new")]
    places = drawing.one_of(ints(1, 2).reshape(1, 2), ints(0, 2).reshape(2, 1))
    return Case([turned, few, *more], {"i": places, "two": np.float32(2)})


@case("Pad")
def pad(drawing: Drawing, name: str) -> Case:
    mode = drawing.one_of("constant", "reflect", "edge", "wrap")
    pads = [0, 0, drawing.whole(0, 3), drawing.whole(0, 2), 0, 0, drawing.whole(0, 2), drawing.whole(0, 3)]
    if mode == "constant":
        pads[drawing.one_of(1, 2, 6)] = drawing.one_of(-1, 1)
    if mode != "wrap" and drawing.one_of(True, False):
        return Case([node(name, "image", mode=mode, pads=pads, value=drawing.one_of(None, 0.5))], opset=9)
    constants = {"pads": ints(*pads), "fill": np.float32(0.7)}
    return Case([node(name, "image", "pads", "fill", mode=mode)], constants, 19)


def _coordinates(drawing: Drawing, mode: str) -> dict[str, Any]:
    ways = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    rounding = drawing.one_of("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") if mode == "nearest" else None
    cubic = drawing.one_of(None, -0.5) if mode == "cubic" else None
    found = {"coordinate_transformation_mode": drawing.one_of(*ways), "nearest_mode": rounding, "cubic_coeff_a": cubic}
    return {"mode": mode, **found}


@case("Resize", "Upsample")
def resize(drawing: Drawing, name: str) -> Case:
    scales = np.array([1, 1, *drawing.one_of((2, 2), (1, 3), (2, 1))], np.float32)
    mode = drawing.one_of("nearest", "linear")
    if name == "Upsample":
        return Case([node(name, "image", "scales", mode=mode)], {"scales": scales}, 9)
    mode = drawing.one_of("nearest", "linear", "cubic")
    options = _coordinates(drawing, mode)
    if drawing.one_of(True, False):
        return Case([node(name, "image", "", "scales", **options)], {"scales": scales}, 13)
    sizes = [drawing.whole(3, 17), drawing.whole(3, 17)]
    shape = [node("Shape", "image", output="all"), node("Slice", "all", "zero", "two", output="first"),
             node("Concat", "first", "sizes", output="wanted", axis=0)]  # fmt: skip
    constants = {"sizes": ints(*sizes), "zero": ints(0), "two": ints(2)}
    return Case([*shape, node(name, "image", "", "", "wanted", **options)], constants, 13)


@case("GridSample")
def grid_sample(drawing: Drawing, name: str) -> Case:
    grid = node("Expand", "grid", "shape", output="wide")
    rows = [node("Shape", "image", output="all"), node("Gather", "all", "zero", output="n"),
            node("Concat", "n", "rest", output="shape", axis=0)]  # fmt: skip
    options = {"padding_mode": drawing.one_of("zeros", "border"), "align_corners": drawing.one_of(0, 1)}
    constants = {"grid": drawing.array(1, 4, 5, 2, low=-1.2, high=1.2), "zero": ints(0), "rest": ints(4, 5, 2)}
    return Case([*rows, grid, node(name, "image", "wide", **options)], constants, 16)


@case("Constant", "ConstantOfShape", "Range", "EyeLike", "NonZero", "OneHot", "Size", "Shape")
def made(drawing: Drawing, name: str) -> Case:
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [drawing.one_of(0.5, 2.0)])
    add = [node("Cast", "made", output="floats", to=TensorProto.FLOAT), node("Add", "image", "floats")]
    if name == "Constant":
        return Case([node(name, output="made", **drawing.one_of({"value": value}, {"value_float": 0.3})), *add])
    if name == "ConstantOfShape":
        start = [node("Shape", "image", output="all")]
        return Case([*start, node(name, "all", output="made", value=value), *add])
    if name == "Range":
        return Case(
            [node(name, "a", "b", "c", output="made"), *add], {"a": np.int64(2), "b": np.int64(20), "c": np.int64(2)}
        )
    if name == "EyeLike":
        return Case(
            [node(name, "square", output="made", k=drawing.whole(-1, 1)), *add], {"square": drawing.array(9, 9)[:8]}
        )
    if name == "NonZero":
        flags = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1, 1], np.float32)
        return Case([node(name, "square", output="made"), *add], {"square": flags})
    if name == "OneHot":
        constants = {"i": ints(1, -1, 3, 8, 20, 0, 2, 4), "depth": ints(9), "two": np.array([0.2, 0.9], np.float32)}
        return Case([node(name, "i", "depth", "two", output="made", axis=drawing.one_of(-1, 1)), *add], constants)
    if name == "Size":
        return Case([node(name, "square", output="made"), *add], {"square": drawing.array(9)})
    last = [
        node("Slice", "made", "from", "to", output="tail"),
        node("Cast", "tail", output="floats", to=TensorProto.FLOAT),
    ]
    nodes = [node(name, "image", output="made"), *last, node("Div", "image", "floats")]
    return Case(nodes, {"from": ints(3), "to": ints(4)})


@case("QuantizeLinear", "DequantizeLinear")
def quantised(drawing: Drawing, name: str) -> Case:  # noqa: ARG001
    kind, zero = drawing.one_of((np.uint8, 0), (np.uint8, 128), (np.int8, 0), (np.int8, -128))
    constants = {"scale": np.float32(0.02), "zero": kind(zero)}
    given = ("scale", "zero")
    return Case(
        [node("QuantizeLinear", "image", *given, output="found"), node("DequantizeLinear", "found", *given)], constants
    )
