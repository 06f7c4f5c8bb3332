"""Sums such as `fc:9 - 0.5*fc:8`, written down: of units of a layer at a place, directions in it; else composites."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.composites import Composite, Term, composite_of, parse_area_or_layer, term_of
from deepvis_toolbox.optimize.method.targets import Direction, Target, checked_target
from deepvis_toolbox.words.unit import Place, Unit, parse_units

_BETWEEN = re.compile(r"\s+([+-])\s+")
_TERM = re.compile(r"([+-])?\s*(?:([0-9.]+(?:e[+-]?[0-9]+)?)\s*\*)?\s*(\S.*)", re.IGNORECASE)
"""Of a text without blanks around it."""


def parse_targets(text: str, net: Network) -> list[Target]:
    """Return what an address means: units, or what a sum of them is. `ToolboxError` for neither."""
    try:
        return list(parse_units(text, net.layers, net.class_names))
    except ToolboxError:
        if _is_sum(text):
            return [parse_sum(text, net)]
        terms = parse_area_or_layer(text.strip(), net)
        if terms is None:
            raise
        return [composite_of([term], str(term).removeprefix("+1*"), net) for term in terms]


def _is_sum(text: str) -> bool:
    """Return whether a text is no single address: it has ` + ` or ` - ` between terms, or a factor such as `2*`."""
    term = _TERM.fullmatch(text.strip())
    return bool(_BETWEEN.search(text)) or bool(term and (term[1] or term[2]))


def parse_sum(text: str, net: Network) -> Direction | Composite:
    """Return what a sum means: a direction where it is of a layer's units at one place, else a composite. An address of
    many units counts as their sum.

    Raises `ToolboxError` for what is no sum, and where nothing is left of a layer's units.
    """
    pieces = _BETWEEN.split(text)
    signs = ["+", *pieces[1::2]]
    terms = [_terms(sign, piece, text, net) for sign, piece in zip(signs, pieces[::2], strict=True)]
    found = [term for each in terms for term in each]
    if len({(each.layer, each.area) for each in found}) > 1 or any(_is_composite(each, net) for each in found):
        return composite_of(found, text, net)
    first = found[0]
    weights = np.zeros(net.layers[first.layer].channels, np.float64)
    for term in found:
        weights[term.channel] += term.factor
    if not weights.any():
        raise ToolboxError(f'nothing is left of "{text}": its terms cancel out')
    name = re.sub(r"\s+", "", text)
    return Direction(first.layer, weights.astype(np.float32), name, _place_of(first, net))


def _is_composite(term: Term, net: Network) -> bool:
    """Return whether a term is no unit at a place or over its whole map."""
    return term.channel is None or term.mask is not None or (term.area is not None and _place_of(term, net) is None)


def _place_of(term: Term, net: Network) -> Place:
    """Return the one place that its area is; "mean" for the whole map; None for a flat layer, and for larger areas."""
    if term.area is None:
        return None if len(net.layers[term.layer].shape) == 1 else "mean"
    top, left, bottom, right = term.area
    return (top, left) if (bottom - top, right - left) == (1, 1) else None


def _terms(sign: str, piece: str, text: str, net: Network) -> list[Term]:
    """Return the terms that one summand means."""
    term = _TERM.fullmatch(piece.strip())
    try:
        factor = float(term[2] or 1) if term else math.nan
    except ValueError:
        factor = math.nan
    if term is None or not math.isfinite(factor) or abs(factor) > float(np.finfo(np.float32).max):
        raise ToolboxError(f'"{piece}" in "{text}" is no term; write sums as "fc:9 - 0.5*fc:8"')
    if (sign == "-") != (term[1] == "-"):
        factor = -factor
    found = parse_area_or_layer(term[3], net)
    if found is not None:
        return [replace(each, factor=factor) for each in found]
    units = parse_units(term[3], net.layers, net.class_names)
    checked = [checked_target(unit, net) for unit in units]
    return [term_of(factor, unit) for unit in checked if isinstance(unit, Unit)]
