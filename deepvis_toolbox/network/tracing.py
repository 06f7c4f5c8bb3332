"""From a user's nn.Module to one torch.fx graph in which no operation overwrites another's result."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.utils import checkpoint

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.batch_norm import settle_inner_norms
from deepvis_toolbox.network.graph_paths import move_clashing
from deepvis_toolbox.network.in_place import asks_no_value, without_overwriting
from deepvis_toolbox.network.operations import called_name
from deepvis_toolbox.network.own_copy import own_copy
from deepvis_toolbox.network.own_derivatives import functions_kept_whole
from deepvis_toolbox.network.plain_modules import is_torchs_by_another_name
from deepvis_toolbox.network.promise import promise_of, same_random_numbers
from deepvis_toolbox.network.proxies import Proxy, tensors_are_told
from deepvis_toolbox.network.rectifier_forms import name_rectifiers
from deepvis_toolbox.network.rehearsal import Rehearsal
from deepvis_toolbox.network.scripted_functions import scripted_functions_opened
from deepvis_toolbox.network.users_line import code_of, is_within, line_of_error, note_line, told


class _LayerTracer(fx.Tracer):
    """Keeps torch's own modules, and those that say what they are by `kind`, as single nodes."""

    def __init__(self, rehearsal: Rehearsal | None) -> None:
        super().__init__()
        self.rehearsal = rehearsal
        self.stopped_in: nn.Module | None = None
        """The innermost module in which tracing stopped."""

    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(getattr(type(module), "kind", None), str):
            return True
        return super().is_leaf_module(module, module_qualified_name) or is_torchs_by_another_name(type(module))

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._is_rehearsing:
            return forward(*args, **kwargs)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.stopped_in = self.stopped_in or m
            raise

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._is_rehearsing else super().getattr(attr, attr_val, parameter_proxy_cache)

    @property
    def _is_rehearsing(self) -> bool:
        return self.rehearsal is not None and self.rehearsal.is_running

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """Take one image in; whatever else `forward` takes has its default value."""
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
        node.meta["autocast"] = torch.is_autocast_enabled("cpu")
        node.meta["no_grad"] = not torch.is_grad_enabled() and not is_within(checkpoint.__file__)
        return node

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Proxy(node, self)


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """Return the module's graph, in evaluation mode, on a copy of the module: the module itself is left as it is.

    Nodes that compute a layer carry `meta["layer"]`; nodes of a module whose class says `one_layer = True` share that
    module's name. Raises `ToolboxError` that names the line of the module which stopped the tracing.
    """
    own = own_copy(module)
    promise = promise_of(own, input_shape)
    tracer = _LayerTracer(Rehearsal(own, input_shape, alone=promise.takes_one_at_a_time) if promise else None)
    try:
        with (
            tensors_are_told(own),
            functions_kept_whole(),
            scripted_functions_opened(),
            same_random_numbers(),
            torch.enable_grad(),
        ):
            graph = tracer.trace(own)
    except ToolboxError:
        raise
    except Exception as error:  # whatever a user's module does
        raise ToolboxError(_why_untraceable(tracer.stopped_in or module, error)) from error
    move_clashing(graph, own)
    graph_module = fx.GraphModule(own, graph)
    graph_module.meta["input_shape"] = tuple(input_shape)
    graph_module.meta["promise"] = promise
    without_overwriting(graph_module)
    name_rectifiers(graph_module)
    settle_inner_norms(graph_module)
    _name_layers(graph_module)
    graph_module.meta["not_followed"] = _not_followed(graph)
    graph_module.graph.lint()
    graph_module.recompile()
    return graph_module


_ADVICE = {
    "is not installed as a submodule": "make the module in __init__ (self.relu = nn.ReLU()), so that it has a name",
    "zeros(": "take the size from a tensor: x.new_zeros(x.shape), or torch.zeros_like",
    "ones(": "take the size from a tensor: x.new_ones(x.shape), or torch.ones_like",
    "expand(": "take the size from a tensor: expand_as, or leave it away where broadcasting does the same",
    "int() argument": "leave int() away where the number of pictures is in it: x.shape[0] // n",
    "repeat(": "give the numbers one by one: x.repeat(n, 1, 1)",
}
"""By a part of the line, or of the reason: what to write instead."""


def _why_untraceable(module: nn.Module, error: Exception) -> str:
    """Name the user's own line that stopped the tracing, and what can be done about it."""
    line, reason, name = line_of_error(error), reason_of(error), type(module).__name__
    if line is None:
        return f"{name} cannot be traced by torch.fx: {reason}"
    told = f"{line[0]}:{line[1]}: torch.fx cannot trace `{code_of(line)}` of {name} ({reason})"
    advice = next((advice for part, advice in _ADVICE.items() if part in f"{code_of(line)} {reason}"), None)
    if advice:
        return f"{told}; {advice}"
    if not isinstance(error, fx.proxy.TraceError) and "Proxy" not in reason:
        return told
    return (
        f"{told}; decisions that depend on a tensor's values, or on the number of pictures, must go: use torch.where, "
        'or move that part into a module of its own whose class has an attribute kind = "…", which is then kept as one '
        "layer"
    )


def _not_followed(graph: fx.Graph) -> list[str]:
    """Return what a user should know of what a graph does not follow."""
    frozen = next((node for node in graph.nodes if "layer" in node.meta and node.meta.get("no_grad")), None)
    if frozen is None:
        return []
    return [f"what forward computes under torch.no_grad(), from {told(frozen)} on, is differentiated all the same"]


def _name_layers(graph_module: fx.GraphModule) -> None:
    """Give every computing node its layer's name: the module's path, or the scope and the function's name.

    No two layers have one name, whatever the modules are called: a module's first use has its path, all others the
    next free number.
    """
    graph = graph_module.graph
    reads_input = _nodes_that_read_input(graph)
    left = ("output", "get_attr", "placeholder")
    computing = [node for node in graph.nodes if node in reads_input and node.op not in left]
    names = _Names({_one_layer_scope(node) or str(node.target) for node in computing if _has_path(node)})
    groups: dict[tuple[str, int], str] = {}
    for node in computing:
        group = _one_layer_scope(node)
        if not group:
            node.meta["layer"] = names.take(_plain_name(node), is_path=node.op == "call_module")
            continue
        key = (group, _use_of(node, group))
        if key not in groups:
            groups[key] = names.take(group, is_path=True)
        node.meta["layer"] = groups[key]
    next(node for node in graph.nodes if node.op == "placeholder").meta["layer"] = INPUT_LAYER


INPUT_LAYER = "data"


def _has_path(node: fx.Node) -> bool:
    return node.op == "call_module" or bool(_one_layer_scope(node))


class _Names:
    """Gives names out, each once. The paths of modules are kept for the modules."""

    def __init__(self, paths: set[str]) -> None:
        self._taken = {INPUT_LAYER}
        self._paths = paths
        self._next: Counter[str] = Counter()

    def take(self, name: str, *, is_path: bool) -> str:
        """Return the name at its first use, then name_1, name_2, …, whichever of them is free."""
        found = name
        while found in self._taken or (found in self._paths and not (is_path and found == name)):
            self._next[name] += 1
            found = f"{name}_{self._next[name]}"
        self._taken.add(found)
        return found


def _nodes_that_read_input(graph: fx.Graph) -> set[fx.Node]:
    reading: set[fx.Node] = set()
    for node in graph.nodes:
        reads = node.op == "placeholder" or any(parent in reading for parent in node.all_input_nodes)
        if reads and not asks_no_value(node):
            reading.add(node)
    return reading


def _one_layer_scope(node: fx.Node) -> str:
    """Return the path of the outermost enclosing module that is shown as one layer, or an empty string.

    Its class is asked, not the module: a GraphModule keeps only shells of the modules that contain others.
    """
    for path, module_type in (node.meta.get("nn_module_stack") or {}).values():
        if getattr(module_type, "one_layer", False):
            return str(path)
    return ""


def _use_of(node: fx.Node, group: str) -> int:
    """Return which call of a module used more than once the node belongs to: torch.fx numbers calls in the stack's
    keys."""
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
    called = node.meta.get("called") or called_name(node)
    return f"{scope}.{called}" if scope else called
