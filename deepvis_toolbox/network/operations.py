"""What each operation of a graph is: its kind, its rectifier if it is one, and what part of its input an output sees.

A module of our own (or a user's) takes part by class attributes: `kind`, `elementwise = True` where each output place
depends on the same place of its inputs alone, or a `window` that returns a `Window`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import fx, nn
from torch._ops import OpOverload

from deepvis_toolbox.network.operation_names import CHANNEL_CALLS, ELEMENTWISE_CALLS, OTHER_CALLS
from deepvis_toolbox.network.plain_modules import is_plain


class Window(NamedTuple):
    """What a local operation looks at, as (vertical, horizontal) pairs; `padding` is the one at the top and left."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    transposed: bool = False
    repeats_border: bool = False
    """Whether what hangs over the border sees the pixels there."""
    cuts_border: bool = False
    """Whether places at the border are left out: of a part of the input, others would be."""


@dataclass(frozen=True)
class Operation:
    """One node of a graph, classified. With none of the three below, an output sees the whole input."""

    kind: str
    elementwise: bool = False
    window: Window | None = None
    adaptive: bool = False
    """The input is shared out evenly among the outputs, whatever the sizes of both."""

    @property
    def rectifier(self) -> str:
        """The kind of rectifier that the operation is, or an empty string."""
        return self.kind if self.kind in RECTIFIERS else ""


RECTIFIERS = frozenset({"relu", "relu6", "leaky_relu", "silu", "gelu", "hardswish", "mish", "swish", "clipped_relu"})
"""The activations that deconv and guided treat as a rectifier, and below which a backward pass starts. The smooth ones
are ReLUs with a rounded corner. PReLU, ELU and the squashing functions are not among them: backprop's derivative."""

_ELEMENTWISE_MODULES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
    nn.Hardswish: "hardswish",
    nn.Mish: "mish",
    nn.PReLU: "prelu",
    nn.ELU: "elu",
    nn.SELU: "elu",
    nn.CELU: "elu",
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.Hardtanh: "tanh",
    nn.Softplus: "softplus",
    nn.BatchNorm2d: "norm",
    nn.SyncBatchNorm: "norm",
    nn.LocalResponseNorm: "lrn",
    nn.Dropout: "dropout",
    nn.Dropout2d: "dropout",
    nn.AlphaDropout: "dropout",
    nn.Identity: "identity",
}
_OTHER_MODULES: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
    nn.Flatten: "flatten",
    nn.LayerNorm: "norm",
    nn.GroupNorm: "norm",
    nn.InstanceNorm2d: "norm",
    nn.BatchNorm1d: "norm",
    nn.Upsample: "upsample",
    nn.MultiheadAttention: "attention",
    nn.ReflectionPad2d: "pad",
    nn.CircularPad2d: "pad",
}


def operation_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> Operation:
    """Classify a node. An operation that is not known is taken to see its whole input."""
    if node.op == "placeholder":
        return Operation("input")
    if node.meta.get("rectifier"):
        return Operation(node.meta["rectifier"], elementwise=True)
    if node.op == "call_module":
        return module_operation(modules[str(node.target)])
    if node.op in ("call_function", "call_method"):
        return _call_operation(node)
    return Operation(node.op)


def called_name(node: fx.Node) -> str:
    """Return the name of a called function or method, without underscores and overload: `relu`, `add`."""
    if node.target in _DISPATCHED:
        return _DISPATCHED[node.target]
    if isinstance(node.target, OpOverload):
        return str(node.target._schema.name).rpartition("::")[2].strip("_")
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return name.strip("_") or name


_DISPATCHED: dict[Any, str] = {F.max_pool2d: "max_pool2d", F.adaptive_max_pool2d: "adaptive_max_pool2d"}
"""Functions that torch wraps, so that they have lost their name."""


def module_operation(module: nn.Module) -> Operation:
    """Classify what a module kept as one node computes."""
    kind = getattr(type(module), "kind", None)
    if isinstance(kind, str):
        window = getattr(module, "window", None)
        return Operation(kind, bool(getattr(module, "elementwise", False)), window() if callable(window) else window)
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return Operation("conv", window=_convolution_window(module))
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        stride = module.kernel_size if module.stride is None else module.stride
        dilation = getattr(module, "dilation", 1)
        window = Window(_pair(module.kernel_size), _pair(stride), _pair(module.padding), _pair(dilation))
        return Operation("pool", window=window)
    if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
        return Operation("pool", adaptive=True)
    if isinstance(module, (nn.ConstantPad2d, nn.ReplicationPad2d)):
        return Operation("pad", window=_pad_window(module.padding, isinstance(module, nn.ReplicationPad2d)))
    if isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)) and module.running_mean is None:
        return Operation("norm")  # by the statistics of the whole map
    for table, elementwise in ((_ELEMENTWISE_MODULES, True), (_OTHER_MODULES, False)):
        for module_type in type(module).__mro__:
            if module_type in table:
                return Operation(table[module_type], elementwise)
    return Operation(type(module).__name__.lower())


def keeps_sizes(module: nn.Module) -> bool:
    """Return whether a module gives what is like its input, so that it need not run: batch norms are slow here."""
    of_torch = type(module).__module__.startswith("torch.nn.modules.")
    return of_torch and is_plain(module) and module_operation(module).elementwise


def _call_operation(node: fx.Node) -> Operation:
    name = called_name(node)
    if name in _WINDOWED_CALLS:
        return _WINDOWED_CALLS[name](node)
    if name in ELEMENTWISE_CALLS:
        return Operation(ELEMENTWISE_CALLS[name], elementwise=True)
    if name == "batch_norm":
        return Operation("norm", elementwise=not _arguments(node, _BATCH_NORM, (None, None, None, None, False))[-1])
    if name in CHANNEL_CALLS:
        return Operation(CHANNEL_CALLS[name], elementwise=_dimension_argument(node, name) == 1)
    if name in ("slice", "slice_scatter"):
        return Operation("slice", elementwise=_arguments(node, ("dim",), (0,))[0] == 1)
    if name == "getitem":
        parent = node.args[0]
        of_parts = isinstance(parent, fx.Node) and called_name(parent) in CHANNEL_CALLS
        return Operation("slice", elementwise=of_parts or _keeps_places(node.args[1]))
    return Operation(OTHER_CALLS.get(name, name))


_BATCH_NORM = ("running_mean", "running_var", "weight", "bias", "training")


def _keeps_places(index: Any) -> bool:
    """Return whether an index such as x[:, 3:5] takes channels only and leaves every place where it is."""
    whole = slice(None)
    return isinstance(index, tuple) and len(index) <= 2 and index[0] == whole and isinstance(index[-1], slice)


def _dimension_argument(node: fx.Node, name: str) -> Any:
    position = 1 if name in ("cat", "concat") else 2  # of the overloads too
    return node.kwargs.get("dim", node.args[position] if len(node.args) > position else 0)


_FAR_PADDING = ("circular", "reflect")
"""Padding by pixels that may lie outside every window at the border."""


def _convolution_window(module: nn.Conv2d | nn.ConvTranspose2d) -> Window | None:
    if module.padding_mode in _FAR_PADDING:
        return None
    kernel, dilation = _pair(module.kernel_size), _pair(module.dilation)
    transposed = isinstance(module, nn.ConvTranspose2d)
    padding, repeats = _convolution_padding(module.padding, kernel, dilation), module.padding_mode == "replicate"
    return Window(kernel, _pair(module.stride), padding, dilation, transposed, repeats)


def _convolution_padding(padding: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return _pair(padding)


def _pad_window(padding: Any, repeats_border: bool) -> Window:
    left, _, top, _ = sides = padding if isinstance(padding, (tuple, list)) else (padding,) * 4
    return Window((1, 1), padding=(int(top), int(left)), repeats_border=repeats_border, cuts_border=min(sides) < 0)


def _arguments(node: fx.Node, names: tuple[str, ...], defaults: tuple[Any, ...]) -> list[Any]:
    """Return the arguments by name; numbers that forward computes, say from a map's size, as they are for one image."""
    own = [each.name for each in node.target._schema.arguments[1:]] if isinstance(node.target, OpOverload) else names
    given = dict(zip(own, node.args[1:], strict=False)) | dict(node.kwargs)
    return [
        fx.node.map_arg(given.get(name, default), _number_of) for name, default in zip(names, defaults, strict=True)
    ]


def _number_of(node: fx.Node) -> Any:
    return node.meta.get("number", node)


def _holds_nodes(*arguments: Any) -> bool:
    """Return whether some of them are computed by forward, and not known yet."""
    found: list[fx.Node] = []
    fx.node.map_arg(arguments, found.append)
    return bool(found)


def _pool_call(node: fx.Node) -> Operation:
    names = ("kernel_size", "stride", "padding", "dilation" if called_name(node) == "max_pool2d" else "ceil_mode")
    kernel, stride, padding, dilation = _arguments(node, names, (1, None, 0, 1))
    dilation = dilation if called_name(node) == "max_pool2d" else 1
    stride = kernel if stride is None or stride == [] else stride
    if _holds_nodes(kernel, stride, padding, dilation):
        return Operation("pool")
    return Operation("pool", window=Window(_pair(kernel), _pair(stride), _pair(padding), _pair(dilation)))


def _convolution_call(node: fx.Node) -> Operation:
    transposed = called_name(node) == "conv_transpose2d"
    between = ("output_padding", "groups") if transposed else ()
    names = ("weight", "bias", "stride", "padding", *between, "dilation")
    weight, _, stride, padding, *_, dilation = _arguments(node, names, (None, None, 1, 0, *between, 1))
    shape = weight.meta.get("value_shape") if isinstance(weight, fx.Node) else None
    if shape is None or len(shape) != 4:  # a kernel that is none of images
        return Operation("conv")
    if _holds_nodes(stride, padding, dilation):
        return Operation("conv")
    kernel, dilations = (int(shape[2]), int(shape[3])), _pair(dilation)
    sides = _convolution_padding(padding, kernel, dilations)
    return Operation("conv", window=Window(kernel, _pair(stride), sides, dilations, transposed))


def _pad_call(node: fx.Node) -> Operation:
    (padding,) = _arguments(node, ("pad",), (None,))
    whole_numbers = isinstance(padding, (tuple, list)) and all(isinstance(part, int) for part in padding)
    mode = node.args[2] if len(node.args) > 2 else node.kwargs.get("mode", "constant")
    if not whole_numbers or len(padding) not in (2, 4) or mode in _FAR_PADDING:  # type: ignore[arg-type]
        return Operation("pad")
    return Operation("pad", window=_pad_window([*padding, 0, 0][:4], mode == "replicate"))  # type: ignore[misc]


_WINDOWED_CALLS: dict[str, Callable[[fx.Node], Operation]] = {
    "max_pool2d": _pool_call,
    "avg_pool2d": _pool_call,
    "conv2d": _convolution_call,
    "conv_transpose2d": _convolution_call,
    "pad": _pad_call,
    "constant_pad_nd": _pad_call,
    "adaptive_avg_pool2d": lambda _: Operation("pool", adaptive=True),
    "adaptive_max_pool2d": lambda _: Operation("pool", adaptive=True),
}


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        return (int(value[0]), int(value[1])) if len(value) > 1 else (int(value[0]), int(value[0]))
    return int(value), int(value)
