"""The torch engine: a network as one torch.fx graph, run only as far as asked."""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.added_layers import AddedLayer, add_to_graph, is_added_module
from deepvis_toolbox.network.ascent_pass import AscentPass
from deepvis_toolbox.network.channels_last import show_channels_first
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.device import make_tensors_on
from deepvis_toolbox.network.editing import part_of_each
from deepvis_toolbox.network.execution import FoldedConvolutions, Program, Values
from deepvis_toolbox.network.first_run import first_run
from deepvis_toolbox.network.graph_layers import GraphLayers
from deepvis_toolbox.network.hidden_rectifiers import modules_with_hidden_rectifiers
from deepvis_toolbox.network.interface import Network, Visitor
from deepvis_toolbox.network.joined_recording import JoinedRecording, joined
from deepvis_toolbox.network.layer_nodes import LayerNodes, classify, copied, needed_for, note_values, operation
from deepvis_toolbox.network.linear_weights import weights_between
from deepvis_toolbox.network.memory_layout import lay_out_channels_last
from deepvis_toolbox.network.norm_statistics import NormStatistics, statistics_of
from deepvis_toolbox.network.opened_rectifiers import OpenedRectifiers
from deepvis_toolbox.network.passing import DeconvSwitch, passed_in_deconv
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.network.torch_ascent_pass import ascent_pass_on_torch
from deepvis_toolbox.network.torch_recording import Recorder, TorchRecording
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Rect, named_layers

_PROGRAMS_KEPT = 64


class TorchNetwork(Network):
    """A network computed by PyTorch, in channels-last memory format.

    `graph_module`: one placeholder; nodes with `meta["layer"]` make up the layers (see `tracing.trace`). It becomes
    this network's own: it is moved to the device and its parameters no longer ask for gradients.
    """

    engine = "torch"

    def __init__(self, graph_module: fx.GraphModule, description: ModelDescription, device: torch.device) -> None:
        self.name = description.name
        self.device = device
        self.preprocessing = description.preprocessing
        self.input_shape = description.preprocessing.input_shape
        self.labels = description.labels
        self._graph_module = graph_module.eval().requires_grad_(False).to(device)
        lay_out_channels_last(graph_module)
        make_tensors_on(graph_module, device)
        self._passes_lrn = description.deconv_passes_lrn
        self._switch = DeconvSwitch()
        self._folded = FoldedConvolutions(self._graph_module)
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        tried = first_run(graph_module, graph_module.meta.pop("promise", None), self._whole_program, device, self.name)
        self.notes = (*graph_module.meta.pop("not_followed", ()), *tried.notes)
        self._takes_one = tried.takes_one_at_a_time
        show_channels_first(graph_module, tried.values)
        note_values(tried.values)
        classify(self._graph_module)
        self._opaque = modules_with_hidden_rectifiers(graph_module, tried.values)

        self._describe(GraphLayers(self._graph_module, tried.values, description))

    def _describe(self, described: GraphLayers) -> None:
        """Know the graph's layers from now on."""
        self._described = described
        self.layers, self._nodes = described.layers, described.nodes
        self.label_layers, self.description = described.label_layers, described.description
        self._recorder = Recorder(
            self.layers,
            self._nodes,
            self._switch,
            self._recording_program,
            lambda nodes, known: self._program("attention", nodes, known=known),
            dict(self._graph_module.named_modules()),
            self._opaque,
        )

    def add_layers(self, added: Sequence[AddedLayer]) -> None:
        for each in added:
            values = add_to_graph(self._graph_module, self._described, each)
            classify(self._graph_module, values)
            self._describe(self._described.extended(values))
        if added:
            self._graph_module.to(self.device)
            lay_out_channels_last(self._graph_module)
            self._folded = FoldedConvolutions(self._graph_module)
            self.close()
            vars(self).pop("answer", None)

    def forward(self, x: torch.Tensor, layers: Sequence[str], edits: Sequence[Edit] = ()) -> dict[str, torch.Tensor]:
        if edits:
            return self.record(x, layers, edits).activations(layers)
        nodes = {name: self._nodes[self.layers.canonical(name)].value for name in named_layers(layers)}
        program = self._program("forward", nodes.values(), overwrite=True)
        with torch.inference_mode():
            parts = [program.run(part) for part in self._parts(self._checked(x))]
        return {name: joined([values[node] for values in parts]) for name, node in nodes.items()}

    def visit(self, x: torch.Tensor, layers: Sequence[str], visitor: Visitor, below_only: Collection[str] = ()) -> None:
        layers = named_layers(layers)
        seen: dict[fx.Node, list[tuple[str, fx.Node]]] = {}
        overwritable = set()
        for name in layers:
            nodes = self._nodes[self.layers.canonical(name)]
            value = nodes.below if name in below_only else nodes.value
            seen.setdefault(value, []).append((name, nodes.below))
            if name in below_only and nodes.below is not nodes.value:
                overwritable.add(nodes.below)
        kept = {below for value, named in seen.items() for _, below in named if below is not value}
        if self._takes_one and len(x) > 1:
            self._visit_joined(x, layers, visitor)
            return
        program = self._program("visit", [*seen], keep=[*kept], overwritable=frozenset(overwritable - kept))

        def visit_layer(node: fx.Node, values: Values) -> None:
            for name, below in seen.get(node, ()):
                given = None if self._nodes[self.layers.canonical(name)].value is below else values[below]
                visitor(name, values[node], given)

        with torch.inference_mode():
            program.run(self._checked(x), visit_layer)

    def record(self, x: torch.Tensor, layers: Sequence[str] | None = None, edits: Sequence[Edit] = ()) -> Recording:
        layers = None if layers is None else named_layers(layers)
        images, at_hand = self._checked(x), self._recording_at_hand(x) if edits else None
        if at_hand is not None:
            return at_hand.edited(edits, layers)
        if self._takes_one and len(images) > 1:
            each = [part_of_each(edits, index, len(images), self.layers) for index in range(len(images))]
            parts = zip(images.split(1), each, strict=True)
            recording: Recording = JoinedRecording([self.record(part, layers, own) for part, own in parts])
        else:
            recording = TorchRecording(self._recorder, images, layers, edits)
        if not edits:
            self._last_recording = weakref.ref(recording)
        return recording

    def _recording_program(
        self, layers: Sequence[str] | None, known: frozenset[fx.Node], changed: frozenset[fx.Node]
    ) -> Program:
        names = list(self.layers) if layers is None else [self.layers.canonical(name) for name in layers]
        nodes = [node if node in changed else copied(node) or node for node in self._recorded_nodes(names)]
        return self._program("record", nodes, known=known, wrap=self._passing_in_deconv)

    def run_for_gradient(self, nodes: LayerNodes) -> Callable[[torch.Tensor], tuple[torch.Tensor, Values]]:
        """Return what computes a layer for images of any size, float32 (N, C, H, W).

        It gives a copy of them that autograd follows, and the values.
        """
        program = self._program("gradient", {nodes.value, nodes.below})

        def run(x: torch.Tensor) -> tuple[torch.Tensor, Values]:
            leaf = self._laid_out(x.detach(), copy=True).requires_grad_()
            return leaf, program.run(leaf)

        return run

    def receptive_field(self, layer: str, place: tuple[int, int] | None = None) -> Rect:
        return self._described.receptive_field(layer, place)

    def layers_feeding(self, layer: str) -> tuple[str, ...]:
        return self._described.feeding(layer)

    def layers_below(self, layer: str) -> tuple[str, ...]:
        return self._described.below(layer)

    def weights_of(self, layer: str, unit: int) -> tuple[str, torch.Tensor, bool]:
        own = self.layers.canonical(layer)
        below = self._described.weighted(own)
        start = self._nodes[below].value
        if self.layers[own].is_tokens or self.layers[below].is_tokens:
            raise ToolboxError("weights are shown of layers with places and of flat ones, not of tokens")
        shape = (1, *self.layers[below].shape)
        return below, *weights_between(self._graph_module, start, self._nodes[own].below, shape, unit)

    def ascent_pass(self, layer: str, place: tuple[int, int] | None) -> AscentPass:
        if self._takes_one:
            return super().ascent_pass(layer, place)
        return ascent_pass_on_torch(self, layer, place)

    def opened_rectifiers(self, layer: str) -> OpenedRectifiers:
        return OpenedRectifiers(self, self._described, layer)

    def _visit_joined(self, x: torch.Tensor, layers: Sequence[str], visitor: Visitor) -> None:
        """`visit` for a network that runs one picture at a time: what it hands over is what `visit` gives for each."""
        found: dict[str, list[tuple[torch.Tensor, torch.Tensor | None]]] = {}

        def keep(name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
            found.setdefault(name, []).append((value.clone(), None if below is None else below.clone()))

        for part in self._parts(x):
            self.visit(part, layers, keep)
        for name, given in found.items():
            below = [part for _, part in given if part is not None]
            visitor(name, joined([value for value, _ in given]), joined(below) if below else None)

    def _parts(self, x: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return what is run in one go: the batch, or each picture of it."""
        return x.split(1) if self._takes_one and len(x) > 1 else (x,)

    def nodes_of(self, layer: str) -> LayerNodes:
        """Return the graph's nodes that make a layer."""
        return self._described.nodes_of(layer)

    @cached_property
    def norm_statistics(self) -> Mapping[str, NormStatistics]:  # type: ignore[override]
        """Do as the base class says."""
        return statistics_of(self._graph_module, self._nodes)

    @property
    def weights_hash(self) -> str:
        return self._weights_hash

    @cached_property
    def _weights_hash(self) -> str:
        digest = hashlib.sha256()
        state = self._graph_module.state_dict().items()
        own = ((name, value) for name, value in state if isinstance(value, torch.Tensor) and not is_added_module(name))
        for name, tensor in sorted(own):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def graph_module(self) -> fx.GraphModule:
        """The network's graph; not to be changed."""
        return self._graph_module

    def close(self) -> None:
        self._programs.clear()
        self._kept_recording = None

    def _whole_program(self) -> Program:
        """Of every node."""
        nodes = [node for node in self._graph_module.graph.nodes if node.op != "output"]
        return Program(self._graph_module, nodes, self._folded)

    def _recorded_nodes(self, names: Sequence[str]) -> list[fx.Node]:
        """Return the named layers' nodes, and those of every layer that is computed on the way."""
        wanted = {node for name in names for node in (self._nodes[name].value, self._nodes[name].below)}
        computed = needed_for(wanted)
        for nodes in self._nodes.values():
            wanted |= {node for node in (nodes.value, nodes.below) if node in computed}
        return list(wanted)

    def _passing_in_deconv(self, node: fx.Node, call: Callable[..., Any]) -> Callable[..., Any]:
        passed = node.meta.get("deconv_pass") or (self._passes_lrn and operation(node).kind == "lrn")
        return passed_in_deconv(call, self._switch) if passed else call

    def _program(
        self,
        purpose: str,
        wanted: Any,
        keep: Sequence[fx.Node] = (),
        overwritable: frozenset[fx.Node] = frozenset(),
        **options: Any,
    ) -> Program:
        """Return the program for a purpose and its nodes, from the last ones used where it is among them."""
        nodes = frozenset(wanted) | frozenset(keep)
        key = (purpose, nodes, overwritable, options.get("known"))
        if key not in self._programs:
            released = nodes - _read_later(nodes) if purpose == "visit" else frozenset()
            options |= {"overwrite": True, "overwritable": overwritable} if overwritable else {}
            self._programs[key] = Program(self._graph_module, nodes, self._folded, released=released, **options)
            if len(self._programs) > _PROGRAMS_KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

    def _checked(self, x: torch.Tensor) -> torch.Tensor:
        self._check_images(x)
        return self._laid_out(x)

    def _laid_out(self, x: torch.Tensor, copy: bool = False) -> torch.Tensor:
        return x.to(self.device, torch.float32, copy=copy, memory_format=torch.channels_last)


def _read_later(nodes: frozenset[fx.Node]) -> frozenset[fx.Node]:
    """Return the nodes whose value the visitor of a later one gets, beyond their last reader in the graph: those below
    rectifiers whose layer was moved round."""
    return frozenset(node for node in nodes if "moved" in node.meta)
