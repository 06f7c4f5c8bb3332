"""From a user's nn.Module to one torch.fx graph in which no operation overwrites another's result."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.utils import checkpoint

from deepvis_toolbox.errors import ToolboxError, nearest_name, reason_of
from deepvis_toolbox.network.batch_norm import settle_inner_norms
from deepvis_toolbox.network.exporting import exported
from deepvis_toolbox.network.graph_paths import move_clashing
from deepvis_toolbox.network.in_place import without_overwriting
from deepvis_toolbox.network.layer_names import name_layers
from deepvis_toolbox.network.own_copy import own_copy, told_of_weights
from deepvis_toolbox.network.own_derivatives import functions_kept_whole
from deepvis_toolbox.network.plain_modules import is_kept_whole
from deepvis_toolbox.network.promise import Promise, promise_of, same_random_numbers, why_it_does_not_run
from deepvis_toolbox.network.proxies import Proxy, tensors_are_told
from deepvis_toolbox.network.rectifier_forms import name_rectifiers
from deepvis_toolbox.network.rehearsal import Rehearsal
from deepvis_toolbox.network.scripted_functions import scripted_functions_opened
from deepvis_toolbox.network.users_line import code_of, is_within, line_of_error, note_line, told
from deepvis_toolbox.words.network import TRACE_WAYS, TraceWay

_log = logging.getLogger(__name__)

_ONE_AT_A_TIME = threading.RLock()
"""torch.fx replaces methods of every module while it traces, and puts them back as it found them."""


class _LayerTracer(fx.Tracer):
    """Keeps torch's own modules, and those that say what they are by `kind`, as single nodes."""

    def __init__(self, rehearsal: Rehearsal | None) -> None:
        super().__init__()
        self.rehearsal = rehearsal
        self.stopped_in: nn.Module | None = None
        """The innermost module in which tracing stopped."""
        self._thread = threading.get_ident()

    def is_leaf_module(self, module: nn.Module, _: str) -> bool:
        return is_kept_whole(module)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._is_other_work:
            return forward(*args, **kwargs)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.stopped_in = self.stopped_in or m
            raise

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._is_other_work else super().getattr(attr, attr_val, parameter_proxy_cache)

    @property
    def _is_other_work(self) -> bool:
        """Whether what runs is not traced: a rehearsal, or another thread's network, since all modules are patched."""
        is_rehearsing = self.rehearsal is not None and self.rehearsal.is_running
        return is_rehearsing or threading.get_ident() != self._thread

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """Take one image in; whatever else `forward` takes has its default value."""
        assert is_module
        assert concrete_args is None
        return root_fn, [self.root, self.create_proxy("placeholder", "image", (), {})]

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        note_line(node)
        node.meta["autocast"] = torch.is_autocast_enabled("cpu")
        node.meta["no_grad"] = not torch.is_grad_enabled() and not is_within(checkpoint.__file__)
        return node

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Proxy(node, self)


def trace(module: nn.Module, input_shape: tuple[int, int, int], way: TraceWay = "auto") -> fx.GraphModule:
    """Return the module's graph, in evaluation mode, on a copy of the module: the module itself is left as it is.

    `way`: by torch.fx, by torch.export, or (`auto`) by the second where the first refuses. Nodes that compute a layer
    carry `meta["layer"]`; nodes of a module whose class says `one_layer = True` share that module's name. Raises
    `ToolboxError` that names the line of the module which stopped the tracing.
    """
    if way not in TRACE_WAYS:
        raise ToolboxError(
            f'there is no way "{way}" to a graph; it is one of {", ".join(TRACE_WAYS)}{nearest_name(way, TRACE_WAYS)}'
        )
    with _ONE_AT_A_TIME:
        graph = _traced(module, input_shape, way)
    graph.meta["not_followed"] = [*told_of_weights(module), *graph.meta["not_followed"]]
    return graph


def _traced(module: nn.Module, input_shape: tuple[int, int, int], way: TraceWay) -> fx.GraphModule:
    own = own_copy(module)
    _check_takes_an_image(own)
    promise = promise_of(own, input_shape)
    if promise is not None and not promise.outputs:
        raise ToolboxError(
            f"the forward of {type(own).__name__} gives no tensor; a network gives one, or tuples, lists, dicts or "
            "plain objects of them"
        )
    if way == "export":
        return _by_export(own, promise, input_shape)
    try:
        return _by_fx(own, promise, input_shape)
    except ToolboxError as refusal:
        if way == "fx" or promise is None:
            raise
        return _by_export_instead(module, input_shape, refusal)


def _by_export_instead(module: nn.Module, input_shape: tuple[int, int, int], refusal: ToolboxError) -> fx.GraphModule:
    """Return the graph that torch.export makes of a module which torch.fx refuses; where it refuses it too, the first
    refusal says so, and is raised."""
    own = own_copy(module)
    try:
        return _by_export(own, promise_of(own, input_shape), input_shape)
    except ToolboxError as other:
        _log.debug("%s", other)
        raise ToolboxError(f"{refusal}; torch.export cannot follow it either") from other


def _by_fx(own: nn.Module, promise: Promise | None, input_shape: tuple[int, int, int]) -> fx.GraphModule:
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
        raise ToolboxError(_why_untraceable(tracer.stopped_in or own, error)) from error
    if promise is None:  # nothing to hold the graph against
        raise ToolboxError(why_it_does_not_run(own, input_shape))
    return finished_graph(graph, own, promise, input_shape)


def _by_export(own: nn.Module, promise: Promise | None, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    found = exported(own, promise, input_shape)
    return finished_graph(found.graph, own, found.promise, input_shape)


def finished_graph(
    graph: fx.Graph, own: nn.Module, promise: Promise | None, input_shape: tuple[int, int, int]
) -> fx.GraphModule:
    """Return the graph over the module's parts, with layers, and without what overwrites anything."""
    move_clashing(graph, own)
    graph_module = fx.GraphModule(own, graph)
    graph_module.meta["input_shape"] = tuple(input_shape)
    graph_module.meta["promise"] = promise
    without_overwriting(graph_module)
    name_rectifiers(graph_module)
    settle_inner_norms(graph_module)
    name_layers(graph_module)
    graph_module.meta["not_followed"] = _not_followed(graph)
    try:
        graph_module.graph.lint()
    except RuntimeError as error:
        raise ToolboxError(f"the network's parts do not fit together: {reason_of(error)}") from None
    graph_module.recompile()
    return graph_module


def _check_takes_an_image(module: nn.Module) -> None:
    others = list(inspect.signature(type(module).forward).parameters.values())[2:]
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [other.name for other in others if other.default is other.empty and other.kind not in variadic]
    if required:
        raise ToolboxError(
            f"the forward of {type(module).__name__} needs {', '.join(required)} besides the image; give it a "
            f"default value, write inputs: {{{required[0]}: …}} in the model.yaml, or wrap the module in one that "
            "takes the image alone"
        )


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
