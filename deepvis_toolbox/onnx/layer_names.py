"""Layers' names in a graph from an ONNX file: a person's words for a node, from what its exporter wrote.

`/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`; so is a node without a name that reads `layer1.0.conv1.weight`.
Several operations in one module are told apart by what they do: `layer1.0.add`. Otherwise the name of what a node gives
is taken, as the older exporters name their blobs.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from torch import fx

LONGEST = 120
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization", "PRelu"})
_SCOPES = "pkg.torch.onnx.name_scopes"


def name_nodes(graph: fx.Graph, nodes: Any) -> None:
    """Note on every node that gives what a node of the file gives its layer's name (`meta["path"]`); on the others that
    they are steps inside (`meta["is_inner_view"]`). `nodes`: the file's."""
    last: dict[int, fx.Node] = {}
    for node in graph.nodes:
        if "onnx" in node.meta:
            node.meta["is_inner_view"] = True
            last[node.meta["onnx"]] = node
    scopes = {index: _scope_of(nodes[index]) for index in last}
    inside: dict[str, set[str]] = defaultdict(set)
    for index, scope in scopes.items():
        inside[scope].add(nodes[index].op_type)
    holding = {scope for scope in inside for other in inside if other != scope and other.startswith(f"{scope}.")}
    wholes = _wholes([scopes[index] for index in last], inside, holding)
    for index, node in last.items():
        node.meta["is_inner_view"] = False
        node.meta["path"] = _named(nodes[index], scopes[index], wholes, {*scopes.values()})[:LONGEST]


def _wholes(scopes: Iterable[str], inside: dict[str, set[str]], holding: set[str]) -> set[str]:
    """Return the scopes that one operator fills, so that it bears the scope's own name."""
    return {scope for scope in scopes if scope and len(inside[scope]) == 1 and scope not in holding}


def _named(node: Any, scope: str, wholes: set[str], called: set[str]) -> str:
    """Return a layer's name. `called`: the modules that have nodes of their own, whose weights others may read, too."""
    if scope in wholes:
        return scope
    operation = node.op_type.lower()
    by_weight = _path_of_weight(node)
    borrows = by_weight in called and by_weight != scope
    if by_weight and not borrows and (not scope or by_weight.startswith(scope)):
        return by_weight
    if scope:
        return f"{scope}.{operation}"
    if _scope_parts(node) is not None:
        return operation
    return _clean(_plain_name(node)) or operation


def _scope_of(node: Any) -> str:
    parts = _scope_parts(node)
    return "" if parts is None else _joined(parts)


def _scope_parts(node: Any) -> list[str] | None:
    """Return the modules around a node, from the outermost; None where nothing says."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            found = re.findall(r"'([^']*)'", entry.value)
            return [_clean(part) for part in found[:-1] if part]
    name = node.name or next(iter(node.output), "")
    if not name.startswith("/"):
        return None
    return [_clean(part) for part in name.strip("/").split("/")[:-1] if part]


def _joined(parts: Iterable[str]) -> str:
    """Return a path of modules; a part that begins with the whole path, or with the part before it, stands for both."""
    path = last = ""
    for part in parts:
        if path and part.startswith(f"{path}."):
            path = part
        elif last and part.startswith(f"{last}."):
            path = path[: len(path) - len(last)] + part
        else:
            path = f"{path}.{part}" if path else part
        last = part
    return path


def _path_of_weight(node: Any) -> str:
    if node.op_type not in _WEIGHTED or len(node.input) < 2:
        return ""
    name = node.input[1]
    return _clean(name.removesuffix(".weight")) if name.endswith(".weight") else ""


def _plain_name(node: Any) -> str:
    output = next((each for each in node.output if each), "")
    if not output.isdigit():
        return output or node.name
    return node.name or f"{node.op_type.lower()}_{output}"


_ENDINGS = re.compile(r"(_output_\d+|:\d+|__\d+)$")


def _clean(name: str) -> str:
    """Return a name without what no address can hold, and without the exporters' own additions."""
    bare = _ENDINGS.sub("", name.strip("/"))
    return re.sub(r"[^\w./+-]", "_", bare).strip("._")


def without_common_scope(graph: fx.Graph) -> None:
    """Take away the folders that all names begin with, as TensorFlow's `StatefulPartitionedCall/model/`."""
    named = [node for node in graph.nodes if node.meta.get("path") and not node.meta.get("is_inner_view")]
    heads = Counter(node.meta["path"].partition("/")[0] for node in named if "/" in node.meta["path"])
    if named and len(heads) == 1 and sum(heads.values()) == len(named):
        for node in named:
            node.meta["path"] = node.meta["path"].partition("/")[2]
        without_common_scope(graph)
