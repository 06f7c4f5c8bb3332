"""Local response norms, which PyTorch's exporter writes as a pooling over channels, made modules again."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from deepvis_toolbox.network.operations import called_name


def put_local_norms_together(graph_module: fx.GraphModule) -> None:
    """Make `x / (k + alpha mean of neighbours' squares)^beta` a local response norm."""
    for node in list(graph_module.graph.nodes):
        if node.op != "call_function" or called_name(node) != "div" or len(node.args) != 2:
            continue
        made = _norm_of(node.args[0], node.args[1], graph_module)
        if made is None:
            continue
        number = 0
        while hasattr(graph_module, f"local_norm_{number}"):
            number += 1
        graph_module.add_module(f"local_norm_{number}", made.eval())
        with graph_module.graph.inserting_after(node):
            new = graph_module.graph.call_module(f"local_norm_{number}", (node.args[0],))
        new.meta |= node.meta
        node.replace_all_uses_with(new)


def _norm_of(source: Any, below: Any, graph_module: fx.GraphModule) -> nn.LocalResponseNorm | None:
    """Return the norm of `source` that divides by `below`."""
    power, beta = _with_number(below, "pow")
    total, k = _with_number(power, "add")
    scaled, alpha = _with_number(total, "mul")
    pooled = _read_by(scaled, "reshape")
    padded = _read_by(pooled, "") if pooled is not None and pooled.op == "call_module" else None
    square = _read_by(_read_by(padded, "pad"), "reshape")
    if square is None or pooled is None or padded is None or called_name(square) != "mul":
        return None
    pool, shape = graph_module.get_submodule(str(pooled.target)), source.meta.get("onnx_shape", ())
    if not isinstance(pool, nn.AvgPool3d) or square.args != (source, source) or len(shape) != 4:
        return None
    kernel: Any = pool.kernel_size
    sides: Any = padded.args[1]
    over_channels = tuple(kernel[1:]) == (1, 1) and pool.stride in (1, (1, 1, 1)) and pool.padding in (0, (0, 0, 0))
    as_torchs = list(sides) == [0, 0, 0, 0, kernel[0] // 2, (kernel[0] - 1) // 2] and not any(padded.args[3:4])
    is_one_row = pooled.meta.get("onnx_shape") == (shape[0], 1, *shape[1:])
    return nn.LocalResponseNorm(kernel[0], alpha, beta, k) if over_channels and as_torchs and is_one_row else None


def _with_number(node: Any, name: str) -> tuple[fx.Node | None, float]:
    """Return what a function of this name reads besides a number, and the number."""
    if not isinstance(node, fx.Node) or node.op != "call_function" or called_name(node) != name or len(node.args) != 2:
        return None, 0.0
    below, number = node.args
    if not isinstance(below, fx.Node) or not isinstance(number, (int, float)):
        return None, 0.0
    return below, float(number)


def _read_by(node: Any, name: str) -> fx.Node | None:
    """Return the first value that a node reads, where its function has this name, if one is given."""
    if not isinstance(node, fx.Node) or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    return node.args[0] if not name or called_name(node) == name else None
