"""The order of the tiles: which unit each shows, how one moves, what a region finds; without a window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.live import actions, actions_order
from deepvis_toolbox.live.kept import Kept
from deepvis_toolbox.live.layout import Layout, draw_window, hit, make_layout, make_request
from deepvis_toolbox.live.look import Look, look_for
from deepvis_toolbox.live.panes.pane import Hit
from deepvis_toolbox.live.panes.tile_order import order_text
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State, Stroke
from deepvis_toolbox.live.tile_order import HeldOrder, TileUnits
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import (
    ActiveUnits,
    Activity,
    LayerActivity,
    MostActive,
    UnitsByScore,
    UnitsInRegion,
    UnitsInRegionOfLayers,
)
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit

from .scenes import KEYS, LAYERS, snapshot_for, state_at

SIZE = (1500, 930)
LARGEST_FIRST = tuple(range(15, -1, -1))
"""An order of conv1's units."""


class Show:
    """Draws a window again and again, as the painter does."""

    def __init__(self, state: State) -> None:
        self.state, self.kept, self.look = state, Kept(), look_for(Look(), *SIZE)
        self.layout = Layout({})
        self.pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        self.scene = Scene(state, None, self.look, KEYS, self.kept)

    def draw(
        self,
        answers: dict[Any, Any] | None = None,
        now: float = 0.0,
        is_still: bool = True,
        refusals: dict[Any, str] | None = None,
    ) -> Snapshot:
        snapshot = snapshot_for(self.state, maps_of(self.state))
        frame = replace(snapshot.frame, is_still=is_still)
        snapshot = replace(
            snapshot, answers={**snapshot.answers, **(answers or {})}, frame=frame, refusals=refusals or {}
        )
        self.scene = Scene(self.state, snapshot, self.look, KEYS, self.kept, now)
        self.layout = make_layout(*SIZE, self.scene)
        self.state.facts.take(self.layout.facts)
        draw_window(self.pixels, self.layout, self.scene)
        return snapshot

    def part(self, pane: str) -> np.ndarray:
        box = self.layout.boxes[pane]
        return self.pixels[box.top : box.bottom, box.left : box.right]

    def at(self, pane: str, x: int, y: int) -> Hit:
        box = self.layout.boxes[pane]
        found = hit(self.layout, self.scene, box.left + x, box.top + y)
        assert found
        return found[1]

    def unit_drawn_in(self, tile: Box) -> int:
        """The unit whose brightness a tile of conv1 has."""
        middle = self.part("tiles")[tile.top : tile.bottom, tile.left : tile.right]
        return round(float(np.median(middle[:, :, 0])) / 17)


def maps_of(state: State) -> np.ndarray | None:
    """Maps of conv1 that are as bright as their unit's number; of other layers, any."""
    if not state.layer or state.layer.name != "conv1":
        return np.random.default_rng(0).uniform(0, 1, state.layer.shape).astype(np.float32) if state.layer else None
    return np.repeat(np.arange(16, dtype=np.float32), 64).reshape(16, 8, 8) / 15


def by_maximum(units: tuple[int, ...] = LARGEST_FIRST) -> dict[Any, Any]:
    return {MostActive("conv1", "maximum"): ActiveUnits(units, np.array(units, np.float32))}


def tiles_of(show: Show) -> list[Box]:
    """The tiles' boxes in their pane, in the order of their places, found by the mouse alone."""
    height, width = show.part("tiles").shape[:2]
    found: dict[int, list[tuple[int, int]]] = {}
    for y in range(2, height, 5):
        for x in range(2, width, 5):
            unit = show.at("tiles", x, y).what
            if isinstance(unit, Unit):
                found.setdefault(unit.channel, []).append((y, x))
    boxes = {unit: Box(*np.min(places, 0), *np.max(places, 0)) for unit, places in found.items()}
    rows = sorted(boxes, key=lambda unit: (boxes[unit].top // 20, boxes[unit].left))
    return [boxes[unit] for unit in rows]


def test_every_tile_shows_the_unit_that_a_click_on_it_selects() -> None:
    for answers, keys, wanted in (
        ({}, "", tuple(range(16))),
        (by_maximum(), "r", LARGEST_FIRST),
        (by_maximum(), "r R", LARGEST_FIRST[:5]),
    ):
        state = state_at("conv1", 3, top=5)
        show = Show(state)
        for key in keys.split():
            KEYS.press(state, key)
        show.draw(answers)
        tiles = tiles_of(show)
        assert len(tiles) == len(wanted)
        for tile, unit in zip(tiles, wanted, strict=True):
            under = show.at("tiles", (tile.left + tile.right) // 2, (tile.top + tile.bottom) // 2)
            assert under.what == Unit("conv1", unit)
            assert show.unit_drawn_in(tile) == unit
            assert under.click
            under.click(state)
            assert state.selected == Unit("conv1", unit)


def test_the_selected_unit_keeps_being_the_same_and_its_frame_goes_with_it() -> None:
    state = state_at("conv1", 3, order="maximum")
    show = Show(state)
    show.draw(by_maximum())
    first = framed(show)
    show.draw(by_maximum((3, *(unit for unit in LARGEST_FIRST if unit != 3))))
    assert state.selected == Unit("conv1", 3)
    assert framed(show)[:2] < first[:2], "it is the first tile now"


def framed(show: Show) -> tuple[int, int]:
    """Where the selection's frame begins, in the tiles' pane."""
    caption = show.look.px(show.look.caption) - 3
    rows, columns = np.nonzero((show.part("tiles")[caption + 3 :] == show.look.accent).all(axis=2))
    return int(rows.min()), int(columns.min())


def test_arrow_keys_move_by_place_and_not_by_number() -> None:
    state = state_at("conv1", 15, order="maximum")
    show = Show(state)
    show.draw(by_maximum())
    columns = state.facts.tile_columns
    places = {"right": 1, "down": 1 + columns, "left": columns, "up": 0}
    for key, place in places.items():
        KEYS.press(state, key)
        assert state.view.unit == LARGEST_FIRST[place], key
    KEYS.press(state, "up")
    assert state.view.cursor_area == "layers"


def test_among_the_top_only_one_stays_among_them_and_comes_from_outside_to_the_first() -> None:
    state = state_at("conv1", 0, order="maximum", only_top=True, top=4)
    show = Show(state)
    show.draw(by_maximum())
    assert state.tile_place == -1
    actions.move_right(state)
    assert state.view.unit == 15
    for _ in range(9):
        actions.move_right(state)
    assert state.view.unit == 12
    for _ in range(9):
        actions.move_down(state)
    assert state.view.unit == 12


def test_an_order_of_another_layer_orders_nothing() -> None:
    state = state_at("conv1", 3, order="maximum", wanted_unit=3)
    Show(state).draw(by_maximum())
    actions.next_layer(state)
    assert list(state.tile_units) == list(range(256))
    actions.move_right(state)
    assert state.selected == Unit("block2.expand", 4)


def test_keys_choose_the_order_and_the_caption_says_it() -> None:
    state, seen = state_at("conv1"), []
    for _ in range(3):
        KEYS.press(state, "r")
        seen.append((state.view.order, order_text(state)))
    assert seen == [("maximum", " · by maximum"), ("mean", " · by mean"), ("number", "")]
    KEYS.press(state, "R")
    assert (state.view.order, order_text(state)) == ("maximum", " · by maximum · top 24")
    KEYS.press(state, "escape")
    assert (state.view.order, state.view.only_top) == ("number", False)


def test_nothing_more_is_asked_of_the_worker_while_no_order_is_on() -> None:
    state = state_at("conv1")
    before = make_request(state).questions
    KEYS.press(state, "r")
    names = tuple(layer.name for layer in LAYERS[1:])
    assert make_request(state).questions - before == {MostActive("conv1"), LayerActivity(names)}
    KEYS.press(state, "escape")
    assert make_request(state).questions == before


# -- it holds still ----------------------------------------------------------------------------------------------------


def test_the_order_holds_still_for_a_second_and_then_follows_by_itself() -> None:
    state = state_at("conv1", order="maximum")
    show, other = Show(state), tuple(range(16))
    for now, units, is_still, wanted in (
        (10.0, LARGEST_FIRST, False, LARGEST_FIRST),
        (10.5, other, False, LARGEST_FIRST),
        (11.0, other, False, other),
        (11.5, LARGEST_FIRST, False, other),
        (11.6, LARGEST_FIRST, True, LARGEST_FIRST),
    ):
        show.draw(by_maximum(units), now, is_still)
        assert tuple(state.tile_units) == wanted, now


def test_a_window_is_drawn_again_when_an_order_that_waits_is_due() -> None:
    state = state_at("conv1", order="maximum")
    show = Show(state)
    show.draw(by_maximum(), 10.0, is_still=False)
    assert not show.kept.wants_drawing(99.0)
    show.draw(by_maximum(tuple(range(16))), 10.25, is_still=False)
    assert not show.kept.wants_drawing(10.9)
    assert show.kept.wants_drawing(11.0)
    assert not show.kept.wants_drawing(11.0), "once"


def test_another_question_s_order_is_taken_over_at_once_and_the_former_stays_until_it_comes() -> None:
    held = HeldOrder()
    a, b = TileUnits("a", (1, 0)), TileUnits("b", (0, 1))
    assert held.follow("a", None, False, 0.0) is None
    assert held.follow("a", a, False, 0.0) == a
    assert held.follow("b", None, False, 0.1) == a
    assert held.follow("b", b, False, 0.2) == b
    held.clear()
    assert held.follow("b", None, False, 0.3) is None


# -- how active the layers are -----------------------------------------------------------------------------------------


def test_a_layer_s_bar_is_its_activity_as_a_share_of_the_largest_seen() -> None:
    state = state_at("conv1", order="maximum")
    show = Show(state)
    question = LayerActivity(tuple(layer.name for layer in LAYERS[1:]))
    for largest, wanted in ((4.0, 1.0), (1.0, 0.25), (8.0, 1.0), (2.0, 0.25), (-3.0, 0.0), (float("nan"), None)):
        show.draw({**by_maximum(), question: Activity({"conv1": largest, "block2.expand": 1.0})})
        assert state.facts.layer_activity.get("conv1") == wanted
    shown = show.part("layers").copy()
    show.draw({**by_maximum(), question: Activity({"conv1": 4.0, "block2.expand": 1.0})})
    assert not np.array_equal(shown, show.part("layers"))
    state.view.order = "number"
    show.draw()
    assert state.facts.layer_activity == {}
    rows = np.nonzero((show.part("layers") != shown).any(axis=(1, 2)))[0]
    within = (rows - show.look.px(show.look.caption) - show.look.px(5)) % show.look.px(show.look.row)
    assert rows.size
    assert within.min() >= show.look.px(show.look.row) - show.look.px(2), "nothing but the bars"


# -- a region ----------------------------------------------------------------------------------------------------------


def drag(show: Show, start: tuple[int, int], end: tuple[int, int], shift: bool = False) -> None:
    """Drags in the input picture, from (x, y) to (x, y) of its pane."""
    under = show.at("input", *start)
    assert under.drag
    right, down = end[0] - start[0], end[1] - start[1]
    under.drag(show.state, Stroke(right // 2, down // 2, shift, False))
    assert show.state.view.dragged
    assert show.state.view.region is None
    under.drag(show.state, Stroke(right, down, shift, True))
    assert show.state.view.dragged is None


def test_a_drag_marks_the_part_of_the_picture_it_went_over_whichever_way() -> None:
    for start, end in (((60, 90), (120, 200)), ((120, 200), (60, 90))):
        state = state_at("conv1")
        show = Show(state)
        show.draw()
        first, last = (show.at("input", *place).place for place in (min(start, end), max(start, end)))
        drag(show, start, end)
        assert first
        assert last
        assert state.view.region == Rect(first[0], first[1], last[0] + 1, last[1] + 1)  # type: ignore[misc]
        assert UnitsInRegion("conv1", state.view.region) in make_request(state).questions
        assert order_text(state) == " · by the region"


@pytest.mark.parametrize("start", [(60, 90), (200, 40)])
def test_a_click_and_escape_forget_the_region(start: tuple[int, int]) -> None:
    state = state_at("conv1")
    show = Show(state)
    show.draw()
    drag(show, (60, 90), (120, 200))
    under = show.at("input", *start)
    assert under.drag
    under.drag(state, Stroke(1, 0, False, True))
    assert state.view.region is None
    drag(show, (60, 90), (120, 200))
    KEYS.press(state, "escape")
    assert state.view.region is None


def test_the_whole_picture_is_no_region_and_a_drag_ends_at_its_border() -> None:
    state = state_at("conv1")
    show = Show(state)
    show.draw()
    drag(show, (60, 90), (9000, 9000))
    assert state.view.region is not None
    assert state.view.region[2:] == (32, 32)
    under = show.at("input", 60, 90)
    assert under.drag
    actions_order.drag_region(state, Stroke(500, 500, False, True), (0.0, 0.0), 0.1, (32, 32))
    assert state.view.region is None
    assert "no elsewhere" in state.facts.message


@pytest.mark.parametrize(
    ("region", "seen"),
    [
        (Rect(-5, -5, 8, 40), Rect(0, 0, 8, 32)),
        (Rect(0, 0, 32, 32), None),
        (Rect(-1, -1, 99, 99), None),
        (Rect(40, 40, 50, 50), None),
        (Rect(9, 9, 9, 9), None),
        (Rect(9, 9, 3, 3), None),
    ],
)
def test_a_region_of_another_picture_is_cut_to_this_one(region: Rect, seen: Rect | None) -> None:
    state = state_at("conv1", region=region, region_everywhere=True)
    assert state.region == seen
    asked = {
        one.region for one in make_request(state).questions if isinstance(one, UnitsInRegion | UnitsInRegionOfLayers)
    }
    assert asked == ({seen} if seen else set())
    Show(state).draw()


def test_a_region_orders_the_tiles_and_goes_before_the_other_orders() -> None:
    state = state_at("conv1", order="maximum", region=Rect(0, 0, 8, 8))
    show = Show(state)
    question = UnitsInRegion("conv1", Rect(0, 0, 8, 8))
    show.draw({question: UnitsByScore((7, *(unit for unit in range(16) if unit != 7)), np.zeros(16, np.float32))})
    assert state.tile_units[0] == 7
    assert show.at("tiles", 10, 60).what == Unit("conv1", 7)
    actions_order.cycle_order(state)
    assert (state.view.region, state.view.order) == (None, "maximum")


def test_a_layer_without_places_is_not_asked_which_unit_fires_there() -> None:
    state = state_at("fc", region=Rect(0, 0, 8, 8))
    assert not any(isinstance(asked, UnitsInRegion) for asked in make_request(state).questions)
    assert order_text(state) == ""


def test_with_shift_the_best_units_of_all_layers_are_listed_and_a_click_goes_there() -> None:
    state = state_at("conv1")
    show = Show(state)
    show.draw()
    assert "region" not in show.layout.boxes
    drag(show, (60, 90), (120, 200), shift=True)
    assert state.view.region
    question = UnitsInRegionOfLayers(tuple(layer.name for layer in LAYERS[1:]), state.view.region, 10)
    assert question in make_request(state).questions
    best = (Unit("block2.expand", 200), Unit("conv1", 5))
    show.draw({question: UnitsByScore(best, np.array([2.5, 1.0], np.float32))})
    caption, row = show.look.px(show.look.caption), show.look.px(show.look.row)
    second = show.at("region", 40, caption + show.look.px(5) + row + row // 2)
    assert second.what == best[1]
    first = show.at("region", 40, caption + show.look.px(5) + row // 2)
    assert first.click
    first.click(state)
    assert state.selected == best[0]
    assert show.at("region", 40, caption + show.look.px(5) + 5 * row).what is None
