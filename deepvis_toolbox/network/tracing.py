"""From a user's nn.Module to one torch.fx graph in which no operation overwrites another's result."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.in_place import AUGMENTED, without_overwriting
from deepvis_toolbox.network.operations import called_name
from deepvis_toolbox.network.users_line import code_of, line_of_error, note_line


class Proxy(fx.Proxy):
    """A proxy that records `x += y` as what it is; torch.fx would take it for `x = x + y`."""

    def __setitem__(self, *_: Any) -> None:
        raise NotImplementedError("it overwrites part of a tensor; make a new one with torch.cat or torch.where")


def _recorded_augmented(function: Callable[..., Any]) -> Callable[[fx.Proxy, Any], fx.Proxy]:
    return lambda left, right: left.tracer.create_proxy("call_function", function, (left, right), {})


for _function in AUGMENTED:
    setattr(Proxy, f"__{_function.__name__}__", _recorded_augmented(_function))


class _LayerTracer(fx.Tracer):
    """Keeps torch's own modules, and those that say what they are by `kind`, as single nodes."""

    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(getattr(type(module), "kind", None), str):
            return True
        return super().is_leaf_module(module, module_qualified_name)

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """One image goes in; whatever else `forward` takes has its default value."""
        assert is_module
        assert concrete_args is None
        others = list(inspect.signature(root_fn).parameters.values())[2:]
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        required = [other.name for other in others if other.default is other.empty and other.kind not in variadic]
        if required:
            raise ToolboxError(
                f"the forward of {type(self.root).__name__} needs {', '.join(required)} besides the image; give it a "
                "default value, or wrap the module in one that takes the image alone"
            )
        return root_fn, [self.root, self.create_proxy("placeholder", "image", (), {})]

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        note_line(node)
        return node

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Proxy(node, self)


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """The module's graph, in evaluation mode, on a copy of the module: the module itself is left as it is.

    Nodes that compute a layer carry `meta["layer"]`; nodes of a module whose class says `one_layer = True` share that
    module's name. Raises `ToolboxError` that names the line of the module which stopped the tracing.
    """
    tracer = _LayerTracer()
    own = _own_copy(module)
    try:
        graph = tracer.trace(own)
    except ToolboxError:
        raise
    except Exception as error:  # whatever a user's module does
        raise ToolboxError(_why_untraceable(module, error)) from error
    graph_module = fx.GraphModule(tracer.root, graph)
    graph_module.meta["input_shape"] = tuple(input_shape)
    without_overwriting(graph_module)
    _name_layers(graph_module)
    graph_module.graph.lint()
    return graph_module


def _own_copy(module: nn.Module) -> nn.Module:
    name = type(module).__name__
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise ToolboxError(f"{name} is compiled by torch.jit; give the module that it was made from")
    try:
        return copy.deepcopy(module).eval().requires_grad_(False)
    except Exception as error:  # whatever a user's module holds
        raise ToolboxError(
            f"{name} cannot be copied ({reason_of(error)}); copy.deepcopy must be able to copy all that it holds, and "
            "old weight_norm or spectral_norm must be taken off (torch.nn.utils.remove_weight_norm)"
        ) from error


def _why_untraceable(module: nn.Module, error: Exception) -> str:
    """Names the user's own line that stopped the tracing, and what can be done about it."""
    line, reason, name = line_of_error(error), reason_of(error), type(module).__name__
    if line is None:
        return f"{name} cannot be traced by torch.fx: {reason}"
    told = f"{line[0]}:{line[1]}: torch.fx cannot trace `{code_of(line)}` of {name} ({reason})"
    if not isinstance(error, fx.proxy.TraceError) and "Proxy" not in reason:
        return told
    return (
        f"{told}; decisions that depend on a tensor's values or size must go: use fixed sizes, torch.where, or move "
        'that part into a module of its own whose class has an attribute kind = "…", which is then kept as one layer'
    )


def _name_layers(graph_module: fx.GraphModule) -> None:
    """Gives every computing node its layer's name: the module's path, or the scope and the function's name."""
    used: Counter[str] = Counter()
    groups: dict[tuple[str, int], str] = {}
    reads_input = _nodes_that_read_input(graph_module.graph)
    for node in graph_module.graph.nodes:
        if node not in reads_input or node.op in ("output", "get_attr"):
            continue
        group = _one_layer_scope(node)
        if node.op == "placeholder":
            name = "data"
        elif group:
            key = (group, _use_of(node, group))
            if key not in groups:
                groups[key] = _numbered(group, used)
            name = groups[key]
        else:
            name = _numbered(_plain_name(node), used)
        node.meta["layer"] = name


def _nodes_that_read_input(graph: fx.Graph) -> set[fx.Node]:
    reading: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder" or any(parent in reading for parent in node.all_input_nodes):
            reading.add(node)
    return reading


def _one_layer_scope(node: fx.Node) -> str:
    """The path of the outermost enclosing module that is shown as one layer, or an empty string.

    Its class is asked, not the module: a GraphModule keeps only shells of the modules that contain others.
    """
    for path, module_type in (node.meta.get("nn_module_stack") or {}).values():
        if getattr(module_type, "one_layer", False):
            return str(path)
    return ""


def _use_of(node: fx.Node, group: str) -> int:
    """Which call of a module used more than once the node belongs to: torch.fx numbers calls in the stack's keys."""
    for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
        if path == group:
            _, at, number = str(key).rpartition("@")
            return int(number) if at and number.isdigit() else 0
    return 0


def _plain_name(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    scopes = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    scope = str(scopes[-1]) if scopes else ""
    return f"{scope}.{called_name(node)}" if scope else called_name(node)


def _numbered(name: str, used: Counter[str]) -> str:
    """The name at its first use, then name_1, name_2, …"""
    used[name] += 1
    return name if used[name] == 1 else f"{name}_{used[name] - 1}"
