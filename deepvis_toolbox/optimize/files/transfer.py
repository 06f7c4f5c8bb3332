"""Transfer: in which class other networks put the pictures of a network's classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit

AT_ONCE = 8
"""Pictures that are judged in one batch."""


@dataclass(frozen=True)
class Verdict:
    """What a judge says of one picture."""

    unit: Unit
    rank: int
    """Of the meant class among the judge's: 0 is the likeliest."""
    probability: float
    """The judge's, of the meant class, 0 to 1."""
    said: int
    """The judge's likeliest class."""


@dataclass(frozen=True)
class Transfer:
    """All verdicts of a judge, in numbers from 0 to 1."""

    verdicts: tuple[Verdict, ...]

    def top(self, places: int) -> float:
        """Return the share of pictures whose meant class is among so many of the likeliest."""
        return sum(verdict.rank < places for verdict in self.verdicts) / len(self.verdicts)

    @property
    def probability(self) -> float:
        """The mean probability of the meant classes."""
        return sum(verdict.probability for verdict in self.verdicts) / len(self.verdicts)


def class_units(net: Network, store: UnitImageStore) -> list[Unit]:
    """Return the units of the first label layer whose preferred images are in the store. `ToolboxError` for none."""
    for layer in net.label_layers:
        if units := store.units("regularized_opt", layer):
            return units
    layers = ", ".join(net.label_layers) or "none"
    raise ToolboxError(f'"{store.folder}" has no preferred images of classes (label layers of {net.name}: {layers})')


def transfer(net: Network, store: UnitImageStore, units: Sequence[Unit], judge: Network) -> Transfer:
    """Return what a judge says of each unit's first picture, of which it sees the whole.

    Raises `ToolboxError` where the judge has no classes, or not those of the network.
    """
    meant = {unit: class_of(unit, net, judge) for unit in units}
    verdicts: list[Verdict] = []
    for first in range(0, len(units), AT_ONCE):
        batch = units[first : first + AT_ONCE]
        shares = _shares(judge, list(first_pictures(store, batch)))
        verdicts += [_verdict(unit, own, meant[unit]) for unit, own in zip(batch, shares, strict=True)]
    return Transfer(tuple(verdicts))


def transfer_of_one(net: Network, unit: Unit, pictures: Sequence[RGBImage], judge: Network) -> Transfer:
    """Return what a judge says of several pictures of one class's unit, RGB uint8 (H, W, 3) each, as `transfer`."""
    meant = class_of(unit, net, judge)
    return Transfer(tuple(_verdict(unit, own, meant) for own in _shares(judge, pictures)))


def _shares(judge: Network, pictures: Sequence[RGBImage]) -> torch.Tensor:
    """Return the judge's probabilities for pictures, (N, classes)."""
    layer = judge.probability_layer or ""
    x = torch.cat([whole_picture_input(picture, judge) for picture in pictures])
    return judge.probabilities(judge.forward(x, [layer])[layer])


def _verdict(unit: Unit, shares: torch.Tensor, meant: int) -> Verdict:
    share = shares[meant]
    return Verdict(unit, int((shares > share).sum()), float(share), int(shares.argmax()))


def first_pictures(store: UnitImageStore, units: Sequence[Unit]) -> Iterator[RGBImage]:
    """Yield each unit's first preferred image, RGB uint8 (H, W, 3). `ToolboxError` where one is no longer there."""
    for unit in units:
        picture = store.read_best("regularized_opt", unit)
        if picture is None:
            raise ToolboxError(f'the picture of {unit} is no longer in "{store.folder}"')
        yield picture


def whole_picture_input(picture: RGBImage, judge: Network) -> torch.Tensor:
    """Return the whole picture, RGB uint8 (H, W, 3), as the judge's input, float32 (1, C, H, W)."""
    values = judge.preprocessing.values_of(judge.preprocessing.fit(picture, stretch=True))
    return torch.from_numpy(values.copy())[None].to(judge.device)


def class_of(unit: Unit, net: Network, judge: Network) -> int:
    """Return the judge's class of the same name; where one of them has no names, the class of the same number.

    Raises `ToolboxError` where the judge has no classes, or not those of the network.
    """
    if judge.probability_layer is None:
        raise ToolboxError(f"{judge.name} has no label layers, so it names no classes")
    classes = judge.layers[judge.probability_layer].channels
    if net.labels and judge.labels:
        name = net.labels[unit.channel] if unit.channel < len(net.labels) else ""
        if name in judge.labels[:classes]:
            return judge.labels.index(name)
        raise ToolboxError(f'{judge.name} knows no class "{name}" ({unit})')
    if net.layers[unit.layer].channels != classes:
        raise ToolboxError(f"{judge.name} has {classes} classes, {net.name} has {net.layers[unit.layer].channels}")
    return unit.channel
