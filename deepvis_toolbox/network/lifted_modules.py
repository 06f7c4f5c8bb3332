"""Operations on a program's own tensors as the modules that they were: those are folded, and computed quickly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload

from deepvis_toolbox.network.layer_names import borrows, paths_called
from deepvis_toolbox.network.operations import called_name

Given = Mapping[str, Any]
"""An operation's arguments by name."""


def lift_modules(graph: fx.Graph, root: nn.Module) -> None:
    """Make a convolution, a linear layer or a batch norm a module at the path of its weight, where all its tensors are.

    `root`: holds them in plain modules, without classes of their own."""
    made: dict[str, tuple[str, nn.Module]] = {}
    called = paths_called(graph)
    for node in graph.nodes:
        make = _MAKERS.get(called_name(node)) if isinstance(node.target, OpOverload) else None
        if make is None:
            continue
        given = _given(node)
        path = _path_of_all(given)
        module = make(given, root) if path and not borrows(node, path, called) else None
        if module is None or not path:
            continue
        same = made.get(path)
        if same is not None and same[0] != repr(module):
            continue
        if same is None:
            holder = root.get_submodule(path)
            if type(holder) is not nn.Module or holder._modules or not _tensors_of(holder) <= _tensors_of(module):
                continue  # what else lies there may be read by something else
            _put(root, path, module)
            made[path] = (repr(module), module)
        node.op, node.target, node.args, node.kwargs = "call_module", path, (given["input"],), {}


def _tensors_of(module: nn.Module) -> set[str]:
    return {name for name, _ in (*module.named_parameters(), *module.named_buffers())}


def _given(node: fx.Node) -> dict[str, Any]:
    assert isinstance(node.target, OpOverload)
    arguments = node.target._schema.arguments
    usual = {each.name: each.default_value for each in arguments}
    return usual | dict(zip((each.name for each in arguments), node.args, strict=False)) | dict(node.kwargs)


_TENSORS = ("weight", "bias", "running_mean", "running_var")


def _path_of_all(given: Given) -> str:
    """Return where the tensors of an operation are, under these names; an empty text where they are not together."""
    tensors = {name: given[name] for name in _TENSORS if given.get(name) is not None}
    if not all(isinstance(node, fx.Node) and node.op == "get_attr" for node in tensors.values()):
        return ""
    places = {str(node.target).rpartition(".")[::2] for node in tensors.values()}
    paths, names = {path for path, _ in places}, {name for _, name in places}
    together = len(paths) == 1 and names == tensors.keys() and "weight" in names
    return paths.pop() if together else ""


def _tensor(given: Given, name: str, root: nn.Module) -> Any:
    node = given.get(name)
    if node is None:
        return None
    path, _, last = str(node.target).rpartition(".")
    return getattr(root.get_submodule(path), last)


def _filled(module: nn.Module, given: Given, root: nn.Module) -> nn.Module:
    for name in _TENSORS:
        tensor = _tensor(given, name, root)
        if tensor is None and name not in ("weight", "bias"):
            continue
        if name in ("weight", "bias") and tensor is not None and not isinstance(tensor, nn.Parameter):
            tensor = nn.Parameter(tensor, requires_grad=False)
        setattr(module, name, tensor)
    return module.eval()


def _convolution(given: Given, root: nn.Module) -> nn.Module | None:
    weight = _tensor(given, "weight", root)
    padding = given["padding"]
    numbers = [given["stride"], given["dilation"], *([] if isinstance(padding, str) else [padding])]
    plain = all(isinstance(each, int) for pair in numbers for each in _pair(pair))
    if weight.ndim != 4 or not plain or weight.dtype != torch.float32:
        return None
    groups = int(given["groups"])
    made = nn.Conv2d(
        weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]), _pair(given["stride"]),
        padding if isinstance(padding, str) else _pair(padding), _pair(given["dilation"]), groups,
        bias=given.get("bias") is not None, device="meta",
    )  # fmt: skip
    return _filled(made, given, root)


def _linear(given: Given, root: nn.Module) -> nn.Module | None:
    weight = _tensor(given, "weight", root)
    if weight.ndim != 2:
        return None
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=given.get("bias") is not None, device="meta")
    return _filled(made, given, root)


def _batch_norm(given: Given, root: nn.Module) -> nn.Module | None:
    weight = _tensor(given, "weight", root)
    kept = [given[name] for name in _TENSORS]
    below = given["input"]
    on_maps = isinstance(below, fx.Node) and below.op == "call_module" and isinstance(_at(root, below), nn.Conv2d)
    if given["training"] is not False or any(each is None for each in kept) or not on_maps:
        return None
    made = nn.BatchNorm2d(len(weight), float(given["eps"]), float(given["momentum"]), device="meta")
    made.num_batches_tracked = torch.zeros((), dtype=torch.int64)
    return _filled(made, given, root)


def _at(root: nn.Module, node: fx.Node) -> nn.Module:
    return root.get_submodule(str(node.target))


_MAKERS: dict[str, Callable[[Given, nn.Module], nn.Module | None]] = {
    "conv2d": _convolution,
    "linear": _linear,
    "batch_norm": _batch_norm,
}


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return (values[0], values[-1])


def _put(root: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    root.get_submodule(parent)._modules[name] = module
