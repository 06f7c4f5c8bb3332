"""From a user's nn.Module to one torch.fx graph in which no operation overwrites another's result."""

from __future__ import annotations

import copy
import linecache
import traceback
from collections import Counter
from pathlib import Path

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.operations import IN_PLACE_FUNCTIONS, called_name

_TORCH_FOLDER = str(Path(torch.__file__).parent)


class _LayerTracer(fx.Tracer):
    """Keeps torch's own modules, and those that say what they are by `kind`, as single nodes."""

    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(getattr(type(module), "kind", None), str):
            return True
        return super().is_leaf_module(module, module_qualified_name)


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """The module's graph, in evaluation mode, on a copy of the module: the module itself is left as it is.

    Nodes that compute a layer carry `meta["layer"]`; nodes of a module whose class says `one_layer = True` share that
    module's name. Raises `ToolboxError` that names the line of the module which stopped the tracing.
    """
    own = copy.deepcopy(module).eval().requires_grad_(False)
    for part in own.modules():
        if getattr(part, "inplace", False):
            part._overwrites_input = True  # type: ignore[assignment]  # what the author meant, seen by _without_overwriting
            part.inplace = False  # type: ignore[assignment]
    tracer = _LayerTracer()
    try:
        graph = tracer.trace(own)
    except Exception as error:
        raise ToolboxError(_why_untraceable(module, error)) from error
    graph_module = fx.GraphModule(tracer.root, graph)
    graph_module.meta["input_shape"] = tuple(input_shape)
    _without_overwriting(graph_module)
    _name_layers(graph_module)
    graph_module.graph.lint()
    return graph_module


def _why_untraceable(module: nn.Module, error: Exception) -> str:
    """Names the user's own line that stopped the tracing, and what can be done about it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_TORCH_FOLDER)]
    own = [f for f in frames if f.filename != __file__ and not f.filename.startswith("<")]
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not own:
        return f"{type(module).__name__} cannot be traced by torch.fx: {reason}"
    line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return (
        f"{own[-1].filename}:{own[-1].lineno}: torch.fx cannot trace `{line}` of {type(module).__name__} ({reason}); "
        "decisions that depend on a tensor's values or size must go: use fixed sizes, torch.where, or move that part "
        'into a module of its own whose class has an attribute kind = "…", which is then kept as one layer'
    )


def _without_overwriting(graph_module: fx.GraphModule) -> None:
    """Turns in-place operations into ones that leave their input alone, with the same results.

    Who reads the overwritten tensor later must see the new value, so its later readers are pointed at the new node.
    """
    position = {node: index for index, node in enumerate(graph_module.graph.nodes)}
    modules = dict(graph_module.named_modules())
    for node in list(graph_module.graph.nodes):
        if not _make_out_of_place(node, modules):
            continue
        overwritten = node.args[0]
        for reader in list(overwritten.users):
            if position[reader] > position[node]:
                reader.replace_input_with(overwritten, node)
    graph_module.recompile()


def _make_out_of_place(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Rewrites one node; True where it used to overwrite its first argument."""
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.op == "call_module":
        return getattr(modules[str(node.target)], "_overwrites_input", False)
    if node.op == "call_function" and node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    if node.op == "call_function" and node.target in IN_PLACE_FUNCTIONS:
        node.target = IN_PLACE_FUNCTIONS[node.target]
        return True
    if node.op == "call_method":
        method = str(node.target)
        if method == "view":  # a channels-last tensor has no such view
            node.target = "reshape"
        elif method.endswith("_") and not method.endswith("__"):
            node.target = method[:-1]
            return True
    return False


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
