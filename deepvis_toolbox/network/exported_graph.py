"""From a program of torch.export to a graph as torch.fx makes it: over the module's own parts, with layers' paths."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload
from torch.utils import _pytree

from deepvis_toolbox.network.kept_calls import KeptCall, KeptCalls, TensorNumber
from deepvis_toolbox.network.layer_names import name_inside_modules
from deepvis_toolbox.network.layer_nodes import attribute
from deepvis_toolbox.network.operations import called_name
from deepvis_toolbox.network.users_line import line_in

_OWN = "own"
"""What the exported module calls the user's."""

_IN_PARTS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Operations that run a part of a program in another way, by name: where among their arguments the part stands."""

_WAYS = ("no_grad", "autocast")
"""In which other way an operation was run, as a program from a file notes it."""

_SAYING_NOTHING = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range", "_check")
"""What a program holds beside what it computes."""

_AS_THEY_ARE = ("lift_fresh_copy", "detach_", "detach", "lift", "alias")
"""What a program does to its constants."""


def graph_of_program(program: fx.GraphModule, own: nn.Module, calls: KeptCalls) -> fx.Graph:
    """Return the graph of a program: an exported one's module, where that holds `own` as its part of that name; or one
    over `own` itself.

    Tensors that `forward` makes of numbers become buffers of `own`. Each node notes which modules it was called in, and
    by which line.
    """
    return _Copying(program, own, calls).graph


class _Copying:
    """Copies a program's nodes one by one."""

    def __init__(self, program: fx.GraphModule, own: nn.Module, calls: KeptCalls) -> None:
        self._program, self._own, self._calls = program, own, calls
        self._prefix = "" if program is own else f"{_OWN}."
        self.graph = fx.Graph()
        self._attributes: dict[str, fx.Node] = {}
        self._made: set[fx.Node] = set()
        """Constants that forward makes, and not the module's own tensors."""
        self._written = _written_in(program.graph)
        self._calls_of = Counter(_torch_call(node) for node in program.graph.nodes)
        found = self._copy(program.graph, {}, {})
        tensors = [leaf for leaf in _pytree.tree_leaves(found) if isinstance(leaf, fx.Node)]
        self.graph.output(tuple(tensors))
        name_inside_modules(self.graph)

    def _copy(self, graph: fx.Graph, known: dict[fx.Node, Any], within: Mapping[str, Any]) -> Any:
        """Copy a graph's nodes behind those that are there; `known`: what stands for its placeholders. Gives what it
        returns."""
        for node in graph.nodes:
            if node.op == "output":
                return fx.node.map_arg(node.args[0], known.__getitem__)
            if node not in known:
                known[node] = self._copied(node, known, within)
        raise ValueError("a graph without an output")

    def _copied(self, node: fx.Node, known: dict[fx.Node, Any], within: Mapping[str, Any]) -> Any:
        if node.op == "placeholder":
            return self.graph.placeholder("image")
        if node.op == "get_attr":
            return self._attribute(str(node.target), is_written=node in self._written)
        given: Any = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
        args, named = given
        name = getattr(node.target, "__name__", "").partition(".")[0]
        if name in _IN_PARTS:
            return self._inlined(name, args)
        if name in _SAYING_NOTHING or (name.startswith("sym_constrain") and not node.users):
            return None
        if name in _AS_THEY_ARE and isinstance(args[0], fx.Node) and args[0].op == "get_attr":
            return args[0]
        if node.target is torch.ops.aten.slice.Tensor and _takes_all(args):
            return args[0]
        if node.target is operator.getitem and not isinstance(args[0], fx.Node):
            return args[0][args[1]]
        if node.target is torch.ops.deepvis_toolbox.kept.default:
            return self._kept(node, args, within)
        constant = None if node in self._written else self._settled(node.target, args, named)
        if constant is not None:
            return constant
        return self._noted(self.graph.call_function(_with_any_layout(node.target), args, named), node, within)

    def _kept(self, node: fx.Node, args: tuple[Any, ...], within: Mapping[str, Any]) -> Any:
        """Put a call that was kept whole back; gives a list of what stands for its tensors."""
        call: KeptCall = self._calls.by_number[args[1]]
        given, named = call.arguments_with(list(args[0]))
        if isinstance(call.target, str):
            made = self.graph.call_module(call.target, given, named)
        else:
            made = self.graph.call_function(call.target, given, named)
        self._noted(made, node, within)
        parts: dict[int, Any] = {}
        for path, leaf in _pytree.tree_flatten_with_path(call.given)[0]:
            if isinstance(leaf, TensorNumber):
                parts[leaf] = self._part(made, path)
        return [parts[number] for number in range(len(parts))]

    def _part(self, made: fx.Node, path: Any) -> fx.Node:
        for step in path:
            where = getattr(step, "idx", getattr(step, "key", None))
            made = self.graph.call_function(operator.getitem, (made, where))
        return made

    def _inlined(self, name: str, args: tuple[Any, ...]) -> Any:
        at = _IN_PARTS[name]
        part: fx.GraphModule = args[at]
        inside = {"no_grad": not args[0]} if name == "wrap_with_set_grad_enabled" else {"autocast": bool(args[2])}
        placeholders = [node for node in part.graph.nodes if node.op == "placeholder"]
        return self._copy(part.graph, dict(zip(placeholders, args[at + 1 :], strict=True)), inside)

    def _attribute(self, path: str, *, is_written: bool) -> Any:
        found: Any = self._program
        for part in path.split("."):
            found = getattr(found, part)
        if isinstance(found, fx.GraphModule):
            return found
        if path not in self._attributes:
            own = path.removeprefix(self._prefix)
            is_own = path.startswith(self._prefix) and _holds(self._own, own)
            self._attributes[path] = self.graph.get_attr(own) if is_own else self._constant(found)
            if is_written:
                self._made.discard(self._attributes[path])
        return self._attributes[path]

    def _constant(self, tensor: torch.Tensor) -> fx.Node:
        name = "constant_0"
        while hasattr(self._own, name):
            name = f"constant_{int(name.rpartition('_')[2]) + 1}"
        self._own.register_buffer(name, tensor.detach().clone())
        node = self.graph.get_attr(name)
        self._made.add(node)
        return node

    def _settled(self, target: Any, args: tuple[Any, ...], named: dict[str, Any]) -> fx.Node | None:
        """Return the constant that an operation on constants alone gives; None where it is no such operation."""
        below: list[fx.Node] = []
        fx.node.map_arg((args, named), below.append)
        drawn = torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())
        if not isinstance(target, OpOverload) or drawn or target._schema.is_mutable or not self._made.issuperset(below):
            return None
        given = fx.node.map_arg((args, named), lambda node: getattr(self._own, str(node.target)))
        found = target(*given[0], **given[1])
        return self._constant(found) if isinstance(found, torch.Tensor) else None

    def _noted(self, made: fx.Node, node: fx.Node, within: Mapping[str, Any]) -> fx.Node:
        made.meta |= {**{name: node.meta[name] for name in _WAYS if name in node.meta}, **within}
        made.meta["nn_module_stack"] = self._stack(node)
        line = line_in(node.meta.get("stack_trace"))
        if line is not None:
            made.meta["line"] = line
        if made.op == "call_function" and self._calls_of[_torch_call(node)] == 1:
            made.meta["called"] = _name_in_python(node, made)
        return made

    def _stack(self, node: fx.Node) -> dict[str, tuple[str, type]]:
        """Return the user's modules around a node, the innermost last: {key of the call: (path, class)}."""
        found = {}
        for key, (path, kind) in (node.meta.get("nn_module_stack") or {}).items():
            own = path.removeprefix(self._prefix)
            if f"{path}." not in (".", self._prefix):
                found[key] = (own, _class_at(self._own, own, kind))
        return found


def _written_in(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes that are written to later, and what they are views of: their values are not settled."""
    written: set[fx.Node] = set()
    for node in graph.nodes:
        if not isinstance(node.target, OpOverload) or not node.target._schema.is_mutable or "detach" in node.name:
            continue
        below: Any = node.args[0]
        while isinstance(below, fx.Node):
            written.add(below)
            below = below.args[0] if below.args else None
    return written


def _torch_call(node: fx.Node) -> str:
    """Return which call of torch's the node comes from: a function may be several operations."""
    return str((node.meta.get("torch_fn") or ("",))[0])


def _name_in_python(node: fx.Node, made: fx.Node) -> str:
    """Return the name of what the user called: `F.relu6`, where the operation is a hardtanh."""
    kind, _, name = str((node.meta.get("torch_fn") or ("", ""))[1]).rpartition(".")
    if not name or kind.startswith("OpOverload"):
        return called_name(made)
    return _AS_IN_FX.get(name, name).strip("_")


_AS_IN_FX = {"div": "truediv", "view": "reshape", "__get__": "getattr"}
"""What torch.fx, and what is done with its graphs, calls these."""


def _holds(own: nn.Module, path: str) -> bool:
    try:
        attribute(own, path)
    except AttributeError:
        return False
    return True


def _class_at(own: nn.Module, path: str, written: object) -> type:
    """Return the class of a module; where it is not at hand, that of torch's of this name."""
    try:
        found = type(own.get_submodule(path))
    except AttributeError:  # made in forward
        found = nn.Module
    return _TORCHS.get(str(written), found) if found is nn.Module else found


_TORCHS = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in vars(nn).values() if isinstance(kind, type)}


def _takes_all(args: tuple[Any, ...]) -> bool:
    """Return whether a slice takes all that there is."""
    usual = ((2, None), (3, None), (4, 1))
    start, end, step = (args[at] if len(args) > at else default for at, default in usual)
    return start in (0, None) and (end is None or (isinstance(end, int) and end >= 1 << 62)) and step == 1


def _with_any_layout(target: Any) -> Any:
    """Return what gives the same where maps lie channels-last in memory, of which there is no such view."""
    views = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)
    return torch.ops.aten.reshape.default if target in views else target
