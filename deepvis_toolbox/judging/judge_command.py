"""How far to trust the pictures in a store: `python -m deepvis_toolbox.optimize.judge --judge MODEL`.

A picture that was made to please one network may please no other. How many of them other networks put in the meant
class says how far to trust them. Beside photographs it is told how natural they are, and whether the network processes
them, and those of units of other layers, as the photographs that these units like best.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepvis_toolbox.atomic_files import check_writable
from deepvis_toolbox.command_line.ending import DONE
from deepvis_toolbox.command_line.flags import add_images_flags, add_network_flags, add_talk_flags
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser
from deepvis_toolbox.command_line.talking import begin_talking, print_json, progress_of
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.network.interface import Network

if TYPE_CHECKING:
    from deepvis_toolbox.judging.features import Distance
    from deepvis_toolbox.judging.judgement import Judgement
    from deepvis_toolbox.optimize.natural.photographs import Photographs
    from deepvis_toolbox.scan.pictures.picture_list import PictureList
    from deepvis_toolbox.unit_images.store import UnitImageStore
    from deepvis_toolbox.words.unit import Unit


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a store's pictures. -> exit status."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    _check(given)
    from deepvis_toolbox.judging.report import drawn, written

    with opened_network(given) as net:
        store = _store(given, net)
        if given.write:
            store.check_network(net)
            check_writable(store.folder)
        found = _judged(given, net, store)
        if given.write:
            _write(net, store, found)
    if given.plot:
        from deepvis_toolbox.unit_images.picture_file import write_picture

        write_picture(user_path(given.plot), drawn(found))
    if given.json:
        print_json(found.plain())
    else:
        print("\n".join(written(found, net.labels, given.verbose)))
    return DONE


def _check(given: argparse.Namespace) -> None:
    """Raise `ToolboxError` where flags do not go together, before any work is done."""
    if not (given.judge or given.images or given.maxes):
        raise ToolboxError(
            "there is nothing to judge by: name other networks with --judge, or photographs with --images or --maxes"
        )
    if given.features and not (given.judge and (given.images or given.maxes)):
        raise ToolboxError("--features is for the judges' distance to photographs; name them with --images or --maxes")
    if given.list and not given.images:
        raise ToolboxError("--list names pictures of a folder; name it with --images")
    if given.plot:
        if Path(given.plot).suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise ToolboxError(f'--plot "{given.plot}" is a picture; its name ends in .png or .jpg')
        check_writable(user_path(given.plot).parent)


def _judged(given: argparse.Namespace, net: Network, store: UnitImageStore) -> Judgement:
    """Return all that is asked for."""
    from deepvis_toolbox.judging import judgement
    from deepvis_toolbox.optimize.files.transfer import first_pictures
    from deepvis_toolbox.unit_images.naturalness import naturalness

    units = _classes(given, net, store)
    found = judgement.Judgement(units, [naturalness(picture) for picture in first_pictures(store, units)])
    for name in given.judge:
        _ask(given, name, net, store, found)
    photographs = _photographs(given, net, units[0].layer if units else None, store)
    found.reached = judgement.reached_values(net, store, units)
    if photographs is None:
        return found
    for name in given.judge if len(units) > 1 else ():
        found.distances[name] = _distance(given, name, store, units, photographs.top.pictures)
    found.others = [unit for unit in _hidden(net, store) if photographs.holds(unit.layer)]
    found.reached |= judgement.recorded_values(net, store, found.others)
    compared = [*units, *found.others]
    if not compared:
        raise ToolboxError(f'"{store.folder}" has no preferred images of units that these photographs tell of')
    found.largest = judgement.largest_values(photographs, compared)
    with progress_of(given, len(compared), "path similarity", "pictures") as progress:
        found.paths = dict(photographs.paths(store, compared, progress))
    return found


def _classes(given: argparse.Namespace, net: Network, store: UnitImageStore) -> list[Unit]:
    """Return the classes' units with pictures. Without judges, there may be none."""
    from deepvis_toolbox.optimize.files.transfer import class_units

    try:
        return class_units(net, store)
    except ToolboxError:
        if given.judge:
            raise
        return []


def _hidden(net: Network, store: UnitImageStore) -> list[Unit]:
    """Return the units with pictures of layers that are none of the classes, nor show another layer's pictures."""
    from deepvis_toolbox.optimize.files.picture_files import KIND

    layers = [layer for layer in net.layers if layer not in net.label_layers and store.owner(layer) == layer]
    return [unit for layer in layers for unit in store.units(KIND, layer)]


def _photographs(
    given: argparse.Namespace, net: Network, layer: str | None, store: UnitImageStore
) -> Photographs | None:
    """Return what a scan, or a folder that is looked through now, says of the classes, and of the other layers of which
    the store has pictures; None where neither is named."""
    if not (given.images or given.maxes):
        return None
    from deepvis_toolbox.optimize.natural.photographs import TOP, Photographs, photographs_of_scan
    from deepvis_toolbox.scan.pictures.given_pictures import given_pictures
    from deepvis_toolbox.scan.scanning import scan

    if given.maxes:
        found = photographs_of_scan(net, given.maxes, given.images)
        if layer is not None and not found.holds(layer):
            raise ToolboxError(
                f'the scan in "{given.maxes}" holds no layer "{layer}"; scan it too, or leave --maxes out'
            )
        return found
    pictures = given_pictures(given)
    wanted = {layer, *(unit.layer for unit in _hidden(net, store))}
    layers = [each for each in net.layers if each in wanted]
    if not layers:
        raise ToolboxError(f'"{store.folder}" has no preferred images')
    with progress_of(given, len(pictures), "photographs", "pictures") as progress:
        return Photographs(net, scan(net, pictures, layers=layers, top=TOP, correlations=False, progress=progress))


def _ask(given: argparse.Namespace, name: str, net: Network, store: UnitImageStore, found: Judgement) -> None:
    """Ask one judge in which classes it puts the pictures. `ToolboxError` also where it lacks the layer of features."""
    from deepvis_toolbox.judging.features import feature_layer
    from deepvis_toolbox.opening.loading import load_network
    from deepvis_toolbox.optimize.files.transfer import transfer

    with load_network(name, device=given.device) as judge:
        if given.images or given.maxes:
            feature_layer(judge, given.features)
        found.transfers[name] = transfer(net, store, found.units, judge)
        found.judges[name], found.labels[name] = judge.name, judge.labels


def _distance(
    given: argparse.Namespace, name: str, store: UnitImageStore, units: Sequence[Unit], pictures: PictureList
) -> Distance:
    """Return how far a judge's features of the pictures are from those of photographs."""
    from deepvis_toolbox.judging.features import distance_to_photographs, feature_layer
    from deepvis_toolbox.opening.loading import load_network

    with (
        load_network(name, device=given.device) as judge,
        progress_of(given, len(pictures), f"features of {judge.name}", "pictures") as progress,
    ):
        layer = feature_layer(judge, given.features)
        return distance_to_photographs(judge, layer, store, units, pictures, progress)


def _write(net: Network, store: UnitImageStore, found: Judgement) -> None:
    from deepvis_toolbox.folder_lock import FolderLock
    from deepvis_toolbox.unit_images.numbers import add_numbers

    with FolderLock(store.folder):
        store.claim(net)
        largest = {store.owning_unit(unit): value for unit, value in found.largest.items()}
        add_numbers(store, found.numbers(store), largest)


def _store(given: argparse.Namespace, net: Network) -> UnitImageStore:
    """Return the model's store with the shipped pictures where it has none of its own, or the one that was named,
    alone."""
    from deepvis_toolbox.unit_images.claim import NetworkIdentity
    from deepvis_toolbox.unit_images.store import UnitImageStore

    if given.store is None:
        return UnitImageStore.for_network(net.description, network=lambda: NetworkIdentity.of(net))
    layout = net.description.unit_images
    return UnitImageStore(user_path(given.store), layout.montage, layout.shared, views=layout.views)


def parser() -> CommandParser:
    """Return all flags."""
    made = CommandParser(
        "judge",
        "Says how far to trust the pictures of classes in a store: in how many other networks see the meant class and, "
        "beside photographs, how natural they are and what they cause in the network.",
        [
            ("--judge efficientnet-lite1", "the default network's pictures"),
            ("--judge efficientnet-lite1 --images photos/ --write", "beside photographs; the window shows it"),
        ],
    )
    add_network_flags(made)
    add_images_flags(made)
    group = made.group("pictures in")
    group.add_argument(
        "store",
        nargs="?",
        metavar="STORE",
        help="the store of unit images (default: the model's)",
    )
    group.add_argument("--maxes", metavar="DIR", help="a scan of the network: its pictures are the photographs")
    group.add_argument("--judge", nargs="+", default=[], metavar="MODEL", help="the networks that judge, as --model")
    group.add_argument(
        "--features", metavar="LAYER", help="the judges' layer of features (default: the last below the classes)"
    )
    results = made.group("results out")
    results.add_argument(
        "--write", action="store_true", help="keep the numbers in the store, for the window and the atlas"
    )
    results.add_argument("--plot", metavar="FILE", help="draw path similarity by layer, and every picture's numbers")
    add_talk_flags(made, json="every picture's numbers")
    return made
