"""Rectifiers that no backward mode can reach: inside of modules kept as one node, or behind hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.memory_layout import contiguous
from deepvis_toolbox.network.operations import RECTIFIERS, Operation, called_name, module_operation
from deepvis_toolbox.network.own_derivatives import AppliedFunction
from deepvis_toolbox.network.plain_modules import has_hooks
from deepvis_toolbox.network.promise import state_kept


def modules_with_hidden_rectifiers(graph_module: fx.GraphModule, values: Values) -> list[str]:
    """Return the paths of such modules. A rectifier whose hooks change what it gives, or that is several operations to
    autograd, is none any more (`meta["operation"]`).

    `values`: what each node gave for one image.
    """
    modules = dict(graph_module.named_modules())
    found = [_hidden_in(node, modules, values) for node in graph_module.graph.nodes]
    return list(dict.fromkeys(filter(None, found)))


def _hidden_in(node: fx.Node, modules: Mapping[str, nn.Module], values: Values) -> str:
    """Return the path of the module, or the name of the function, if the node hides a rectifier."""
    if isinstance(node.target, AppliedFunction):
        hidden = not operation(node).rectifier and _rectifies(node, node.target, values)
        return called_name(node) if hidden else ""
    if node.op != "call_module":
        return ""
    kept, path = modules[str(node.target)], str(node.target)
    if not operation(node).rectifier:
        return path if _hides(node, kept, values) else ""
    hooked = has_hooks(kept) and not _hooks_only_look(node, kept, values)
    if not hooked and _is_one_operation(node, kept, values):
        return ""
    node.meta["operation"] = Operation(f"{operation(node).kind} {'with hooks' if hooked else 'of its own'}")
    return path


def _hooks_only_look(node: fx.Node, module: nn.Module, values: Values) -> bool:
    if getattr(module, "_backward_hooks", None) or getattr(module, "_backward_pre_hooks", None):
        return False
    given = fx.node.map_arg((node.args, node.kwargs), lambda below: contiguous(values[below]))
    with torch.inference_mode():
        return torch.equal(type(module).forward(module, *given[0], **given[1]), values[node])


_OWN = __name__.partition(".")[0] + "."


def _is_of_user(module: nn.Module) -> bool:
    return not type(module).__module__.startswith(("torch.", _OWN))


def _is_one_operation(node: fx.Node, module: nn.Module, values: Values) -> bool:
    """Return whether a rectifier is one operation to autograd, on which a backward mode's rule can be put."""
    if not _is_of_user(module) and "forward" not in vars(module):
        return True
    with state_kept(module), torch.inference_mode(False), torch.enable_grad():
        args, named = fx.node.map_arg((node.args, node.kwargs), lambda below: _leaf(values[below]))
        given = module(*args, **named)
    return isinstance(given, torch.Tensor) and len(list(_functions_below(given))) <= 1


def _leaf(value: Any) -> Any:
    floats = isinstance(value, torch.Tensor) and value.is_floating_point()
    return contiguous(value).clone().requires_grad_() if floats else contiguous(value)


def _functions_below(tensor: torch.Tensor) -> Iterator[Any]:
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        function = waiting.pop()
        if function is not None and function not in seen and type(function).__name__ != "AccumulateGrad":
            seen.add(function)
            yield function
            waiting.extend(below for below, _ in function.next_functions)


def _hides(node: fx.Node, kept: nn.Module, values: Values) -> bool:
    inner: list[nn.Module] = list(kept.modules())[1:]
    if any(module_operation(part).rectifier for part in inner) or any(map(_keeps_rectifier, kept.modules())):
        return True
    may_compute_anything = _is_of_user(kept) or any(map(has_hooks, kept.modules())) or "forward" in vars(kept)
    return (may_compute_anything or isinstance(kept, (nn.RNNBase, nn.RNNCellBase))) and _rectifies(node, kept, values)


def _keeps_rectifier(module: nn.Module) -> bool:
    """Return whether a module keeps a rectifying function among its attributes, as torch's transformer layers do."""
    return any(getattr(value, "__name__", "") in RECTIFIERS for value in vars(module).values() if callable(value))


def _rectifies(node: fx.Node, call: Callable[..., Any], values: Values) -> bool:
    """Return whether what a node calls rectifies something on the way, by whatever function of torch's."""
    args, named = fx.node.map_arg((node.args, node.kwargs), lambda below: _copied(values[below]))
    kept = state_kept(call) if isinstance(call, nn.Module) else nullcontext()
    with kept, torch.inference_mode(False), torch.no_grad(), _Overhearing() as heard:
        call(*args, **named)
    return heard.rectifier


def _copied(value: Any) -> Any:
    return contiguous(value).clone() if isinstance(value, torch.Tensor) else value


class _Overhearing(TorchDispatchMode):
    """Looks at every operation that torch carries out."""

    def __init__(self) -> None:
        super().__init__()
        self.rectifier = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry the operation out, and remember whether it is a rectifier."""
        name = func._schema.name.partition("::")[2].rstrip("_")
        self.rectifier |= name in RECTIFIERS or (name in _WITH_ZERO and _has_zero(args[1:], kwargs or {}))
        return func(*args, **(kwargs or {}))


_WITH_ZERO = frozenset(
    {"clamp", "clamp_min", "hardtanh", "threshold", "maximum", "fmax", "gt", "ge", "lt", "le", "heaviside"}
)
"""Operations that rectify, or make the mask of a rectifier, where they hold a value against zero."""


def _has_zero(args: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    return any(_is_zero(value) for value in (*args, *named.values()))


def _is_zero(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() > 0 and not value.any()
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0
