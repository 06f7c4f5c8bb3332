"""Which layers feed a layer: the nearest ones below whose units it mixes, past what treats each unit by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import fx

from deepvis_toolbox.network.layer_nodes import LayerNodes, operation

UNIT_BY_UNIT = frozenset(
    {"norm", "pool", "pad", "upsample", "flatten", "reshape", "dropout", "identity", "lrn", "slice"}
)
"""Kinds that keep to a unit's own values, beside those that work value by value; a norm may look across, and shifts and
scales all the same."""
JOINING = frozenset({"add", "concat", "multiply", "maximum"})
_SAYING_NOTHING = frozenset({"flatten", "reshape", "dropout", "identity", "pad", "slice"})
"""Kinds that only hand on the units of the layer below."""


def layers_feeding(layer: str, nodes: Mapping[str, LayerNodes]) -> tuple[str, ...]:
    """Return the layers whose units feed a layer's, in the graph's order; none for the input.

    From the layer down, past rectifiers, norms, pooling and convolutions of each channel by itself, to what mixes
    units: the layers that this reads. Where branches meet on the way (a residual addition, a concatenation, a gate),
    each is followed, up to the next meeting.
    """
    if not _parents(nodes[layer].value):
        return ()
    of_node = {own.value: name for name, own in nodes.items()}
    found = {name for node in _mixed(nodes[layer].value, may_split=True) for name in _layers_at(node, of_node)}
    return tuple(name for name in nodes if name in found)


def _mixed(node: fx.Node, may_split: bool) -> Iterator[fx.Node]:
    """Yield the nodes that are mixed, or met, to make this one."""
    parents = _parents(node)
    described = operation(node)
    if described.kind in JOINING and len(parents) > 1:
        if not may_split:
            yield node
            return
        for parent in parents:
            yield from _mixed(parent, may_split=False)
    elif parents and _is_unit_by_unit(node):
        for parent in parents[:1]:
            yield from _mixed(parent, may_split)
    else:
        yield from parents or [node]


def _is_unit_by_unit(node: fx.Node) -> bool:
    described = operation(node)
    return described.elementwise or described.kind in UNIT_BY_UNIT or bool(node.meta.get("depthwise"))


def _layers_at(node: fx.Node, of_node: Mapping[fx.Node, str]) -> Iterator[str]:
    """Yield the listed layer whose units these are: the node's own, else the nearest below."""
    name = of_node.get(node)
    parents = _parents(node)
    if name is not None and not (parents and _says_nothing(node)):
        yield name
        return
    for parent in parents:
        yield from _layers_at(parent, of_node)


def _says_nothing(node: fx.Node) -> bool:
    """Return whether the layer only hands on the units of the one below, pooled over the whole map or as they are."""
    node = node.meta.get("moved", node)  # a layer that was moved round is what was moved
    described, shape = operation(node), node.meta.get("value_shape") or ()
    is_pooled_whole = described.kind == "pool" and all(size == 1 for size in shape[2:])
    return described.kind in _SAYING_NOTHING or is_pooled_whole


def _parents(node: fx.Node) -> list[fx.Node]:
    """Return the nodes read that hold values of the picture."""
    if "moved_back" in node.meta:
        return [node.meta["moved_back"]]
    return [parent for parent in node.all_input_nodes if parent.op != "get_attr" and "number" not in parent.meta]
