"""Rectifiers that no backward mode can reach: inside of modules kept as one node, or behind hooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.memory_layout import contiguous
from deepvis_toolbox.network.operations import RECTIFIERS, Operation, module_operation
from deepvis_toolbox.network.plain_modules import has_hooks

_OF_AUTOGRAD = ("Relu", "Hardtanh", "Threshold", "LeakyRelu", "Rrelu", "Silu", "Gelu", "Hardswish", "Mish", "ClampMin")
"""What the names of autograd's functions for rectifiers start with."""


def modules_with_hidden_rectifiers(graph_module: fx.GraphModule, values: Values) -> list[str]:
    """Return the paths of such modules. A rectifier whose hooks change what it gives is none any more
    (`meta["operation"]`).

    `values`: what each node gave for one image.
    """
    found = []
    modules = dict(graph_module.named_modules())
    for node in graph_module.graph.nodes:
        if node.op != "call_module":
            continue
        kept = modules[str(node.target)]
        if operation(node).rectifier:
            hooked = has_hooks(kept) and not _hooks_only_look(node, kept, values)
            if hooked or not _is_one_operation(node, kept, values):
                node.meta["operation"] = Operation(f"{operation(node).kind} {'with hooks' if hooked else 'of its own'}")
                found.append(str(node.target))
        elif _hides(node, kept, values):
            found.append(str(node.target))
    return list(dict.fromkeys(found))


def _hooks_only_look(node: fx.Node, module: nn.Module, values: Values) -> bool:
    if getattr(module, "_backward_hooks", None) or getattr(module, "_backward_pre_hooks", None):
        return False
    given = fx.node.map_arg((node.args, node.kwargs), lambda below: contiguous(values[below]))
    with torch.inference_mode():
        return torch.equal(type(module).forward(module, *given[0], **given[1]), values[node])


def _is_one_operation(node: fx.Node, module: nn.Module, values: Values) -> bool:
    """Return whether a rectifier is one operation to autograd, on which a backward mode's rule can be put."""
    of_torch = type(module).__module__.startswith(("torch.", _OWN))
    if of_torch and "forward" not in vars(module):
        return True
    return all(len(functions) <= 1 for functions in _functions_of(node, module, values))


def _hides(node: fx.Node, kept: nn.Module, values: Values) -> bool:
    inner: list[nn.Module] = list(kept.modules())[1:]
    if any(module_operation(part).rectifier for part in inner) or any(map(_calls_rectifier, kept.modules())):
        return True
    of_user = not type(kept).__module__.startswith("torch.") and not type(kept).__module__.startswith(_OWN)
    return of_user and _rectifies_on_the_way(node, kept, values)


_OWN = __name__.partition(".")[0] + "."


def _calls_rectifier(module: nn.Module) -> bool:
    """Return whether a module keeps a rectifying function among its attributes, as torch's transformer layers do."""
    return any(getattr(value, "__name__", "") in RECTIFIERS for value in vars(module).values() if callable(value))


def _rectifies_on_the_way(node: fx.Node, module: nn.Module, values: Values) -> bool:
    """Return whether autograd finds a rectifier between what a module reads and what it gives."""
    return any(
        type(function).__name__.startswith(_OF_AUTOGRAD)
        for functions in _functions_of(node, module, values)
        for function in functions
    )


def _functions_of(node: fx.Node, module: nn.Module, values: Values) -> list[list[Any]]:
    """Return for each tensor that a module gives autograd's functions between it and what the module reads."""
    with torch.inference_mode(False), torch.enable_grad():

        def leaf(below: fx.Node) -> Any:
            value = values[below]
            floats = isinstance(value, torch.Tensor) and value.is_floating_point()
            return contiguous(value).clone().requires_grad_() if floats else contiguous(value)

        args, named = fx.node.map_arg((node.args, node.kwargs), leaf)
        given = module(*args, **named)
        parts = given if isinstance(given, (tuple, list)) else [given]
        return [list(_functions_below(part)) for part in parts if isinstance(part, torch.Tensor)]


def _functions_below(tensor: torch.Tensor) -> Iterator[Any]:
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        function = waiting.pop()
        if function is not None and function not in seen and type(function).__name__ != "AccumulateGrad":
            seen.add(function)
            yield function
            waiting.extend(below for below, _ in function.next_functions)
