"""Takes batches through the network and adds what they show to the tally."""

from __future__ import annotations

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network, Visitor
from find_maxes.channel_extremes import ChannelExtremes, ClipRanges
from find_maxes.picture_batches import PictureBatch
from find_maxes.place_sample import PlaceSample
from find_maxes.tally import Tally

_BUFFER_BYTES = 64 << 20
_MOST_ROWS, _LEAST_ROWS = 512, 16
_SAMPLED_AT_ONCE, _SAMPLED_BY_ACCELERATOR = 60, 512
"""Pictures; their sampled places are brought into the statistics together."""


class BatchScanner:
    """Adds batches to a tally; they come in ascending order. `flush` before the tally is used."""

    def __init__(self, net: Network, tally: Tally) -> None:
        self.tally = tally
        self._net = net
        self._index = tally.settings.index
        self._clips = ClipRanges(self._index, tally.calibration.clips, net.device)
        self._rows = int(np.clip(_BUFFER_BYTES // (4 * self._index.total), _LEAST_ROWS, _MOST_ROWS))
        self._sampled_at_once = _SAMPLED_AT_ONCE if net.device.type == "cpu" else _SAMPLED_BY_ACCELERATOR
        self._maxima: list[torch.Tensor] = []
        self._samples: list[PlaceSample] = []

    def take(self, batch: PictureBatch) -> None:
        """Scans one batch. `ToolboxError` where it does not fit the device's memory."""
        if batch.readable.any():
            try:
                with torch.inference_mode():
                    self._scan(batch)
            except torch.OutOfMemoryError as error:
                batch_of = f"a batch of {len(batch.inputs)} pictures"
                hint = "scan with a smaller --batch-size, into another folder"
                raise ToolboxError(f"{batch_of} does not fit the memory of {self._net.device}; {hint}") from error
        self.tally.skipped |= batch.reasons
        self.tally.mark_done(batch.number, batch.number + 1)

    def _scan(self, batch: PictureBatch) -> None:
        device = self._net.device
        inputs, readable = batch.inputs.to(device), torch.from_numpy(batch.readable).to(device)
        extremes = {}
        for name, table in self.tally.tables.items():
            thresholds = torch.from_numpy(table.thresholds(self._clips.by_below)).to(device)
            extremes[name] = ChannelExtremes(
                self._index, self._clips, thresholds, readable, self.tally.settings.top, table.largest
            )
        sample = PlaceSample(self._clips, readable) if self.tally.places is not None else None
        visitors: list[Visitor] = [*extremes.values(), *([sample] if sample else [])]

        def visit(layer: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
            for visitor in visitors:
                visitor(layer, value, below)

        self._net.visit(inputs, self._index.names, visit, below_only=self._clips.of_layer)
        for name, found in extremes.items():
            self.tally.tables[name].insert(found.candidates(), batch.first)
        self._maxima.append(extremes["top"].extremes[readable])
        self._samples += [sample] if sample else []
        if sum(map(len, self._maxima)) >= self._rows:
            self.flush()
        elif len(self._samples) * len(inputs) >= self._sampled_at_once:
            self._flush_samples()

    def flush(self) -> None:
        """Brings the statistics up to date; a layer at a time, so that its values stay in the processor's cache."""
        self._flush_samples()
        if not self._maxima:
            return
        with torch.inference_mode():
            maxima = torch.cat(self._maxima).to(self.tally.device)
            for name, units in self._index.slices.items():
                of_layer = maxima[:, units].contiguous()
                self.tally.maxima.add(of_layer, units)
                if self.tally.correlations is not None:
                    self.tally.correlations.add(name, of_layer)
        self._maxima = []

    def _flush_samples(self) -> None:
        if not self._samples or self.tally.places is None:
            return
        with torch.inference_mode():
            for name, units in self._index.slices.items():
                values = torch.cat([sample.values(name) for sample in self._samples])
                self.tally.places.add(values.to(self.tally.device), units)
        self._samples = []
