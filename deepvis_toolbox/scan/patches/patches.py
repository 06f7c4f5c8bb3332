"""The top pictures' patches and what a backward pass from the unit at its place brings to them, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.measure.alignment import places_in_picture
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.scan.scanned_network import check_scanned_network
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.layer import Layer, Rect
from deepvis_toolbox.words.unit import Unit

GREY = 128


@dataclass(frozen=True)
class TopEntry:
    """One entry of a unit's top: `rank` 0 is the best."""

    unit: Unit
    """At the place where its value lies; without one where the layer has none, and at a class token."""
    rank: int
    picture: int
    value: float


@dataclass(frozen=True)
class Patch:
    """An entry's pictures. `gradients`: {mode: float32 (h, w, channels) in RGB order}, zero where the field ends.

    `problem`: why there is no picture (then `image` is grey), or that the activation is not the recorded one.
    """

    entry: TopEntry
    image: NDArray[np.uint8]
    """RGB uint8 (h, w, 3), as the network saw it."""
    rect: Rect
    """What is shown, in input pixels."""
    recomputed: float
    problem: str = ""
    is_grey: bool = False
    """There is no picture: it could not be read."""
    gradients: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    mark: Rect | None = None
    """Where the entry's place lies in `image`, where all of the picture is shown since every place sees all of it."""

    @property
    def broken_modes(self) -> list[str]:
        """The modes whose gradient is not finite: a weight on the way is NaN, and 0 times NaN is NaN."""
        return [mode for mode, gradient in self.gradients.items() if not np.isfinite(gradient).all()]


def entries_of(top: TopImages, unit: Unit, count: int) -> list[TopEntry]:
    """Return the unit's first `count` entries; fewer where there were fewer pictures."""
    images, values, places = (part[unit.layer][unit.channel] for part in (top.images, top.values, top.places))
    return [
        TopEntry(_at(unit, int(row), int(column)), rank, int(images[rank]), float(values[rank]))
        for rank, (row, column) in enumerate(places[:count])
        if images[rank] >= 0
    ]


def _at(unit: Unit, row: int, column: int) -> Unit:
    """Return the unit at a place as a scan records it: -1 where the layer has none."""
    return Unit(unit.layer, unit.channel, (row, column) if row >= 0 else None)


class PatchMaker:
    """Makes patches of one network's top images. `ToolboxError` where the scan was of another network, or of pictures
    prepared otherwise."""

    def __init__(self, net: Network, top: TopImages, modes: Sequence[BackwardMode] = ("deconv",)) -> None:
        check_scanned_network(top, net)
        top.check_pictures_may_be_read()
        self._net, self._top, self._modes = net, top, tuple(modes)
        self._reader = PictureReader(net.preprocessing)

    def patches(self, entries: Sequence[TopEntry], batch_size: int = 8) -> Iterator[Patch]:
        """Yield the entries' patches, in order; entries of one layer are computed together."""
        begin = 0
        while begin < len(entries):
            batch = [
                entry for entry in entries[begin : begin + batch_size] if entry.unit.layer == entries[begin].unit.layer
            ]
            yield from self._batch(batch)
            begin += len(batch)

    def _batch(self, entries: Sequence[TopEntry]) -> list[Patch]:
        layer = entries[0].unit.layer
        inputs = np.empty((len(entries), *self._net.input_shape), np.float32)
        paths = [self._top.pictures.path(entry.picture) for entry in entries]
        reasons = [self._reader.read_into(slot, path) for slot, path in zip(inputs, paths, strict=True)]
        recording = self._net.record(torch.from_numpy(inputs).to(self._net.device), [layer])
        value = recording.activations([layer])[layer]
        start, recomputed = _ones_at(value, entries, self._top.index.by_name[layer])
        name = self._net.input_name
        arrived = {mode: recording.backward(layer, start, mode, [name])[name].cpu().numpy() for mode in self._modes}
        pictures = self._net.deprocess(torch.from_numpy(inputs))
        largest = float(torch.where(value.isfinite(), value.abs(), 0).max())  # a unit may be no number in all pictures
        patches = []
        for index, (entry, reason) in enumerate(zip(entries, reasons, strict=True)):
            problem = f"{paths[index]}: {reason}" if reason else _change_since(entry, recomputed[index], largest)
            image = np.full_like(pictures[index], GREY) if reason else pictures[index]
            gradients = {str(mode): self._in_rgb_order(values[index]) for mode, values in arrived.items()}
            patches.append(
                replace(self._cut(entry, image, recomputed[index], problem, gradients), is_grey=bool(reason))
            )
        return patches

    def _cut(
        self,
        entry: TopEntry,
        image: NDArray[np.uint8],
        recomputed: float,
        problem: str,
        gradients: dict[str, NDArray[np.float32]],
    ) -> Patch:
        place = entry.unit.place if isinstance(entry.unit.place, tuple) else None
        rect = shown_rect(self._net.receptive_field(entry.unit.layer, place), *image.shape[:2])
        cut = {mode: cut_out(gradient, rect, 0.0) for mode, gradient in gradients.items()}
        mark = self._mark(entry.unit.layer, place)
        return Patch(entry, cut_out(image, rect, GREY), rect, recomputed, problem, gradients=cut, mark=mark)

    def _mark(self, name: str, place: tuple[int, int] | None) -> Rect | None:
        if place is None or not self._net.layers[name].has_places:
            return None
        places = places_in_picture(self._net, name)
        return None if places.by_fields else places.field(*place)

    def _in_rgb_order(self, gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._net.preprocessing.in_rgb_order(gradient.transpose(1, 2, 0))


def _ones_at(value: torch.Tensor, entries: Sequence[TopEntry], layer: Layer) -> tuple[torch.Tensor, list[float]]:
    """Return a diff that is 1 at each entry's unit and place in its picture, and the values there."""
    start = torch.zeros_like(value)
    found = []
    for index, entry in enumerate(entries):
        position = _position(value[index], entry.unit, layer)
        start[index][position] = 1
        found.append(float(value[index][position]))
    return start, found


def _position(value: torch.Tensor, unit: Unit, layer: Layer) -> tuple[int, ...]:
    """Return where in a picture's value of the layer the unit lies; where the scan kept no place, at its largest."""
    if value.ndim == 1:
        return (unit.channel,)
    if value.ndim == 2:  # tokens
        if isinstance(unit.place, tuple):
            return layer.flat_place(*unit.place), unit.channel
        among = value[: layer.other_tokens] if layer.grid else value
        return int(among[:, unit.channel].argmax()), unit.channel
    if isinstance(unit.place, tuple):
        return unit.channel, *unit.place
    inside = np.unravel_index(int(value[unit.channel].argmax()), value.shape[1:])
    return unit.channel, *(int(coordinate) for coordinate in inside)


def _change_since(entry: TopEntry, recomputed: float, largest: float) -> str:
    """Return a sentence where the activation is not the recorded one; float noise between batch sizes is none."""
    if np.array_equal(recomputed, entry.value, equal_nan=True):
        return ""
    if abs(recomputed - entry.value) <= 1e-4 * max(largest, abs(entry.value)):
        return ""
    channel = Unit(entry.unit.layer, entry.unit.channel)
    return (
        f"{channel}, picture {entry.picture}: the activation is {recomputed:.5g}, the scan recorded {entry.value:.5g}; "
        "the picture or the network has changed since"
    )


def shown_rect(field: Rect, height: int, width: int) -> Rect:
    """Return the part that is shown of a picture of height×width: the field, or the whole side where the field
    exceeds it."""
    top, bottom = (field.top, field.bottom) if field.bottom - field.top <= height else (0, height)
    left, right = (field.left, field.right) if field.right - field.left <= width else (0, width)
    return Rect(top, left, bottom, right)


def cut_out(image: NDArray, rect: Rect, padding: float) -> NDArray:
    """Return the rectangle of an image (H, W, channels), of its dtype; what lies outside the image is `padding`."""
    height, width = image.shape[:2]
    cut = np.full((rect.bottom - rect.top, rect.right - rect.left, image.shape[2]), padding, image.dtype)
    top, bottom = max(rect.top, 0), min(rect.bottom, height)
    left, right = max(rect.left, 0), min(rect.right, width)
    if top < bottom and left < right:
        cut[top - rect.top : bottom - rect.top, left - rect.left : right - rect.left] = image[top:bottom, left:right]
    return cut
