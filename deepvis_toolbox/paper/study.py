"""What the figures are made of: a network, pictures to look at, and which of its units are meant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS, default_preset, preset
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings, settings_from
from deepvis_toolbox.paper.codes import inputs
from deepvis_toolbox.paper.extent import Extent
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.perturbation import UNPERTURBED
from deepvis_toolbox.words.unit import Unit

UNIT_KINDS = frozenset({"conv", "linear", "add", "concat", "mul"})
"""Layers that compute something new; the others rectify, pool or normalise it."""
PAPERS_CLASSES = (
    *("gorilla", "flamingo", "pelican", "hartebeest", "ground beetle"),
    *("Indian cobra", "beach wagon", "pool table", "black swan"),
)
"""Of the paper's figures 1 and 4; the first is the one that its figure 4 shows from nine seeds. Two are called
otherwise there: station wagon, billiard table."""
AT_ONCE = 8
"""Pictures that go through the network together."""


@dataclass(frozen=True, eq=False)
class Study:
    """A network and what it is looked at with."""

    net: Network
    extent: Extent
    frames: tuple[RGBImage, ...]
    """The pictures as the network sees them, uint8 (H, W, 3) of its input's size."""
    source: str
    """Where they come from, in words."""
    chosen_units: tuple[Unit, ...] = ()
    """Those that were named; empty: each figure takes its own."""
    chosen_layers: tuple[str, ...] = ()

    def steps(self, settings: AscentSettings) -> int:
        """Return how many steps an ascent with these settings takes here."""
        return min(settings.max_iter, self.extent.steps)

    def shortened(self, settings: AscentSettings) -> AscentSettings:
        """Return the settings with no more steps than are taken here."""
        record = settings.as_record()
        return settings_from({**record, "max_iter": self.steps(settings)}, "settings")

    def usual(self, unit: Unit) -> tuple[str, AscentSettings]:
        """Return how preferred images of such a unit are made: the preset's name, the network's own for it, else the
        paper's fourth; and its settings."""
        name = default_preset(self.net, unit) or "paper4"
        return name, self.shortened(preset(self.net, name))

    @property
    def paper_presets(self) -> dict[str, AscentSettings]:
        """The paper's four, whatever the model calls by these names."""
        return {
            name: self.shortened(settings_from(values, f'preset "{name}"')) for name, values in PAPER_PRESETS.items()
        }

    @cached_property
    def layers(self) -> list[Layer]:
        """All layers that compute something, one of each block, from the input on; or those that were named."""
        if self.chosen_layers:
            return [self.net.layers[name] for name in self.chosen_layers]
        every = [layer for layer in self.net.layers.values() if layer.kind != "input" and layer.channels]
        computing = [layer for layer in every if layer.kind in UNIT_KINDS] or every
        blocks: dict[str, Layer] = {}
        for layer in computing:
            blocks[self._block(layer.name)] = layer
        if not blocks:
            raise ToolboxError(f"{self.net.name} has no layer beside its input")
        return list(blocks.values())

    @property
    def few_layers(self) -> list[Layer]:
        """As many of `layers` as the extent says, evenly from the first to the last."""
        most, layers = self.extent.layers, self.layers
        if len(layers) <= most:
            return layers
        return [layers[round(index * (len(layers) - 1) / (most - 1))] for index in range(most)]

    def _block(self, name: str) -> str:
        """Return the block that a layer belongs to: its group where the network has at least four, else itself."""
        groups = {each.partition(".")[0] for each in self.net.layers}
        return name.partition(".")[0] if len(groups) > MOST_UNGROUPED else name

    @cached_property
    def first_layer(self) -> Layer:
        """The first layer that computes something."""
        return next((layer for layer in self.net.layers.values() if layer.kind == "conv"), self.layers[0])

    @cached_property
    def class_layer(self) -> Layer:
        """The classes' layer below the softmax where there is one; without classes the last layer."""
        if self.net.label_layers:
            return self.net.layers[self.net.label_layers[0]]
        return self.layers[-1]

    def class_units(self, count: int) -> list[Unit]:
        """Return so many units: those that were named, else the paper's classes, else evenly spread ones."""
        if self.chosen_units:
            return list(self.chosen_units[:count])
        layer, names = self.class_layer, self.net.labels
        found = [names.index(name) for name in PAPERS_CLASSES if name in names[: layer.channels]]
        spread = [channel for channel in evenly(layer.channels, count + len(found)) if channel not in found]
        return [Unit(layer.name, channel) for channel in [*found, *spread][:count]]

    def called(self, unit: Unit) -> str:
        """Return a unit's class, or its address."""
        names = self.net.labels
        is_class = unit.layer in self.net.label_layers and unit.channel < len(names)
        return names[unit.channel] if is_class else f"{unit.layer}:{unit.channel}"

    def batches(self, progress: Progress | None = None, passes: float = 1) -> Iterator[torch.Tensor]:
        """Yield the pictures as the network's input, float32 (N, C, H, W), some at once; `progress` advances by
        `passes` for each picture that is done."""
        for first in range(0, len(self.frames), AT_ONCE):
            frames = self.frames[first : first + AT_ONCE]
            yield inputs(self.net, frames, UNPERTURBED)
            if progress is not None:
                progress.advance(passes * len(frames))

    @cached_property
    def frames_hash(self) -> str:
        """SHA-256 of the pictures."""
        digest = hashlib.sha256()
        for frame in self.frames:
            digest.update(repr(frame.shape).encode() + frame.tobytes())
        return digest.hexdigest()

    @cached_property
    def network_record(self) -> dict[str, Any]:
        """What tells this network from others, as plain data."""
        net = self.net
        return {"name": net.name, "weights_sha256": net.weights_hash, "input": net.preprocessing.identity()}


MOST_UNGROUPED = 3


def evenly(whole: int, count: int) -> list[int]:
    """Return up to `count` different whole numbers from 0 to below `whole`, evenly spread."""
    number = min(count, whole)
    return [index * whole // number for index in range(number)]
