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
"""How the result at the input is shown, one of `BACKWARD_VIEWS`; in the live window also of `CONTRIBUTION_VIEWS`."""

BACKWARD_VIEWS: Registry[Word] = Registry("backward view")
BACKWARD_VIEWS.add("raw", Word("all channels around mid-gray"))
BACKWARD_VIEWS.add("gray", Word("the channels' mean around mid-gray"))
BACKWARD_VIEWS.add("norm", Word("the channels' Euclidean norm, from black"))
BACKWARD_VIEWS.add("norm blurred", Word("the channels' norm behind a Gaussian"))

CONTRIBUTION_VIEWS: Registry[Word] = Registry("view of contributions")
"""Views that need the picture too, not the gradient alone: the live window has them; stored pictures have not."""
CONTRIBUTION_VIEWS.add("contributions", Word("gradient × input, summed over channels, slightly smoothed"))
CONTRIBUTION_VIEWS.add("averaged", Word("as contributions, the gradient averaged while the picture stands still"))


BackwardLook = tuple[BackwardMode, BackwardView]
"""A way to look at a backward pass: `MODE:VIEW` where people write it."""

PLAIN_DECONV: BackwardLook = ("deconv", "raw")


def parsed_look(text: str) -> BackwardLook:
    """Return (mode, view) of `MODE:VIEW`; without a view it is `raw`. `ToolboxError` where no look is called so."""
    mode, _, view = text.partition(":")
    view = view.replace("-", " ") or "raw"
    if mode not in BACKWARD_MODES or view not in BACKWARD_VIEWS:
        raise ToolboxError(f'"{text}" is no look; write {looks_help()}')
    return mode, view


def look_text(look: BackwardLook) -> str:
    """Return how people write a look, in one word: what `parsed_look` reads."""
    return f"{look[0]}:{look[1].replace(' ', '-')}"


def looks_help() -> str:
    """Return what a look may be."""
    views = ", ".join(view.replace(" ", "-") for view in BACKWARD_VIEWS)
    return f"MODE:VIEW, modes {', '.join(BACKWARD_MODES)}, views {views}"


def check_backward_mode(mode: str) -> None:
    """Raise `ToolboxError` where there is no backward mode of that name."""
    if mode not in BACKWARD_MODES:
        raise ToolboxError(f'unknown backward mode "{mode}"{BACKWARD_MODES.hint(str(mode))}')


def chosen_backward_views() -> tuple[BackwardView, ...]:
    """Return all views that a person may choose in the live window."""
    return (*CONTRIBUTION_VIEWS, *BACKWARD_VIEWS)


def chosen_backward_modes() -> tuple[ChosenBackwardMode, ...]:
    """Return all that a person may choose: `off`, then every mode."""
    return (OFF, *BACKWARD_MODES)
