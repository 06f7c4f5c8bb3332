"""Runs the part of a graph that some nodes need, step by step, letting values go as soon as nothing reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from deepvis_toolbox.network.batch_norm import with_settled_signals
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.layer_nodes import attribute, needed_for, operation
from deepvis_toolbox.network.memory_layout import reading_contiguous
from deepvis_toolbox.network.plain_modules import is_plain, runs_users_code
from deepvis_toolbox.network.quick_convolution import FirstConvolution, is_first_convolution
from deepvis_toolbox.network.quick_linear import QuickLinear, is_quick_linear

Values = dict[fx.Node, Any]
OnValue = Callable[[fx.Node, Values], None]
Wrap = Callable[[fx.Node, Callable[..., Any]], Callable[..., Any]]

_FRESH = frozenset({"conv", "linear", "norm", "add", "concat"})
"""Kinds whose result is a tensor of its own, never a view of an earlier one."""


class FoldedConvolutions:
    """Convolutions with the batch norm behind them folded in, each made once."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        self._modules = dict(graph_module.named_modules())
        self._folded: dict[fx.Node, nn.Module] = {}

    def behind(self, convolution: fx.Node) -> fx.Node | None:
        """Return the batch norm that alone reads this convolution, or None."""
        if convolution.op != "call_module" or len(convolution.users) != 1:
            return None
        if not self._is_plain(convolution, nn.Conv2d):
            return None
        reader = next(iter(convolution.users))
        if not self._is_plain(reader, nn.BatchNorm2d):
            return None
        return reader if self._modules[str(reader.target)].running_mean is not None else None

    def _is_plain(self, node: fx.Node, kind: type[nn.Module]) -> bool:
        if node.op != "call_module":
            return False
        module = self._modules[str(node.target)]
        return type(module) is kind and is_plain(module)

    def __call__(self, convolution: fx.Node, norm: fx.Node) -> nn.Module:
        """Return the one convolution that does the work of both."""
        if norm not in self._folded:
            module, norm_module = self._modules[str(convolution.target)], self._modules[str(norm.target)]
            with torch.inference_mode(False), torch.no_grad():
                folded = fuse_conv_bn_eval(module, norm_module)  # type: ignore[type-var]
            self._folded[norm] = folded.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self._folded[norm]


class _Step:
    """One node to compute: what to call, on which values, and which values nothing reads afterwards."""

    __slots__ = ("arguments", "call", "keywords", "node", "releases", "single")

    def __init__(
        self, node: fx.Node, call: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        self.node = node
        self.call = call
        self.arguments = arguments
        self.keywords = keywords
        self.releases: tuple[fx.Node, ...] = ()
        self.single = (
            arguments[0] if len(arguments) == 1 and isinstance(arguments[0], fx.Node) and not keywords else None
        )

    def compute(self, values: Values) -> Any:
        if self.single is not None:
            return self.call(values[self.single])
        arguments = fx.node.map_arg(self.arguments, values.__getitem__)
        return self.call(*arguments, **fx.node.map_arg(self.keywords, values.__getitem__))


class Program:
    """The steps that compute `wanted` nodes, in the graph's order; the values of `wanted` are kept.

    With `overwrite`, a rectifier may overwrite an input that nobody else reads (never while recording gradients).
    `wrap` may replace what a node calls by something that gives the same values. Wanted nodes that are `released` are
    shown to `on_value` and then let go like the rest; those that are also `overwritable` may be overwritten once shown.
    The values of `known` nodes are given to `run`, and nothing that only they need is computed.
    """

    def __init__(
        self,
        graph_module: fx.GraphModule,
        wanted: Iterable[fx.Node],
        folded: FoldedConvolutions,
        *,
        overwrite: bool = False,
        wrap: Wrap | None = None,
        released: frozenset[fx.Node] = frozenset(),
        overwritable: frozenset[fx.Node] = frozenset(),
        known: frozenset[fx.Node] = frozenset(),
    ) -> None:
        self.wanted = frozenset(wanted)
        self._released = released
        self._overwritable = overwritable
        self._overwrite = overwrite
        self._wrap = wrap
        self._known = known
        needed = needed_for(self.wanted, known)
        order = [node for node in graph_module.graph.nodes if node in needed]
        self.constants: Values = {
            node: attribute(graph_module, str(node.target)) for node in order if node.op == "get_attr"
        }
        self.placeholder = next(node for node in graph_module.graph.nodes if node.op == "placeholder")
        self._steps = self._make_steps(graph_module, order, folded)
        self._release_after_last_use()

    def run(self, x: torch.Tensor, on_value: OnValue | None = None) -> Values:
        """Compute all steps for images, float32 (N, C, H, W). `on_value` is called after each, with all live values,
        and may put another value in the place of the one computed."""
        values: Values = {self.placeholder: x}
        if on_value:
            on_value(self.placeholder, values)
        return self.go_on(values, on_value)

    def go_on(self, known: Values, on_value: OnValue | None = None) -> Values:
        """Compute all steps from the known nodes' values; else as `run`."""
        values: Values = {**self.constants, **known}
        with full_precision(known[self.placeholder].device):
            for step in self._steps:
                values[step.node] = step.compute(values)
                if on_value:
                    on_value(step.node, values)
                for node in step.releases:
                    del values[node]
        return values

    def _make_steps(
        self, graph_module: fx.GraphModule, order: list[fx.Node], folded: FoldedConvolutions
    ) -> list[_Step]:
        modules = dict(graph_module.named_modules())
        steps, done = [], set()
        for node in order:
            if node.op in ("placeholder", "get_attr", "output") or node in done:
                continue
            norm = folded.behind(node)
            if norm is not None and norm in order and node not in self.wanted:
                steps.append(_Step(norm, quickened(folded(node, norm)), node.args, {}))
                done.add(norm)
                continue
            undone = self._undone(node)
            if undone is not None:
                steps += undone
                continue
            steps.append(self._step(node, modules))
        return steps

    def _undone(self, node: fx.Node) -> list[_Step] | None:
        """Return the steps of a node that is one of a pair, there and back, behind a layer that nobody asks for: what
        it was before is handed on. None for all others, and where the layer is asked for or known."""
        front = node if node.meta.get("is_copy") else node.meta.get("moved_back")
        if front is None or not front.meta.get("is_copy") or front in self.wanted or front in self._known:
            return None
        return [] if node is front else [_Step(node, lambda value: value, (front.meta["moved"],), {})]

    def _step(self, node: fx.Node, modules: Mapping[str, nn.Module]) -> _Step:
        if self._overwrite and self._may_overwrite_input(node, modules):
            return _Step(node, _OVERWRITING[operation(node).kind], node.args[:1], {})
        call = with_settled_signals(node, callable_of(node, modules))
        if node.op == "call_module" and runs_users_code(modules[str(node.target)]):
            call = reading_contiguous(call)
        return _Step(node, self._wrap(node, call) if self._wrap else call, node.args, dict(node.kwargs))

    def _may_overwrite_input(self, node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
        if operation(node).kind not in _OVERWRITING:
            return False
        source = node.all_input_nodes[0]
        called = [modules[str(each.target)] for each in (node, source) if each.op == "call_module"]
        if not all(map(is_plain, called)):  # a hook may have kept what it saw
            return False
        free = source not in self.wanted or source in self._overwritable
        return free and len(source.users) == 1 and operation(source).kind in _FRESH

    def _release_after_last_use(self) -> None:
        last_use: dict[fx.Node, _Step] = {}
        for step in self._steps:
            for node in _nodes_in(step):
                last_use[node] = step
            last_use.setdefault(step.node, step)
        for node, step in last_use.items():
            if (node not in self.wanted or node in self._released) and node not in self.constants:
                step.releases += (node,)


def callable_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> Callable[..., Any]:
    """Return what a node calls: a function, a method as a function, or a module of those given by their paths."""
    if node.op == "call_module":
        return quickened(modules[str(node.target)])
    if node.op == "call_method":
        method = str(node.target)
        return lambda own, *rest, **named: getattr(own, method)(*rest, **named)
    assert callable(node.target)
    return node.target


_OVERWRITING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu_,
    "relu6": lambda x: F.hardtanh_(x, 0.0, 6.0),
    "silu": lambda x: F.silu(x, inplace=True),
    "hardswish": lambda x: F.hardswish(x, inplace=True),
}


def _nodes_in(step: _Step) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.node.map_arg((step.arguments, step.keywords), lambda node: found.append(node) or node)  # type: ignore[func-returns-value]
    return found


def quickened(module: nn.Module) -> Callable[..., Any]:
    """Return the module itself, or something with the same values and the same gradient at its input."""
    if is_first_convolution(module):
        return FirstConvolution(module)
    return QuickLinear(module) if is_quick_linear(module) else module
