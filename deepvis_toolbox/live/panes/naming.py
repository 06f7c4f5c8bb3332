"""How the window writes what it tells: a unit as its class or its channel, shapes, numbers."""

from __future__ import annotations

from deepvis_toolbox.live.state import State
from deepvis_toolbox.words.unit import Unit

ORIGIN_MARK = "◆"
"""Stands behind a frozen origin."""


def class_name(state: State, index: int) -> str:
    """Return the name of a class; its number where names are unknown."""
    return state.facts.labels[index] if 0 <= index < len(state.facts.labels) else f"class {index}"


def given_name(state: State, layer: str, unit: int) -> str:
    """Return the class that a unit of a label layer stands for, or the name of an added layer's unit; empty where it
    has none."""
    if layer in state.facts.label_layers:
        return class_name(state, unit)
    names = next((each.unit_names for each in state.facts.layers if each.name == layer), ())
    return names[unit] if unit < len(names) else ""


def unit_name(state: State, layer: str, unit: int) -> str:
    """Return the name that a unit was given, else its channel."""
    return given_name(state, layer, unit) or f"channel {unit}"


def words_of(state: State, unit: Unit | None, with_chance: bool = False) -> tuple[str, ...] | None:
    """Return the classes that a unit stands for by the scan, each as `dog 78 %`; none where it has none. None where no
    scan tells, or labels are not shown. `with_chance`: also what the score of chance is."""
    if unit is None or state.facts.scan is None or not state.view.show_labels:
        return None
    names = state.facts.scan.names.of(Unit(unit.layer, unit.channel))
    return None if names is None else tuple(name.explained if with_chance else str(name) for name in names)


NO_NAME = "no name"
"""Of a unit whose classes do not beat chance."""


def number_text(value: float) -> str:
    """Return three digits, in as little room as they take: `0.124`, `-129`, `1.23e4`."""
    mantissa, e, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


WIDEST_NUMBER = "-0.000888+"
"""No number of float32's range is written wider, with the sign that some values are larger."""


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as people write it: `32×112×112`."""
    return "×".join(str(size) for size in shape)
