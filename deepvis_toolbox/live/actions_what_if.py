"""What keys and clicks of the what-if bench do: edits of units, perturbations of the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.state import State
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.perturbation import UNPERTURBED
from deepvis_toolbox.words.unit import Unit

PERTURBATION_STEPS: dict[str, tuple[float, ...]] = {
    "noise": (0, 10, 25, 50),
    "blur": (0, 1, 2, 4),
    "brightness": (0, 40, 80, -40, -80),
    "shift": (0, 0.02, 0.05, 0.1),
}
"""What the keys go through, in the units of `Perturbation`."""


def toggle_off(state: State) -> None:
    """Switch the selected unit off, or take that back."""
    _toggle(state, lambda unit: Edit(unit.layer, [unit.channel], "zero"))


def toggle_double(state: State) -> None:
    """Double the selected unit's activations, or take that back."""
    _toggle(state, lambda unit: Edit(unit.layer, [unit.channel], "scale", 2.0))


def toggle_pasted(state: State) -> None:
    """Hold the selected unit's map as it is shown now (that of a frozen picture, say), or let it go again."""
    _toggle(state, lambda unit: _pasted(state, unit))


def clear_changes(state: State) -> None:
    """Take back all edits and perturbations."""
    if not state.view.is_changed:
        state.facts.message = "nothing is changed: there are no edits and no perturbations to take back"
        return
    state.view.edits, state.view.perturbation = (), UNPERTURBED
    state.facts.message = "the network and its input are as they were"


def toggle_changes(state: State) -> None:
    """Show in the tiles what the edits and perturbations change, or what they showed before."""
    if not state.view.is_changed:
        state.facts.message = "nothing is changed yet: x switches the selected unit off, 1 adds noise to the picture"
        return
    if state.reference is not None:
        state.facts.message = f"the tiles show {state.view.tiles_show} just now, edits and perturbations among it"
        return
    state.view.show_changes = not state.view.show_changes
    if state.view.show_changes and state.view.order == "number":
        state.facts.message = "tiles show what changes; r puts what changes most first"


def perturb_more(state: State, name: str) -> None:
    """Go to the next step of one perturbation; behind the last one, it is off. A marked region is where it is done."""
    steps, now = PERTURBATION_STEPS[name], getattr(state.view.perturbation, name)
    step = steps[(steps.index(now) + 1) % len(steps)] if now in steps else steps[0]
    change: dict[str, Any] = {name: step}
    _perturb(state, **change)
    alone = replace(UNPERTURBED, region=state.view.perturbation.region, **change)
    state.facts.message = str(alone) or f"{name} is off"


def toggle_grey(state: State) -> None:
    """Paint the marked region grey, or take that back."""
    if state.view.perturbation.grey:
        _perturb(state, grey=False)
        state.facts.message = "nothing is painted grey"
    elif state.region is None:
        state.facts.message = "drag a rectangle in the picture first: this paints it grey"
    else:
        _perturb(state, grey=True)
        state.facts.message = "the region is painted grey; the same key again takes that back"


def _perturb(state: State, **changes: Any) -> None:
    how = replace(state.view.perturbation, **changes)
    region = state.region or how.region
    state.view.perturbation = replace(how, region=region) if how else UNPERTURBED


def take_back(state: State, edit: Edit) -> None:
    """Take one edit back."""
    state.view.edits = tuple(one for one in state.view.edits if one != edit)


def drop_foreign_edits(state: State) -> None:
    """Leave out edits and marks, restored ones say, of units that the network lacks; all edits where its engine has
    none."""
    view, channels = state.view, {layer.name: layer.channels for layer in state.facts.layers}
    view.marked = tuple(unit for unit in view.marked if unit.channel < channels.get(unit.layer, 0))
    kept = tuple(
        edit
        for edit in view.edits
        if not state.facts.no_edits and all(unit < channels.get(edit.layer, 0) for unit in edit.units)
    )
    if left_out := len(view.edits) - len(kept):
        why = state.facts.no_edits or "they are of units that this network lacks"
        state.facts.message = f"{left_out} edits were left out: {why}"
        view.edits = kept
    state.start_view.edits, state.start_view.perturbation = (), UNPERTURBED  # a reset takes back restored ones, too
    state.start_view.marked = ()


def toggle_mark(state: State, unit: Unit | None = None) -> None:
    """Mark a unit, the selected one where none is given, or forget its mark."""
    unit = unit or state.selected
    if unit is None:
        return
    marked = state.view.marked
    state.view.marked = tuple(one for one in marked if one != unit) if unit in marked else (*marked, unit)
    count = len(state.view.marked)
    state.facts.message = (
        f"{count} {'unit' if count == 1 else 'units'} marked: x, X and V change what is marked"
        if count
        else "no unit is marked"
    )


def _toggle(state: State, make: Callable[[Unit], Edit]) -> None:
    """Take the chosen units' edits of this kind back where all have one; else each gets it in any other's place."""
    units = state.view.marked or ((state.selected,) if state.selected else ())
    if units and state.facts.no_edits:
        state.facts.message = state.facts.no_edits
        return
    added = next(
        (layer for layer in state.facts.layers if layer.added_to and layer.name in {u.layer for u in units}), None
    )
    if added is not None:
        state.facts.message = f"nothing of the network reads the added layer {added.name}: change {added.added_to}"
        return
    formers = [_edit_of(state, unit) for unit in units]
    try:
        edits = [_edit(unit, former, make) for unit, former in zip(units, formers, strict=True)]
    except ToolboxError as error:
        state.facts.message = str(error)
        return
    others = tuple(one for one in state.view.edits if one not in formers)
    if all(former and former.what == edit.what for former, edit in zip(formers, edits, strict=True)):
        state.view.edits = others
        told = f"{units[0]} is" if len(units) == 1 else f"the {len(units)} marked units are"
        state.facts.message = f"{told} as {'it was' if len(units) == 1 else 'they were'}"
    else:
        state.view.edits = (*others, *edits)
        told = str(edits[0]) if len(edits) == 1 else f"the {len(edits)} marked units are changed"
        state.facts.message = f"{told}; the same key again takes that back"


def _edit_of(state: State, unit: Unit) -> Edit | None:
    return next((one for one in state.view.edits if (one.layer, *one.units) == (unit.layer, unit.channel)), None)


def _edit(unit: Unit, former: Edit | None, make: Callable[[Unit], Edit]) -> Edit:
    try:
        return make(unit)
    except ToolboxError:
        if former is None or former.what != "paste":  # what was pasted can be let go whatever is shown
            raise
        return former


def _pasted(state: State, unit: Unit) -> Edit:
    """Return the edit that holds a unit's map; `ToolboxError` where it is not known, or not all of it."""
    shown, layer = state.facts.chosen_maps.get(unit), state.layer
    if shown is None or layer is None:
        raise ToolboxError(f"{unit} cannot be pasted: its activations are not shown just now")
    return Edit(unit.layer, [unit.channel], "paste", _in_the_layers_shape(shown, layer))


def _in_the_layers_shape(values: np.ndarray, layer: Layer) -> np.ndarray:
    if not layer.is_tokens:
        return values[None]
    if values.size != layer.shape[0]:
        raise ToolboxError(f"{layer.name} has tokens beside those of its map: a map pasted would leave them out")
    return values.reshape(-1, 1)
