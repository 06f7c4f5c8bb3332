"""What the window calls a unit: its class or its channel."""

from __future__ import annotations

from deepvis_toolbox.live.state import State

ORIGIN_MARK = "◆"
"""Stands before a frozen origin."""


def class_name(state: State, index: int) -> str:
    """The name of a class; its number where names are unknown."""
    return state.labels[index] if 0 <= index < len(state.labels) else f"class {index}"


def unit_name(state: State, layer: str, unit: int) -> str:
    """The class that a unit of a label layer stands for, else its channel."""
    if layer in state.label_layers:
        return class_name(state, unit)
    return f"channel {unit}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as people write it: `32×112×112`."""
    return "×".join(str(size) for size in shape)
