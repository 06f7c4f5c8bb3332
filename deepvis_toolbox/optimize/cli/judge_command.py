"""What other networks say of the class pictures in a store: `python -m deepvis_toolbox.optimize.judge --judge MODEL`.

A picture that was made to please one network may please no other. How many of them other networks put in the meant
class says how far to trust them. Their colour and contrast are told beside those of photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from deepvis_toolbox.command_line.ending import DONE
from deepvis_toolbox.command_line.flags import add_network_flags, add_talk_flags
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser
from deepvis_toolbox.command_line.talking import begin_talking, print_json
from deepvis_toolbox.errors import user_path
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.loading import load_network
from deepvis_toolbox.optimize.files.naturalness import PHOTOGRAPHS, Naturalness, mean_of, naturalness
from deepvis_toolbox.optimize.files.transfer import Transfer, class_units, first_pictures, transfer
from deepvis_toolbox.optimize.production import store_of
from deepvis_toolbox.unit_images.store import UnitImageStore


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a store's pictures. -> exit status."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    with opened_network(given) as net:
        store = _store(given, net)
        units = class_units(net, store)
        natural = [naturalness(picture) for picture in first_pictures(store, units)]
        if not given.json:
            print(_told(natural))
        found: dict[str, Transfer] = {}
        for name in given.judge:
            with load_network(name, device=given.device) as judge:
                found[name] = transfer(net, store, units, judge)
                if not given.json:
                    _print(name, found[name], net, judge, given)
    if given.json:
        print_json({name: _plain(each, natural) for name, each in found.items()})
    return DONE


def _store(given: argparse.Namespace, net: Network) -> UnitImageStore:
    """Return the model's store with the shipped pictures where it has none of its own, or the one that was named,
    alone."""
    if given.store is None:
        return store_of(net)
    layout = net.description.unit_images
    return UnitImageStore(user_path(given.store), layout.montage, layout.shared, views=layout.views)


def parser() -> CommandParser:
    """Return all flags."""
    made = CommandParser(
        "judge",
        "Says what other networks make of the pictures of classes in a store: in how many they see the meant class.",
        [
            ("--judge efficientnet-lite1", "the default network's pictures"),
            ("pictures/ --judge squeezenet resnet50 --json", ""),
        ],
    )
    add_network_flags(made)
    group = made.group("pictures in")
    group.add_argument(
        "store",
        nargs="?",
        metavar="STORE",
        help="the store of unit images (default: the model's)",
    )
    group.add_argument("--judge", nargs="+", required=True, metavar="MODEL", help="the networks that judge, as --model")
    add_talk_flags(made, json="every picture's rank and probability")
    return made


def _print(name: str, found: Transfer, net: Network, judge: Network, given: argparse.Namespace) -> None:
    if given.verbose:
        for verdict in found.verdicts:
            said = judge.labels[verdict.said] if verdict.said < len(judge.labels) else str(verdict.said)
            meant = net.labels[verdict.unit.channel] if net.labels else str(verdict.unit)
            print(f"{meant}: rank {verdict.rank + 1}, probability {verdict.probability:.3f}, taken for {said}")
    count = f"{len(found.verdicts)} {'picture' if len(found.verdicts) == 1 else 'pictures'}"
    print(
        f"{name}: {count}, top-1 {found.top(1):.1%}, top-5 {found.top(5):.1%}, "
        f"mean probability of the meant class {found.probability:.3f}"
    )


def _told(natural: Sequence[Naturalness]) -> str:
    mean, inside = mean_of(natural), PHOTOGRAPHS.shares_inside(natural)
    parts = [
        f"{name} {value:.0f} (photographs {low:.0f} to {high:.0f}: {share:.0%} inside)"
        for name, value, (low, high), share in zip(Naturalness._fields, mean, PHOTOGRAPHS, inside, strict=True)
    ]
    return ", ".join(parts)


def _plain(found: Transfer, natural: Sequence[Naturalness]) -> dict[str, Any]:
    pictures = [
        {**asdict(verdict), **own._asdict(), "unit": str(verdict.unit)}
        for verdict, own in zip(found.verdicts, natural, strict=True)
    ]
    numbers = {"top_1": found.top(1), "top_5": found.top(5), "probability": found.probability}
    inside = {f"{name}_inside": share for name, share in PHOTOGRAPHS.shares_inside(natural)._asdict().items()}
    return {**numbers, **mean_of(natural)._asdict(), **inside, "pictures": pictures}
