"""The layers' names in a graph that was made of a module: the modules' paths, scopes and functions' names."""

from __future__ import annotations

from collections import Counter

from torch import fx, nn

from deepvis_toolbox.network.in_place import asks_no_value
from deepvis_toolbox.network.operations import called_name

INPUT_LAYER = "data"


def name_layers(graph_module: fx.GraphModule) -> None:
    """Give every computing node its layer's name: the module's path, or the scope and the function's name.

    No two layers have one name, whatever the modules are called: a module's first use has its path, all others the
    next free number.
    """
    graph = graph_module.graph
    reads_input = _nodes_that_read_input(graph)
    left = ("output", "get_attr", "placeholder")
    reads_input -= {node for node in reads_input if node.meta.get("is_inner_view")}
    computing = [node for node in graph.nodes if node in reads_input and node.op not in left]
    names = _Names({_one_layer_scope(node) or _plain_name(node) for node in computing if _has_path(node)})
    groups: dict[tuple[str, int], str] = {}
    for node in computing:
        group = _one_layer_scope(node)
        if not group:
            node.meta["layer"] = names.take(_plain_name(node), is_path=_has_path(node))
            continue
        key = (group, _use_of(node, group))
        if key not in groups:
            groups[key] = names.take(group, is_path=True)
        node.meta["layer"] = groups[key]
    next(node for node in graph.nodes if node.op == "placeholder").meta["layer"] = INPUT_LAYER


def _has_path(node: fx.Node) -> bool:
    return node.op == "call_module" or "path" in node.meta or bool(_one_layer_scope(node))


def name_inside_modules(graph: fx.Graph) -> None:
    """Note the paths (`meta["path"]`) of operations that are torch's modules in all but name.

    What reads `attention.out_proj.weight` is `attention.out_proj`, and what one of torch's modules that has no other
    inside gives bears that module's own path.
    """
    calls: dict[str, list[fx.Node]] = {}
    called = paths_called(graph)
    for node in graph.nodes:
        stack = node.meta.get("nn_module_stack") or {}
        if node.op != "call_function" or not stack:
            continue
        path = _path_of_weight(node, str(list(stack.values())[-1][0]))
        if path and not borrows(node, path, called):
            node.meta["path"] = path
        for key in stack:
            calls.setdefault(key, []).append(node)
    for key, nodes in calls.items():
        path, kind = nodes[0].meta["nn_module_stack"][key]
        if not _is_torchs_leaf(kind) or any(list(node.meta["nn_module_stack"])[-1] != key for node in nodes):
            continue
        inside = set(nodes)
        given = [node for node in nodes if not inside.issuperset(node.users)]
        for node in given[-1:]:
            node.meta["path"] = path
        for node in nodes:
            node.meta["is_inner_view"] = "path" not in node.meta and called_name(node) in _VIEWS


def paths_called(graph: fx.Graph) -> set[str]:
    """Return the paths of the modules that are called themselves, and not only have their tensors read by others."""
    modules = {str(node.target) for node in graph.nodes if node.op == "call_module"}
    return modules | {path for path, _ in map(_innermost, graph.nodes)}


def borrows(node: fx.Node, path: str, called: set[str]) -> bool:
    """Return whether a node reads the tensors of a module that is `called` elsewhere: `F.linear(x, self.fc.weight)` is
    not the layer `fc`, where there is one."""
    scope, kind = _innermost(node)
    is_torchs = kind is not nn.Module and _is_torchs_leaf(kind)
    return path in called and scope != path and not is_torchs


def _innermost(node: fx.Node) -> tuple[str, type]:
    stack = node.meta.get("nn_module_stack") or {}
    return next(reversed(stack.values()), ("", nn.Module))


def _path_of_weight(node: fx.Node, scope: str) -> str:
    """Return what the weight that a node reads belongs to, where that lies inside of the module; else an empty text."""
    weight = node.args[1] if called_name(node) in ("linear", "conv2d") and len(node.args) > 1 else None
    if not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return ""
    path, _, name = str(weight.target).rpartition(".")
    path = f"{path}.{name}".removesuffix("weight").rstrip("._")
    return path if path.startswith(f"{scope}.") else ""


_VIEWS = frozenset(
    {"transpose", "permute", "reshape", "view", "unflatten", "flatten", "squeeze", "unsqueeze", "select", "slice"}
    | {"contiguous", "expand", "chunk", "split", "unbind", "getitem"}
)
"""What inside of a module of torch's only lays out anew what the module works on: nothing to look at."""


def _is_torchs_leaf(kind: type) -> bool:
    if issubclass(kind, nn.MultiheadAttention):
        return True
    return kind.__module__.startswith("torch.nn.modules.") and kind.__module__ != "torch.nn.modules.container"


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
    if node.op == "call_module" or "path" in node.meta:
        return str(node.meta.get("path", node.target))
    scopes = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    scope = str(scopes[-1]) if scopes else ""
    called = node.meta.get("called") or called_name(node)
    return f"{scope}.{called}" if scope else called
