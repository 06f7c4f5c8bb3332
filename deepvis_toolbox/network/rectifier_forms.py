"""Rectifiers known by what they compute: `clamp(min=0)`, `where(x > 0, x, 0)`, `x * sigmoid(x)` and their like.

An expression of one tensor, element by element, is tried on numbers. What gives a rectifier's numbers is one, whatever
it is called; it becomes a single operation, so that a backward mode has one place to put its rule on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from deepvis_toolbox.network.layer_nodes import attribute
from deepvis_toolbox.network.operations import RECTIFIERS, called_name
from deepvis_toolbox.network.own_derivatives import AppliedFunction
from deepvis_toolbox.network.plain_modules import is_plain
from deepvis_toolbox.network.swish import quick_gelu

_MOST_OPERATIONS = 8

_LAST = frozenset(
    {"clamp", "clamp_min", "clip", "threshold", "maximum", "max", "fmax", "where", "mul", "multiply", "truediv", "div"}
    | {"divide", "hardtanh", "relu", "rrelu", "leaky_relu", "add", "sub", "masked_fill", "neg"}
)
"""What an expression may end with."""
_WITHIN = _LAST | {"clamp_max", "minimum", "min", "fmin", "relu6", "sigmoid", "hardsigmoid", "tanh", "softplus", "erf"}
_WITHIN |= {"exp", "log", "log1p", "pow", "abs", "neg", "sign", "gt", "ge", "lt", "le", "float", "to", "type_as"}
_WITHIN |= {"zeros_like", "new_zeros", "ones_like", "getattr", "size", "heaviside", "reciprocal", "rsub"}
_MODULES = (nn.Threshold, nn.Hardtanh, nn.RReLU, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softplus)

_LARGEST = float(torch.finfo(torch.float32).max)
_FINE = torch.cat([torch.linspace(-16, 16, 129, dtype=torch.float64), torch.tensor([-300.0, 300.0]).double()])
_POWERS = torch.cat([2.0 ** torch.arange(-126, 128, dtype=torch.float64), torch.tensor([_LARGEST]).double()])
_PROBE = torch.cat([_FINE, _POWERS, -_POWERS])
"""The numbers on which an expression is tried. What is smooth is held against `_FINE` alone; what has a corner against
all numbers that a network may hold, so that neither a threshold near zero nor one far out is overlooked."""
_EXACT, _ROUNDED = 1e-12, 1e-5

Form = tuple[str, Callable[..., Any], tuple[Any, ...]]
"""The kind of rectifier, the function that computes it, and the function's arguments behind the tensor."""


def name_rectifiers(graph_module: fx.GraphModule) -> None:
    """Note on every node that computes a rectifier which kind it is (`meta["rectifier"]`)."""
    modules = dict(graph_module.named_modules())
    used: set[fx.Node] = set()
    for node in list(graph_module.graph.nodes):
        if not _may_end(node, modules):
            continue
        found = _rectifier_ending_with(node, graph_module, modules)
        if found is None:
            continue
        (kind, function, arguments), source, members = found
        node.meta["rectifier"] = kind
        if node.op == "call_module":
            continue
        node.meta.setdefault("called", called_name(node))
        node.op, node.target, node.args, node.kwargs = "call_function", function, (source, *arguments), {}
        used |= members - {node}
    for node in reversed(list(graph_module.graph.nodes)):
        if node in used and not node.users:
            graph_module.graph.erase_node(node)


def _may_end(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], (nn.Threshold, nn.Hardtanh, nn.RReLU))
    if node.op not in ("call_function", "call_method"):
        return False
    if isinstance(node.target, AppliedFunction):
        return True
    name = _plain(node)
    return name in _LAST and not (name in RECTIFIERS and _is_torchs_own(node))


def _is_torchs_own(node: fx.Node) -> bool:
    return not isinstance(node.target, (torch._ops.OpOverload, torch._ops.OpOverloadPacket))


def _plain(node: fx.Node) -> str:
    """Return the called name, without the overload: `relu` for aten's relu.default."""
    return called_name(node).partition(".")[0].rpartition("::")[2]


def _rectifier_ending_with(
    node: fx.Node, graph_module: fx.GraphModule, modules: Mapping[str, nn.Module]
) -> tuple[Form, fx.Node, set[fx.Node]] | None:
    """Return the form, the one tensor that it is a function of, and the expression's nodes; the shortest such
    expression."""
    position = {each: index for index, each in enumerate(node.graph.nodes)}
    members, waiting = {node}, _tensors_read(node)
    while 0 < len(members) <= _MOST_OPERATIONS and waiting:
        if len(waiting) == 1:
            (source,) = waiting
            values = _tried(members, source, graph_module, modules)
            form = _form_of(values.get(node))
            if form is not None and not any(_equal(values.get(inner), values[node]) for inner in members - {node}):
                own = any(isinstance(member.target, AppliedFunction) for member in members)
                if own and not _has_derivative_of(form, node, members, source, graph_module, modules):
                    return None
                return form, source, members
        latest = max(waiting, key=position.__getitem__)
        if not _may_be_within(latest, modules):
            return None
        members.add(latest)
        waiting = (waiting - {latest}) | (_tensors_read(latest) - members)
    return None


def _tensors_read(node: fx.Node) -> set[fx.Node]:
    return {below for below in node.all_input_nodes if below.op != "get_attr"}


def _may_be_within(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        module = modules[str(node.target)]
        return isinstance(module, _MODULES) and is_plain(module)
    return node.op in ("call_function", "call_method") and (
        isinstance(node.target, AppliedFunction) or _plain(node) in _WITHIN
    )


def _has_derivative_of(
    form: Form,
    node: fx.Node,
    members: set[fx.Node],
    source: fx.Node,
    graph_module: fx.GraphModule,
    modules: Mapping[str, nn.Module],
) -> bool:
    """Return whether backprop through the expression, a part of which has a backward of its own, is as through its
    form."""
    probe, same = (_FINE[_FINE != 0].clone().requires_grad_() for _ in range(2))
    value = _tried(members, source, graph_module, modules, probe).get(node)
    if not isinstance(value, torch.Tensor) or not value.requires_grad:
        return False
    (found,) = torch.autograd.grad(value.sum(), probe)
    (wanted,) = torch.autograd.grad(form[1](same, *form[2]).sum(), same)
    return torch.allclose(found, wanted, rtol=_ROUNDED, atol=_ROUNDED)


def _tried(
    members: set[fx.Node],
    source: fx.Node,
    graph_module: fx.GraphModule,
    modules: Mapping[str, nn.Module],
    probe: torch.Tensor = _PROBE,
) -> dict[fx.Node, Any]:
    """Return what the expression's nodes give for the probe; nothing where it does not go through."""
    values: dict[fx.Node, Any] = {source: probe.clone()}
    try:
        with torch.set_grad_enabled(probe.requires_grad):
            for node in source.graph.nodes:
                if node in members:
                    for below in node.all_input_nodes:
                        if below.op == "get_attr":
                            values[below] = _one_number(graph_module, str(below.target))
                    values[node] = _called(node, values, modules)
    except Exception:  # whatever does not work on a row of numbers is no function of each number
        return {}
    return values


def _one_number(graph_module: fx.GraphModule, path: str) -> torch.Tensor:
    numbers = torch.unique(attribute(graph_module, path))
    if len(numbers) != 1:
        raise ValueError("a tensor of different numbers")
    return numbers[0].double()


def _called(node: fx.Node, values: Mapping[fx.Node, Any], modules: Mapping[str, nn.Module]) -> Any:
    args = fx.node.map_arg(node.args, values.__getitem__)
    named = fx.node.map_arg(node.kwargs, values.__getitem__)
    if node.op == "call_module":
        return modules[str(node.target)](*args, **named)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **named)
    assert callable(node.target)
    return node.target(*args, **named)


def _equal(first: Any, second: Any) -> bool:
    return isinstance(first, torch.Tensor) and first.shape == second.shape and torch.equal(first.to(second), second)


def _form_of(given: Any) -> Form | None:
    if not isinstance(given, torch.Tensor) or given.shape != _PROBE.shape or not given.is_floating_point():
        return None
    found = given.double()
    for form, wanted in _forms_with_a_corner(found):
        if torch.allclose(found, wanted, rtol=_EXACT, atol=0):
            return form
    for kind, function in _SMOOTH:
        if torch.allclose(found[: len(_FINE)], function(_FINE), rtol=_ROUNDED, atol=_ROUNDED):
            return kind, function, ()
    return None


def _forms_with_a_corner(found: torch.Tensor) -> list[tuple[Form, torch.Tensor]]:
    """Return the forms made of straight lines that may be meant, and what they give for the probe."""
    x, largest, slope = _PROBE, float(found.max()), float(found[0] / _PROBE[0])
    forms: list[tuple[Form, torch.Tensor]] = [(("relu", F.relu, ()), x.clamp_min(0))]
    if 0 < largest < _LARGEST:
        forms.append((("relu6" if largest == 6 else "clipped_relu", F.hardtanh, (0.0, largest)), x.clamp(0, largest)))
    if 0 < slope < 1:
        forms.append((("leaky_relu", F.leaky_relu, (slope,)), F.leaky_relu(x, slope)))
    return forms


def _gelu_by_tanh(x: torch.Tensor) -> torch.Tensor:
    return F.gelu(x, approximate="tanh")


_SMOOTH: tuple[tuple[str, Callable[[torch.Tensor], torch.Tensor]], ...] = (
    ("silu", F.silu),
    ("gelu", F.gelu),
    ("gelu", _gelu_by_tanh),
    ("hardswish", F.hardswish),
    ("mish", F.mish),
    ("gelu", quick_gelu),
)
