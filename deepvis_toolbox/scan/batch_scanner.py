"""Takes batches through the network and adds what they show to the tally."""

from __future__ import annotations

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network, Visitor
from deepvis_toolbox.scan.numbers.channel_extremes import ChannelExtremes, ClipRanges
from deepvis_toolbox.scan.numbers.place_sample import PLACES_A_SIDE, PlaceSample
from deepvis_toolbox.scan.numbers.row_buffer import RowBuffer
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatch
from deepvis_toolbox.scan.tally import Tally

_BUFFER_BYTES = 64 << 20
_MOST_ROWS, _LEAST_ROWS = 512, 16
_SAMPLED_AT_ONCE, _SAMPLED_BY_ACCELERATOR = (120, 80 << 20), (512, 512 << 20)
"""So many pictures, where so many bytes hold them: their sampled places are brought into the statistics together."""


class BatchScanner:
    """Adds batches to a tally; they come in ascending order. `flush` before the tally is used."""

    def __init__(self, net: Network, tally: Tally) -> None:
        self.tally = tally
        self._net = net
        self._index = tally.settings.index
        self._clips = ClipRanges(self._index, tally.calibration.clips, net.device)
        settings, units = tally.settings, self._index.total
        rows = int(np.clip(_BUFFER_BYTES // (4 * units), _LEAST_ROWS, _MOST_ROWS))
        self._maxima = RowBuffer(max(rows, settings.batch_size), units, tally.device)
        most, room = _SAMPLED_AT_ONCE if net.device.type == "cpu" else _SAMPLED_BY_ACCELERATOR
        sampled = min(most, room // (4 * PLACES_A_SIDE**2 * units))
        self._sample = PlaceSample(self._clips, max(sampled, settings.batch_size)) if settings.statistics else None

    def take(self, batch: PictureBatch) -> None:
        """Scan one batch. `ToolboxError` where it does not fit the device's memory."""
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
        visitors: list[Visitor] = [*extremes.values()]
        if self._sample is not None:
            if not self._sample.has_room_for(len(readable)):
                self._flush_sample(self._sample)
            self._sample.begin(readable)
            visitors.append(self._sample)

        def visit(layer: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
            for visitor in visitors:
                visitor(layer, value, below)

        self._net.visit(inputs, self._index.names, visit, below_only=self._clips.of_layer)
        for name, found in extremes.items():
            self.tally.tables[name].insert(found.candidates(), batch.first)
        if self.tally.held_out is not None:
            self.tally.held_out.add(batch.first, batch.readable, extremes["top"].ranked)
        maxima = extremes["top"].extremes[readable]
        if not self._maxima.has_room_for(len(maxima)):
            self._flush_maxima()
        self._maxima.add(maxima)

    def flush(self) -> None:
        """Bring the statistics up to date."""
        with torch.inference_mode():
            self._flush_maxima()
            if self._sample is not None:
                self._flush_sample(self._sample)

    def _flush_maxima(self) -> None:
        """Flush a layer at a time, so that its values stay in the processor's cache."""
        maxima = self._maxima.take()
        for name, units in self._index.slices.items():
            of_layer = maxima[:, units].contiguous()
            self.tally.maxima.add(of_layer, units)
            if self.tally.correlations is not None:
                self.tally.correlations.add(name, of_layer)

    def _flush_sample(self, sample: PlaceSample) -> None:
        assert self.tally.places is not None
        for name, values in sample.take():
            self.tally.places.add(values.to(self.tally.device), self._index.slices[name])
