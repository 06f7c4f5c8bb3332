"""Sums of units such as `fc:9 - 0.5*fc:8`: directions in a layer, written down."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.targets import Direction, Target, checked_target
from deepvis_toolbox.words.unit import Unit, parse_units

_BETWEEN = re.compile(r"\s+([+-])\s+")
_TERM = re.compile(r"\s*([+-])?\s*(?:([0-9.]+(?:e[+-]?[0-9]+)?)\s*\*)?\s*(\S.*?)\s*", re.IGNORECASE)


def parse_targets(text: str, net: Network) -> list[Target]:
    """Return what an address means: units, or the direction that a sum of units is. `ToolboxError` for neither."""
    try:
        return list(parse_units(text, net.layers, net.class_names))
    except ToolboxError:
        if not _is_sum(text):
            raise
        return [parse_sum(text, net)]


def _is_sum(text: str) -> bool:
    """Return whether a text is no single address: it has ` + ` or ` - ` between terms, or a factor such as `2*`."""
    term = _TERM.fullmatch(text)
    return bool(_BETWEEN.search(text)) or bool(term and (term[1] or term[2]))


def parse_sum(text: str, net: Network) -> Direction:
    """Return the direction that a sum of a layer's units means; an address of many units counts as their sum.

    Raises `ToolboxError` for what is no sum, for units of several layers or at several places, and where nothing is
    left of them.
    """
    pieces = _BETWEEN.split(text)
    signs = ["+", *pieces[1::2]]
    terms = [_term(sign, piece, text, net) for sign, piece in zip(signs, pieces[::2], strict=True)]
    units = [(factor, unit) for factor, found in terms for unit in found]
    first = units[0][1]
    for _, unit in units:
        if (unit.layer, unit.place) != (first.layer, first.place):
            where = f"{replace(unit, channel=0)} and {replace(first, channel=0)}"
            raise ToolboxError(
                f'"{text}" adds units of several layers or places ({where}, say); a sum is of one layer at one place'
            )
    weights = np.zeros(net.layers[first.layer].channels, np.float64)
    for factor, unit in units:
        weights[unit.channel] += factor
    if not weights.any():
        raise ToolboxError(f'nothing is left of "{text}": its terms cancel out')
    name = re.sub(r"\s+", "", text)
    return Direction(first.layer, weights.astype(np.float32), name, first.place)


def _term(sign: str, piece: str, text: str, net: Network) -> tuple[float, list[Unit]]:
    term = _TERM.fullmatch(piece)
    try:
        factor = float(term[2] or 1) if term else math.nan
    except ValueError:
        factor = math.nan
    if term is None or not math.isfinite(factor) or abs(factor) > float(np.finfo(np.float32).max):
        raise ToolboxError(f'"{piece}" in "{text}" is no term; write sums as "fc:9 - 0.5*fc:8"')
    if (sign == "-") != (term[1] == "-"):
        factor = -factor
    units = parse_units(term[3], net.layers, net.class_names)
    checked = [checked_target(unit, net) for unit in units]
    return factor, [unit for unit in checked if isinstance(unit, Unit)]
