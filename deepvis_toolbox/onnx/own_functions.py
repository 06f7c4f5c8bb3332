"""Functions that an ONNX file defines for itself, as exporters of PyTorch write them, put where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepvis_toolbox.errors import ToolboxError

MOST_DEPTH = 32
"""Functions that call functions."""
MOST_BYTES = 256 << 20
"""Of nodes that are written once for each call."""
_SCOPES = "pkg.torch.onnx.name_scopes"
Names = Mapping[str, str]


def put_functions_in_place(model: Any, opset: int, most_nodes: int) -> None:
    """Let no node of a ModelProto call a function of the file's own: the function's nodes take its place. One that is
    written for another opset than the file is left, and is no operator then.

    Raises `ToolboxError` where there would be more than `most_nodes`, or a function calls itself.
    """
    if model.functions:
        nodes = _Writing(model.functions, opset, most_nodes).nodes(model.graph.node, {}, None, 0)
        del model.graph.node[:]
        model.graph.node.extend(nodes)


def _key(node: Any) -> tuple[str, str, str]:
    return node.domain, node.op_type, getattr(node, "overload", "")


class _Writing:
    def __init__(self, functions: Iterable[Any], opset: int, most_nodes: int) -> None:
        self._functions = {
            (each.domain, each.name, getattr(each, "overload", "")): each
            for each in functions
            if _opset_of(each, opset) == opset
        }
        self._most_nodes, self._written, self._bytes, self._calls = most_nodes, 0, 0, 0

    def nodes(self, nodes: Iterable[Any], names: Names, call: Any | None, depth: int) -> list[Any]:
        """Return these nodes, of the body of what `call` calls; `names`: what their values are called here."""
        found: list[Any] = []
        for node in nodes:
            own = self._own(node, names, call, depth)
            if _key(own) in self._functions:
                found += self._body(own, depth + 1)
            else:
                found.append(own)
        return found

    def _own(self, node: Any, names: Names, call: Any | None, depth: int) -> Any:
        self._written += 1
        self._bytes += node.ByteSize() if call is not None else 0
        if self._written > self._most_nodes or self._bytes > MOST_BYTES:
            raise ToolboxError(f"its functions make more than {self._most_nodes} nodes, or too large ones")
        own = type(node)()
        own.CopyFrom(node)
        own.input[:] = [names.get(each, each) for each in node.input]
        own.output[:] = [names.get(each, each) for each in node.output]
        if call is not None:
            _resolve(own, {each.name: each for each in call.attribute})
            _call_after(own, call)
        for attribute in own.attribute:
            if attribute.HasField("g"):
                self._rewrite(attribute.g, names, call, depth)
        return own

    def _rewrite(self, graph: Any, names: Names, call: Any | None, depth: int) -> None:
        """Write a branch anew: what it reads from around it is called otherwise now, and so is what it gives."""
        given = [each.name for each in graph.initializer]
        given += [output for node in graph.node for output in node.output if output]
        names = {**names, **self._fresh(given)} if call is not None else names
        nodes = self.nodes(graph.node, names, call, depth)
        del graph.node[:]
        graph.node.extend(nodes)
        for each in (*graph.initializer, *graph.output):
            each.name = names.get(each.name, each.name)

    def _body(self, call: Any, depth: int) -> list[Any]:
        """Return the nodes of what a node calls, between its own inputs and outputs."""
        if depth > MOST_DEPTH:
            raise ToolboxError(f'its function "{call.op_type[:60]}" calls itself, or functions lie too deep')
        function = self._functions[_key(call)]
        inside = [output for node in function.node for output in node.output if output]
        names = self._fresh(inside) | dict.fromkeys(function.input, "")
        names |= dict(zip(function.input, call.input, strict=False))
        handed_on, given = [], dict(zip(function.output, call.output, strict=False))
        for inner, outer in given.items():
            if inner in function.input:
                handed_on.append((names[inner], outer))
            elif outer:
                names[inner] = outer
        defaults = [each for each in function.attribute_proto if each.name not in {a.name for a in call.attribute}]
        call.attribute.extend(defaults)
        found = self.nodes(function.node, names, call, depth)
        for source, outer in handed_on:
            identity = type(call)()
            identity.op_type, identity.name = "Identity", call.name
            identity.input.append(source)
            identity.output.append(outer)
            found.append(identity)
        return found

    def _fresh(self, names: Iterable[str]) -> dict[str, str]:
        self._calls += 1
        return {name: f"{name}__call_{self._calls}" for name in names}


def _opset_of(function: Any, otherwise: int) -> int:
    opsets = {each.domain: int(each.version) for each in function.opset_import}
    return opsets.get("", opsets.get("ai.onnx", otherwise))


def _resolve(node: Any, given: Mapping[str, Any]) -> None:
    """Put the call's attributes where the function's body refers to them; what the call leaves out is left out."""
    kept = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            kept.append(attribute)
        elif attribute.ref_attr_name in given:
            own = type(attribute)()
            own.CopyFrom(given[attribute.ref_attr_name])
            own.name = attribute.name
            kept.append(own)
    resolved = [type(attribute).FromString(attribute.SerializeToString()) for attribute in kept]
    del node.attribute[:]
    node.attribute.extend(resolved)


def _call_after(node: Any, call: Any) -> None:
    """Name a node after the call that it is written for, unless it says itself which modules it lies in."""
    if any(each.key == _SCOPES for each in node.metadata_props):
        return
    scopes = next((each for each in call.metadata_props if each.key == _SCOPES), None)
    if scopes is not None:
        node.metadata_props.add(key=_SCOPES, value=scopes.value)
    elif call.name:
        node.name = f"/{call.name.strip('/')}/{(node.name or node.op_type).strip('/')}"
