"""Changes that know ONNX's messages: nodes, attributes, shapes and tensors exchanged for others."""

from __future__ import annotations

import random
from collections.abc import Sequence

import onnx
from google.protobuf.message import DecodeError

from deepvis_toolbox.onnx.operator_table import OPERATORS
from tests.fuzz.mutations.plain_bytes import PLAIN

_NUMBERS = (0, 1, -1, 2, 3, 7, 255, -128, 1 << 16, 1 << 31, -(1 << 31), (1 << 62), -(1 << 63), 1 << 40)
_FLOATS = (0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"), 0.5)
_ATTRIBUTES = (
    "axis", "axes", "pads", "strides", "dilations", "group", "kernel_shape", "perm", "mode", "auto_pad", "value",
    "epsilon", "alpha", "ceil_mode", "keepdims", "to", "blocksize", "equation", "output_padding",
)  # fmt: skip


def onnx_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A file with another operator, attribute, shape, type or name somewhere."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, UnicodeDecodeError):
        return dice.choice(PLAIN)(content, dice, donors)
    if not model.graph.node:
        return dice.choice(PLAIN)(content, dice, donors)
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        dice.choice(_CHANGES)(model, dice)
    return model.SerializeToString()


def _other_operator(model: onnx.ModelProto, dice: random.Random) -> None:
    dice.choice(model.graph.node).op_type = dice.choice([*OPERATORS, "If", "Loop", "Nothing"])


def _other_attribute(model: onnx.ModelProto, dice: random.Random) -> None:
    node = dice.choice(model.graph.node)
    if not node.attribute or dice.random() < 0.3:
        node.attribute.add(name=dice.choice(_ATTRIBUTES), type=dice.choice([1, 2, 3, 6, 7]))
    written = dice.choice(node.attribute)
    if dice.random() < 0.2:
        written.type = dice.randrange(15)
    written.i, written.f = dice.choice(_NUMBERS), dice.choice(_FLOATS)
    if written.ints and dice.random() < 0.7:
        written.ints[dice.randrange(len(written.ints))] = dice.choice(_NUMBERS)
    else:
        written.ints.append(dice.choice(_NUMBERS))


def _other_input(model: onnx.ModelProto, dice: random.Random) -> None:
    node = dice.choice(model.graph.node)
    names = [name for each in model.graph.node for name in [*each.input, *each.output]] + ["", "nothing"]
    if node.input and dice.random() < 0.7:
        node.input[dice.randrange(len(node.input))] = dice.choice(names)
    else:
        node.input.append(dice.choice(names))


def _other_tensor(model: onnx.ModelProto, dice: random.Random) -> None:
    stored = list(model.graph.initializer) + [each.t for node in model.graph.node for each in node.attribute]
    if not stored:
        return
    tensor = dice.choice(stored)
    how = dice.randrange(5)
    if how == 0 and tensor.dims:
        tensor.dims[dice.randrange(len(tensor.dims))] = dice.choice(_NUMBERS)
    elif how == 1:
        tensor.data_type = dice.randrange(25)
    elif how == 2 and tensor.raw_data:
        raw = bytearray(tensor.raw_data)
        raw[dice.randrange(len(raw))] = dice.randrange(256)
        tensor.raw_data = bytes(raw)
    elif how == 3:
        tensor.data_location = 1
        tensor.external_data.add(key="location", value=dice.choice(["net.onnx", "../net.onnx", "/dev/zero", "."]))
        tensor.external_data.add(key="offset", value=str(dice.choice(_NUMBERS)))
    else:
        tensor.int64_data.append(dice.choice(_NUMBERS))


def _other_shape(model: onnx.ModelProto, dice: random.Random) -> None:
    if model.graph.input:
        sizes = dice.choice(model.graph.input).type.tensor_type.shape.dim
        if sizes:
            dice.choice(sizes).dim_value = dice.choice(_NUMBERS[:8])


def _nodes_moved(model: onnx.ModelProto, dice: random.Random) -> None:
    at = dice.randrange(len(model.graph.node))
    node = onnx.NodeProto.FromString(model.graph.node[at].SerializeToString())
    if dice.random() < 0.5:
        del model.graph.node[at]
    model.graph.node.insert(dice.randrange(len(model.graph.node) + 1), node)


def _other_opset(model: onnx.ModelProto, dice: random.Random) -> None:
    if model.opset_import:
        model.opset_import[0].version = dice.choice([0, 7, 9, 11, 13, 18, 21, 1 << 40])


_CHANGES = (
    _other_operator, *[_other_attribute] * 3, *[_other_input] * 2, *[_other_tensor] * 3, _other_shape, _nodes_moved,
    _other_opset,
)  # fmt: skip
