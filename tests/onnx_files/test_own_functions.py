"""Functions that a file defines for itself, and attention as one operator, give what ONNX Runtime gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator

from deepvis_toolbox import load_network
from deepvis_toolbox.errors import ToolboxError
from tests.onnx_files.made_files import by_onnx_runtime, model_of, saved
from tests.onnx_files.operator_cases import node

OWN, OPSETS = "pkg.mine", [helper.make_opsetid("", 17), helper.make_opsetid("pkg.mine", 1)]


def function(name: str, takes: list[str], gives: list[str], nodes: list[Any], *attributes: str, **more: Any) -> Any:
    return helper.make_function(OWN, name, takes, gives, nodes, more.pop("opsets", OPSETS), list(attributes), **more)


def call(name: str, *inputs: str, output: str = "y", called: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(name, list(inputs), output.split(), called, domain=OWN, **attributes)


def referring(op: str, *inputs: str, output: str, **references: str) -> onnx.NodeProto:
    """A node whose attributes are those of the call."""
    made = node(op, *inputs, output=output)
    for name, source in references.items():
        kind = onnx.AttributeProto.INTS if name in ("strides", "pads") else onnx.AttributeProto.FLOAT
        made.attribute.add(name=name, ref_attr_name=source, type=kind)
    return made


def file_of(nodes: list[Any], functions: list[Any], outputs: tuple[str, ...] = ("y",), **constants: Any) -> Any:
    model = model_of(nodes, constants, outputs=outputs)
    model.opset_import.append(helper.make_opsetid(OWN, 1))
    model.functions.extend(functions)
    return model


WEIGHTS = {
    f"w{number}": np.random.default_rng(number).normal(size=(4, channels, 3, 3)).astype(np.float32)
    for number, channels in enumerate((3, 4, 4))
}
ACT = function("act", ["a"], ["b"], [referring("LeakyRelu", "a", output="b", alpha="slope")], "slope")


def block(*more_outputs: str) -> Any:
    nodes = [
        referring("Conv", "a", "w", output="c", strides="steps", pads="around"),
        call("act", "c", output="b", slope=0.25),
    ]
    around = helper.make_attribute("around", [1, 1, 1, 1])
    return function("block", ["a", "w"], ["b", *more_outputs], nodes, "steps", attribute_protos=[around])


def whole(*more_outputs: str, **around: list[int]) -> Any:
    """Three calls of a function that calls another one; `more_outputs` may be one of its inputs."""
    mean_of = "again" if more_outputs else "image"
    nodes = [
        call(
            "block",
            "image",
            "w0",
            output=f"first {'again' if more_outputs else ''}",
            called="stem",
            steps=[1, 1],
            **around,
        ),
        call("block", "first", "w1", output="c", called="body", steps=[2, 2], around=[0, 0, 0, 0]),
        call("block", "c", "w2", output="last", called="top", steps=[1, 1], **around),
        node("ReduceMean", mean_of, output="mean", axes=[1, 2, 3], keepdims=1),
        node("Mul", "last", "mean"),
    ]
    return file_of(nodes, [ACT, block(*more_outputs)], **WEIGHTS)


def test_they_give_what_onnx_runtime_gives_and_bear_the_names_of_their_calls(tmp_path: Path) -> None:
    model = whole(around=[1, 1, 1, 1])
    network = load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    x = torch.randn(3, 3, 8, 8)
    name = list(network.layers)[-1]
    wanted = by_onnx_runtime(model, x.numpy())["y"]
    np.testing.assert_allclose(network.forward(x, [name])[name].numpy(), wanted, rtol=1e-4, atol=1e-5)
    for other in (whole(), whole("a", around=[1, 1, 1, 1])):  # by defaults; with an output that is an input
        same = load_network(saved(other, tmp_path / "other.onnx"), mean=[0])
        assert torch.equal(same.forward(x, [name])[name], network.forward(x, [name])[name])
    assert {"stem.conv", "stem.act", "body.conv", "top.conv", "top.act"} <= set(network.layers)
    assert network.layers["top.act"].rectifier == "leaky_relu"
    assert network.receptive_field("stem.conv", (4, 4)) == (3, 3, 6, 6)


@pytest.mark.parametrize("is_large", [True, False])
def test_branches_inside_see_what_is_around_them(tmp_path: Path, is_large: bool) -> None:
    """A branch that a constant chooses, in a function, which reads the function's values and names its own alike."""

    def branch(name: str, op: str) -> Any:
        inside = [node(op, "c", "a", output="b"), node("Relu", "b", output=f"{name}_gives")]
        return helper.make_graph(inside, name, [], [helper.make_tensor_value_info(f"{name}_gives", 1, None)])

    choosing = helper.make_node(
        "If", ["which"], ["b"], then_branch=branch("then", "Add"), else_branch=branch("or", "Sub")
    )
    chosen = function("chosen", ["a", "which"], ["b"], [node("Exp", "a", output="c"), choosing])
    nodes = [call("chosen", "image", "yes", output="c"), call("chosen", "c", "yes")]
    model = file_of(nodes, [chosen], yes=np.array(is_large))
    network = load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    x = 0.3 * torch.randn(2, 3, 8, 8)
    name = list(network.layers)[-1]
    np.testing.assert_allclose(
        network.forward(x, [name])[name].numpy(), by_onnx_runtime(model, x.numpy())["y"], rtol=1e-4
    )


def test_the_scopes_that_pytorch_writes_beside_a_call_name_what_is_inside(tmp_path: Path) -> None:
    model = whole()
    scopes = (["", "stem", "conv"], ["", "layer1", "layer1.0", "conv"], ["", "layer1", "layer1.1", "conv"])
    for own, scope in zip(model.graph.node, scopes, strict=False):
        own.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=str(scope))
    names = set(load_network(saved(model, tmp_path / "net.onnx"), mean=[0]).layers)
    assert {"stem.conv", "layer1.0.conv", "layer1.0.leakyrelu", "layer1.1.conv"} <= names


def doubling(depth: int, *more: onnx.NodeProto) -> list[Any]:
    """Functions each of which calls the one before it twice."""
    first = function("f0", ["a"], ["b"], [*more, node("Relu", "a", output="b")])
    return [first, *(
        function(f"f{n}", ["a"], ["b"], [call(f"f{n - 1}", "a", output="c"), call(f"f{n - 1}", "c", output="b")])
        for n in range(1, depth)
    )]  # fmt: skip


LARGE = node("Constant", output="c", value=helper.make_tensor("large", 1, [1 << 20], bytes(4 << 20), raw=True))
HOSTILE: dict[str, tuple[Any, str]] = {
    "itself": ([function("f0", ["a"], ["b"], [call("f0", "a", output="b")])], "calls itself"),
    "each other": (
        [function(f"f{n}", ["a"], ["b"], [call(f"f{1 - n}", "a", output="b")]) for n in range(2)], "calls itself",
    ),
    "doubling": (doubling(30), "more than 100000 nodes"),
    "large": (doubling(8, LARGE), "or too large ones"),
    "another opset": (
        [function("f0", ["a"], ["b"], [node("Relu", "a", output="b")], opsets=[helper.make_opsetid("", 12)])],
        "the operator f0 of pkg.mine is not supported",
    ),
    "too few inputs": (
        [function("f0", ["a", "w"], ["b"], [node("Add", "a", "w", output="b")])], "input 2 is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_functions_that_cannot_be_written_out_are_refused_in_a_sentence(what: str, tmp_path: Path) -> None:
    functions, said = HOSTILE[what]
    model = file_of([call(functions[-1].name if what in ("doubling", "large") else "f0", "image")], functions)
    with pytest.raises(ToolboxError, match=said) as error:
        load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    assert "net.onnx" in str(error.value)
    assert "\n" not in str(error.value)


def attending(heads: int, **attributes: Any) -> Any:
    """Patches of 4 pixels, and attention over them as one operator of opset 23."""
    dice = np.random.default_rng(3)
    constants = {
        "w": dice.normal(size=(8, 3, 4, 4)).astype(np.float32) / 4,
        "rows": np.array([0, 8, -1]),
        **{name: dice.normal(size=(8, 8)).astype(np.float32) for name in ("wq", "wk", "wv")},
    }
    nodes = [
        node("Conv", "image", "w", output="map", strides=[4, 4]),
        node("Reshape", "map", "rows", output="flat"),
        node("Transpose", "flat", output="tokens", perm=[0, 2, 1]),
        *(node("MatMul", "tokens", f"w{name}", output=name) for name in "qkv"),
        node("Attention", "q", "k", "v", output="mixed", q_num_heads=heads, kv_num_heads=heads, **attributes),
        node("Add", "tokens", "mixed", output="added"),
        node("ReduceMean", "added", "axis", keepdims=0),
    ]
    return model_of(nodes, {**constants, "axis": np.array([1])}, shape=("n", 3, 16, 24), opset=23)


@pytest.mark.parametrize("attributes", [{}, {"is_causal": 1}, {"scale": 0.3}, {"softcap": 2.0}], ids=str)
def test_attention_as_one_operator_is_attention(attributes: dict[str, Any], tmp_path: Path) -> None:
    model = attending(2, **attributes)
    network = load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    x = torch.randn(2, 3, 16, 24)
    name = list(network.layers)[-1]
    wanted = ReferenceEvaluator(model).run(None, {"image": x.numpy()})[0]
    np.testing.assert_allclose(network.forward(x, [name])[name].numpy(), wanted, rtol=1e-3, atol=1e-5)
    assert network.layers["tokens"].grid == (4, 6)
    if "softcap" in attributes:  # several steps, which are no attention of torch's
        return
    layer = next(layer.name for layer in network.layers.values() if layer.tells_attention)
    weights = network.record(x).attention(layer)
    assert weights.shape == (2, 2, 24, 24)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 24))
    assert not attributes.get("is_causal") or not weights.triu(1).any()
