"""What the flags ask to be climbed: units by address or by the original's flags, a direction, likeness to a picture."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.command_line.flags import addresses_with
from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.array_file import mapped_array
from deepvis_toolbox.optimize.method.sums import parse_targets
from deepvis_toolbox.optimize.method.targets import Direction, LikePicture, Target, checked_target
from deepvis_toolbox.progress import Say
from deepvis_toolbox.regular_file import read_regular
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.words.unit import Unit

DEFAULT_CHANNEL = 130
LARGEST_TEXT = 16 << 20
MOST_WEIGHTS = 1 << 24
"""No layer has more units."""


def targets_of(given: argparse.Namespace, net: Network, say: Say) -> tuple[list[Target], list[str]]:
    """Return what to climb, and a sentence for each address that the network does not have.

    Raises `ToolboxError` where nothing is left to climb, or the flags do not fit together.
    """
    if given.direction or given.like:
        return [_without_units(given, net)], []
    if (given.units or given.layers) and (given.push_layer or given.push_channel is not None or given.push_spatial):
        raise ToolboxError("--units and --push-layer, --push-channel, --push-spatial say the same; give one of them")
    targets: list[Target] = []
    problems: list[str] = []
    for address in _addresses(given, net):
        try:
            targets += parse_targets(address, net)
        except ToolboxError as error:
            problems.append(str(error))
    if not targets:
        raise ToolboxError("; ".join(problems))
    _say_default_places([target for target in targets if isinstance(target, Unit)], net, say)
    return [checked_target(target, net) for target in dict.fromkeys(targets)], problems


def _addresses(given: argparse.Namespace, net: Network) -> list[str]:
    """Return those after --units and of the layers after --layers; without both, what the original's flags name."""
    if not (given.units or given.layers):
        channel = DEFAULT_CHANNEL if given.push_channel is None else given.push_channel
        return [str(Unit(_layer(given, net), channel, given.push_spatial))]
    return addresses_with(given, net.layers.matching(given.layers or ()))


def _layer(given: argparse.Namespace, net: Network) -> str:
    """Return the layer asked for, or the one that the classes' values come from."""
    if given.push_layer:
        return str(given.push_layer)
    if not net.label_layers:
        raise ToolboxError(f"{net.name} has no label layers; name units with --units, or layers with --layers")
    return net.label_layers[0]


def _without_units(given: argparse.Namespace, net: Network) -> Target:
    named = [*(given.layers or ()), *([given.push_layer] if given.push_layer else ())]
    if given.units or given.push_channel is not None or (given.direction and given.like):
        raise ToolboxError("--direction and --like each take the place of units; give one, and its layer by --layers")
    if len(named) != 1:
        raise ToolboxError("--direction and --like need a layer; name it with --layers, and no other")
    layer = net.layers.canonical(named[0])
    if given.like:
        if given.push_spatial:
            raise ToolboxError("--like matches the whole layer; it does not go with --push-spatial")
        path = Path(given.like)
        return LikePicture(layer, decode_apart(path), path.stem)
    path = Path(given.direction)
    return checked_target(Direction(layer, _read_weights(path), path.stem, given.push_spatial), net)


def _read_weights(path: Path) -> NDArray[np.float32]:
    """Return a vector of weights: `.npy`, or numbers as text."""
    try:
        values = mapped_array(path) if path.suffix == ".npy" else _numbers_in(path)
    except ToolboxError as error:
        raise ToolboxError(f'cannot read the weights in "{path}": {error}') from error
    if values.dtype.kind not in "fiub" or values.size > MOST_WEIGHTS:
        what = f"{values.size} values of the type {values.dtype}"
        raise ToolboxError(f'the weights in "{path}" are {what}; a direction is one real number a unit')
    with np.errstate(over="ignore"):  # what is not finite then is told of
        return np.array(values, np.float32).reshape(-1)


def _numbers_in(path: Path) -> NDArray[np.float64]:
    try:
        text = read_regular(path, LARGEST_TEXT).decode("utf-8-sig")
        if not text.strip():
            raise ToolboxError("the file is empty")
        return np.loadtxt(io.StringIO(text), ndmin=1)
    except FileNotFoundError as error:
        raise ToolboxError("there is no such file") from error
    except (OSError, ValueError) as error:
        raise ToolboxError(os_reason_of(error)) from error


def _say_default_places(units: list[Unit], net: Network, say: Say) -> None:
    for name in dict.fromkeys(unit.layer for unit in units if unit.place is None):
        layer = net.layers[name]
        if layer.is_spatial and layer.shape[1:] != (1, 1):
            row, column = layer.centre or (0, 0)
            places = f"{layer.shape[1]}×{layer.shape[2]} places"
            say(f"{name} has {places}; its units are taken at the centre, {row},{column}")
