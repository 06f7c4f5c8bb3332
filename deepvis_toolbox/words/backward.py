"""Backward modes, and the ways to look at what a backward pass brought to the input: their names and meanings.

What a name stands for is registered where it is computed: `network.backward_modes`, `drawing.backward_views`. Whoever
registers a new one there enters its name here too.
"""

from __future__ import annotations

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.registry import Registry, Word

BackwardMode = str
"""The name of a backward mode, one of `BACKWARD_MODES`."""

BACKWARD_MODES: Registry[Word] = Registry("backward mode")
BACKWARD_MODES.add("grad", Word("plain backprop"))
BACKWARD_MODES.add("deconv", Word("only positive signals pass a rectifier (Zeiler & Fergus 2014)"))
BACKWARD_MODES.add("guided", Word("as deconv, and only where the rectifier is on (Springenberg et al. 2015)"))

OFF = "off"

ChosenBackwardMode = str
"""What a person may choose: a mode, or `off`, no backward pass at all."""

BackwardView = str
"""How the result at the input is shown, one of `BACKWARD_VIEWS`."""

BACKWARD_VIEWS: Registry[Word] = Registry("backward view")
BACKWARD_VIEWS.add("raw", Word("all channels around mid-gray"))
BACKWARD_VIEWS.add("gray", Word("the channels' mean around mid-gray"))
BACKWARD_VIEWS.add("norm", Word("the channels' Euclidean norm, from black"))
BACKWARD_VIEWS.add("norm blurred", Word("the channels' norm behind a Gaussian"))


def check_backward_mode(mode: str) -> None:
    """Raise `ToolboxError` where there is no backward mode of that name."""
    if mode not in BACKWARD_MODES:
        raise ToolboxError(f'unknown backward mode "{mode}"{BACKWARD_MODES.hint(str(mode))}')


def chosen_backward_modes() -> tuple[ChosenBackwardMode, ...]:
    """Return all that a person may choose: `off`, then every mode."""
    return (OFF, *BACKWARD_MODES)
