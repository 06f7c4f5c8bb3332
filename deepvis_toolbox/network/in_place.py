"""Turns the in-place operations of a graph into ones that leave their input alone, with the same results."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.operations import called_name, operation_of
from deepvis_toolbox.network.users_line import code_of, line_of
from deepvis_toolbox.network.written_parts import WrittenParts, laid_over

AUGMENTED: dict[Any, Any] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ifloordiv: operator.floordiv,
    operator.imod: operator.mod,
    operator.ipow: operator.pow,
}
"""`x += y` and its like: they overwrite a tensor, not a number."""

_HOMES = (F, torch)
"""Where torch keeps a function that overwrites its first argument, `name_`, beside the one that does not, `name`."""

_OTHER_VIEWS = frozenset({"getitem", "float", "type_as"})
"""What may return (part of) its own input, and does not say so in torch's signatures."""
_VIEW_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "data", "real", "imag"})

Modules = Mapping[str, nn.Module]


def without_overwriting(graph_module: fx.GraphModule) -> None:
    """Rewrite every in-place operation.

    Who reads the overwritten tensor later must see the new value, so its later readers are pointed at the new node.
    Raises `ToolboxError` with the user's line where that cannot be done: other views of the tensor are read later, or
    the operation has no other form. Leaves it to the caller to recompile.
    """
    modules = dict(graph_module.named_modules())
    overwriting = _set_out_of_place(graph_module.graph, modules)
    position = {node: index for index, node in enumerate(graph_module.graph.nodes)}
    sharing: dict[fx.Node, set[fx.Node]] = {}  # the nodes that in the user's module share a node's memory
    parts = WrittenParts()
    for node in list(graph_module.graph.nodes):
        overwrites = _make_out_of_place(node, modules, overwriting)
        shared = overwrites or _may_view(node, modules)
        first = node.args[0] if shared and isinstance(node.args[0], fx.Node) else None
        sharing[node] = sharing[first] if first else set()
        sharing[node].add(node)
        parts.note(node)
        if overwrites and first:
            replaced = parts.written(first, node)
            for made in replaced.values():
                position[made], sharing[made] = position[node], sharing[node]
            _read_anew(node, replaced, sharing[node], position)


def _read_anew(
    node: fx.Node, replaced: Mapping[fx.Node, fx.Node], sharing: set[fx.Node], position: Mapping[fx.Node, int]
) -> None:
    """Point whatever reads an overwritten tensor behind `node` at the new one."""
    later = {view: [each for each in view.users if position[each] > position[node]] for view in sharing}
    made = {*replaced.values()}
    stale = [reader for view, readers in later.items() if view not in replaced.keys() | made for reader in readers]
    _refuse_stale_readers(node, stale)
    for view, new in replaced.items():
        for reader in later.get(view, ()):
            reader.replace_input_with(view, new)
    sharing |= made


def _set_out_of_place(graph: fx.Graph, modules: Modules) -> set[nn.Module]:
    """Clear the flag of every module that the graph calls; give those that had it."""
    called = {modules[str(node.target)] for node in graph.nodes if node.op == "call_module"}
    overwriting = {module for module in called if getattr(module, "inplace", False)}
    for part in {part for module in called for part in module.modules()}:
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    return overwriting


def _make_out_of_place(node: fx.Node, modules: Modules, overwriting: set[nn.Module]) -> bool:
    """Rewrite one node; True where it used to overwrite its first argument."""
    if isinstance(node.kwargs.get("out"), fx.Node):
        raise _refused(node, "writes its result into a tensor; leave `out` away and use what is returned")
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.op == "call_module":
        return modules[str(node.target)] in overwriting
    if node.op == "call_function" and node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    if node.op == "call_function" and node.target in AUGMENTED:
        node.target = AUGMENTED[node.target]
        return not is_number(node.args[0])
    if node.op == "call_function":
        return _make_function_out_of_place(node)
    return node.op == "call_method" and _make_method_out_of_place(node)


def _make_function_out_of_place(node: fx.Node) -> bool:
    name = getattr(node.target, "__name__", "")
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.is_mutable and _make_overload_out_of_place(node, node.target)
    if not _overwrites_by_name(name):
        return False
    other = next((getattr(home, name[:-1], None) for home in _HOMES if getattr(home, name, None) is node.target), None)
    if not callable(other):
        raise _refused(node, f"overwrites a tensor, and {name} has no other form; compute a new tensor instead")
    node.target = other
    return True


def _make_overload_out_of_place(node: fx.Node, overload: torch._ops.OpOverload) -> bool:
    """Take the overload of the same arguments that gives a new tensor: `aten.add_.Tensor`, `aten.add.Tensor`."""
    if overload is torch.ops.aten.copy_.default:
        node.target = laid_over
        return True
    name, written = called_name(node), [each for each in overload._schema.arguments if each.is_write]
    other = getattr(getattr(torch.ops.aten, name, None), overload._overloadname, None)
    if other is None or other._schema.is_mutable or written != overload._schema.arguments[:1]:
        raise _refused(node, f"overwrites a tensor by {overload}; call the form that gives a new one")
    node.target = other
    return True


def _overwrites_by_name(name: str) -> bool:
    """Return whether this is how torch calls a function or method that overwrites a tensor: `relu_`."""
    return name.endswith("_") and not name.endswith("__")


def _make_method_out_of_place(node: fx.Node) -> bool:
    method = str(node.target)
    if method == "view":  # a channels-last tensor has no such view
        node.target = "reshape"
    if not _overwrites_by_name(method):
        return False
    if not callable(getattr(torch.Tensor, method[:-1], None)):
        raise _refused(node, f"overwrites a tensor, and {method} has no other form; compute a new tensor instead")
    node.target = method[:-1]
    return True


def is_number(node: fx.Node) -> bool:
    """Return whether the node is a size, or computed from sizes alone."""
    if node.op == "call_method":
        return node.target in ("size", "dim", "numel")
    if node.target is getattr:
        return node.args[1] in ("shape", "ndim")
    if isinstance(node.target, torch._ops.OpOverload):
        return called_name(node).startswith("sym_")
    return node.op == "call_function" and bool(node.all_input_nodes) and all(map(is_number, node.all_input_nodes))


def asks_no_value(node: fx.Node) -> bool:
    """Return whether the node is computed from what a tensor is like alone: its sizes, dtype or device."""
    of_its_kind = node.target is getattr and node.args[1] in ("dtype", "device", "is_cuda")
    return of_its_kind or is_number(node)


def _may_view(node: fx.Node, modules: Modules) -> bool:
    """Return whether the node's value may be its first argument, or share memory with it."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        return isinstance(module, (nn.Identity, nn.Flatten, nn.Unflatten)) or _is_dropout(node, modules)
    if node.op not in ("call_function", "call_method") or not node.args:
        return False
    if node.target is getattr:
        return node.args[1] in _VIEW_ATTRIBUTES
    return _views_by_signature(called_name(node)) or _is_dropout(node, modules)


def _is_dropout(node: fx.Node, modules: Modules) -> bool:
    return operation_of(node, modules).kind == "dropout"


@cache
def _views_by_signature(name: str) -> bool:
    """Return whether torch's own signatures of a function say that it may return a view of its input."""
    packet = getattr(torch.ops.aten, name, None)
    if packet is None or name in _OTHER_VIEWS:
        return name in _OTHER_VIEWS
    results = [result for overload in packet.overloads() for result in getattr(packet, overload)._schema.returns]
    return any(result.alias_info is not None and not result.alias_info.is_write for result in results)


def _refuse_stale_readers(node: fx.Node, readers: list[fx.Node]) -> None:
    if readers:
        line = line_of(readers[0])
        where = f"`{code_of(line)}` (line {line[1]})" if line else "the output"
        raise _refused(node, f"overwrites a tensor of which another view is read later, by {where}; compute a new one")


def _refused(node: fx.Node, why: str) -> ToolboxError:
    line = line_of(node)
    return ToolboxError(f"{line[0]}:{line[1]}: `{code_of(line)}` {why}" if line else f"{node.format_node()} {why}")
