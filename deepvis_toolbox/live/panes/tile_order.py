"""The order of the tiles as the panes know it: what is asked for it, and how it is called."""

from __future__ import annotations

from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.tile_order import HeldOrder, TileUnits
from deepvis_toolbox.measure import ActiveUnits, MostActive, MostChanged, UnitsByDifference, UnitsByScore, UnitsInRegion

OrderQuestion = MostActive | MostChanged | UnitsByDifference | UnitsInRegion


def order_question(state: State) -> OrderQuestion | None:
    """Return what orders the tiles; None where they stand in the order of their numbers."""
    layer, view = state.layer, state.view
    if layer is None:
        return None
    if state.region is not None:
        return UnitsInRegion(layer.name, state.region) if layer.has_places else None
    if view.order == "number":
        return None
    if state.reference is not None:
        return UnitsByDifference(state.reference, layer.name)
    if view.tiles_show == "changes":
        return MostChanged(layer.name, view.edits)
    if view.order == "share":
        largest = state.facts.scan.maxima.get(layer.name) if state.facts.scan else None
        return MostActive(layer.name, "share", largest=largest) if largest else MostActive(layer.name)
    return MostActive(layer.name, view.order)


def order_text(state: State) -> str:
    """Return what the caption says of the order: ` · by maximum · top 24`; nothing where there is none."""
    question = order_question(state)
    if question is None:
        return ""
    return f" · by {_by(question, state)}{f' · top {state.view.top}' if state.view.only_top else ''}"


def _by(question: OrderQuestion, state: State) -> str:
    match question:
        case UnitsInRegion():
            return "the region"
        case MostChanged():
            return "change"
        case UnitsByDifference():
            return "difference"
    if question.by != state.view.order:
        return f"{question.by} ({'not scanned' if state.facts.scan else 'no scan'})"
    return "share of its largest" if question.by == "share" else question.by


def tile_units(scene: Scene) -> TileUnits | None:
    """Return the units in the order that the tiles are to have now; None: that of their numbers."""
    held = scene.kept.value("tile order", (), HeldOrder)
    question, view = order_question(scene.state), scene.state.view
    if question is None:
        held.clear()
        return None
    answer: ActiveUnits | UnitsByScore | None = scene.snapshot.answers.get(question) if scene.snapshot else None
    units = tuple(unit for unit in answer.units if isinstance(unit, int)) if answer else ()
    newest = TileUnits(question.layer, units) if units else None
    is_still = view.camera_frozen or (scene.snapshot is not None and scene.snapshot.frame.is_still)
    shown = held.follow(question, newest, is_still, scene.now)
    if held.due is not None:
        scene.kept.draw_again(held.due)
    if shown is None or not view.only_top:
        return shown
    return TileUnits(shown.layer, shown.units[: view.top])
