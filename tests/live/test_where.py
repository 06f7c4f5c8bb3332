"""What lies over the input picture, and the marks of what the mouse points at; without a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.panes.over_picture import picture_box
from deepvis_toolbox.live.panes.overlays import overlay_question, overlay_title
from deepvis_toolbox.live.panes.slow_scale import SlowScale
from deepvis_toolbox.live.state import InputPixel, MapPlace, State
from deepvis_toolbox.live.work.request import GrowingAverage
from deepvis_toolbox.measure import (
    BackwardImage,
    ContributionMap,
    GradCAM,
    Heat,
    InputContributions,
    InputGradient,
    PlacesOf,
    UnitHeat,
)
from deepvis_toolbox.measure.alignment import PlacesInPicture

from .scenes import KEYS, state_at
from .test_order import Show

PLACES = PlacesInPicture(
    np.array([(4 * row - 3, 4 * row + 7) for row in range(8)]),
    np.array([(4 * column - 3, 4 * column + 7) for column in range(8)]),
    (32, 32),
    by_fields=True,
)
"""Those of conv1: each place sees 10×10 pixels, four further on for the next."""
WHOLE = PlacesInPicture(PLACES.rows, PLACES.columns, (32, 32), by_fields=False)


def input_of(show: Show) -> np.ndarray:
    """The pixels of the picture alone."""
    box = show.layout.boxes["input"]
    inside = picture_box(box.height, box.width, show.scene)
    assert inside
    return show.part("input")[inside.top : inside.bottom, inside.left : inside.right].astype(int)


# -- under the mouse ---------------------------------------------------------------------------------------------------


def test_the_mouse_over_a_tile_and_over_the_selected_unit_points_at_the_place_drawn_there() -> None:
    show = Show(state_at("conv1", 3))
    show.draw()
    height, width = show.part("tiles").shape[:2]
    seen: dict[object, set[Any]] = {}
    for y in range(2, height, 4):
        for x in range(2, width, 4):
            under = show.at("tiles", x, y)
            if under.what is not None:
                seen.setdefault(under.what, set()).add(under.place)
    everywhere = {MapPlace("conv1", row, column) for row in range(8) for column in range(8)}
    assert len(seen) == 16
    assert all(places == everywhere for places in seen.values())
    body = show.look.px(show.look.caption)
    assert show.at("selected", 5, body + 2).place == MapPlace("conv1", 0, 0)
    assert show.at("selected", 5, body // 2).place is None
    KEYS.press(show.state, "z")
    show.draw()
    assert show.at("tiles", 300, body + 2).place is not None, "enlarged"


def test_a_layer_without_places_has_none_under_the_mouse_and_asks_for_none() -> None:
    show = Show(state_at("fc", 3))
    show.draw()
    assert show.at("tiles", 30, 60).place is None
    show.state.facts.pointed = InputPixel(3, 3)
    assert not any(isinstance(asked, PlacesOf) for asked in make_request(show.state).questions)


def test_where_places_lie_is_asked_only_while_the_mouse_points_at_one() -> None:
    state = state_at("conv1")
    before = make_request(state).questions
    for pointed in (MapPlace("conv1", 2, 3), InputPixel(4, 4)):
        state.facts.pointed = pointed
        assert make_request(state).questions - before == {PlacesOf("conv1")}
    state.facts.pointed = MapPlace("block2.expand", 2, 3)  # of a layer that is no longer shown
    assert make_request(state).questions == before


def test_the_receptive_field_of_the_place_under_the_mouse_is_framed_in_the_picture() -> None:
    show = Show(state_at("conv1"))
    show.draw({PlacesOf("conv1"): PLACES})
    before = input_of(show)
    show.state.facts.pointed = MapPlace("conv1", 3, 4)
    show.draw({PlacesOf("conv1"): PLACES})
    rows, columns = np.nonzero((input_of(show) != before).any(axis=2))
    scale = before.shape[0] / 32
    edges = (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    assert edges == pytest.approx([scale * edge for edge in (9, 19, 13, 23)], abs=4)
    middle = input_of(show)[round(14 * scale), round(18 * scale)]
    assert (middle == before[round(14 * scale), round(18 * scale)]).all(), "a frame, not a block"


def test_where_every_place_sees_all_the_whole_picture_is_framed_and_that_is_said() -> None:
    show = Show(state_at("conv1", pointed=MapPlace("conv1", 3, 4)))
    show.draw({PlacesOf("conv1"): PLACES})
    before = input_of(show)
    show.draw({PlacesOf("conv1"): WHOLE})
    changed = (input_of(show) != before).any(axis=2)
    assert changed[:2].mean() > 0.9
    assert changed[:, -2:].mean() > 0.9
    assert changed[-25:, : changed.shape[1] // 2].mean() > 0.5, "the badge"


def test_a_pixel_under_the_mouse_marks_the_places_that_see_it_in_every_tile_and_in_the_selected_unit() -> None:
    show = Show(state_at("conv1", 3))
    show.draw({PlacesOf("conv1"): PLACES})
    before = {pane: show.part(pane).astype(int).copy() for pane in ("tiles", "selected")}
    show.state.facts.pointed = InputPixel(10, 20)
    show.draw({PlacesOf("conv1"): PLACES})
    rows, columns = PLACES.seeing(10, 20)
    body, side = show.look.px(show.look.caption), show.state.facts.tile_size
    changed = (show.part("tiles") != before["tiles"]).any(axis=2)[body : body + side, :side]
    found = np.nonzero(changed)
    edges = (found[0].min(), found[0].max() + 1, found[1].min(), found[1].max() + 1)
    part = (rows.start, rows.stop, columns.start, columns.stop)
    assert edges == pytest.approx([side / 8 * edge for edge in part], abs=2)
    columns_of_tiles = (show.part("tiles") != before["tiles"]).any(axis=(0, 2))
    assert columns_of_tiles[side + 5 :].any(), "in the other tiles too"
    assert (show.part("selected") != before["selected"]).any()


# -- overlays ----------------------------------------------------------------------------------------------------------


def heat(**changes: Any) -> Heat:
    values = np.zeros((32, 32), np.float32)
    values[8:16, 8:16] = 2
    return Heat(**{"map": values[::4, ::4], "layer": "conv1", "over_picture": values, **changes})


def test_the_key_goes_through_the_overlays_and_escape_takes_them_away() -> None:
    state, asked = state_at("conv1", 3), []
    for _ in range(4):  # of a network without tokens
        KEYS.press(state, "y")
        question = overlay_question(state)
        assert question
        assert question in make_request(state).questions
        asked.append(question)
    assert asked == [UnitHeat("conv1", 3), UnitHeat("conv1", 3), GradCAM("conv1", 3), BackwardImage("conv1", 3, "grad")]
    state.view.backward = "guided"
    assert overlay_question(state) == BackwardImage("conv1", 3, "guided")
    KEYS.press(state, "escape")
    assert overlay_question(state) is None
    for _ in range(5):
        KEYS.press(state, "y")
    assert state.view.overlay == "none", "behind the last one"


def shown_over(state: State, answer: object, why_not: str = "") -> tuple[np.ndarray, np.ndarray, str]:
    """The picture without and with the overlay, and what the caption says."""
    question = overlay_question(state)
    overlay, state.view.overlay = state.view.overlay, "none"
    show = Show(state)
    show.draw()
    before = input_of(show)
    state.view.overlay = overlay
    show.draw({question: answer} if answer else {}, refusals={question: why_not} if why_not else {})
    return before, input_of(show), overlay_title(show.scene)


@pytest.mark.parametrize("overlay", ["area", "heat", "Grad-CAM", "gradient"])
def test_an_overlay_shows_where_and_its_name_stands_in_the_caption(overlay: str) -> None:
    gradient = np.repeat(heat().over_picture[:, :, None], 3, axis=2)
    answer = InputGradient(gradient) if overlay == "gradient" else heat()
    before, after, title = shown_over(state_at("conv1", 3, overlay=overlay), answer)
    assert title == {"area": "active area", "gradient": "gradient norm", "Grad-CAM": "Grad-CAM at conv1"}.get(
        overlay, overlay
    )
    scale = before.shape[0] / 32
    inside, outside = (slice(round(10 * scale), round(14 * scale)),) * 2, (slice(round(24 * scale), None),) * 2
    if overlay == "area":
        assert (after[inside] == before[inside]).all()
        assert after[outside].mean() < 0.5 * before[outside].mean()
    else:
        assert np.ptp(after[inside], axis=2).min() > 50, "coloured"
        assert np.ptp(after[outside], axis=2)[20:, 20:].max() < 30, "gray"


@pytest.mark.parametrize("overlay", ["area", "heat", "Grad-CAM"])
@pytest.mark.parametrize(("values", "note"), [(0.0, "is off"), (-1.0, "")])
def test_where_there_is_nothing_it_says_so(overlay: str, values: float, note: str) -> None:
    empty = np.full((32, 32), values, np.float32)
    before, after, _ = shown_over(state_at("conv1", 3, overlay=overlay), heat(over_picture=empty, note=note))
    assert after[:20].mean() < 0.5 * before[:20].mean()
    assert np.isfinite(after).all()
    assert len(np.unique(after[-30:-8, 10:80].reshape(-1, 3), axis=0)) > 3, "a badge"


def test_a_layer_without_places_says_why_it_has_no_area() -> None:
    before, after, _ = shown_over(state_at("fc", 3, overlay="area"), None, "fc has no places")
    assert after[:20].mean() < before[:20].mean()


def test_grad_cam_of_a_class_says_where_it_starts() -> None:
    plain = shown_over(state_at("fc", 3, overlay="Grad-CAM"), heat(start="fc"))[1]
    elsewhere = shown_over(state_at("fc", 3, overlay="Grad-CAM"), heat(start="logits"))[1]
    assert not np.array_equal(plain, elsewhere)


# -- contributions -----------------------------------------------------------------------------------------------------


def test_contributions_are_drawn_in_two_colours_and_the_mean_says_of_how_many() -> None:
    state = state_at("conv1", 3, backward="grad", backward_view="averaged")
    asked = InputContributions("conv1", 3, "grad")
    assert {asked, GrowingAverage(asked)} <= make_request(state).questions
    image = np.zeros((32, 32, 3), np.float32)
    image[4:12, 4:12], image[20:28, 20:28] = 1, -1
    drawn = []
    for repetitions in (3, 4):
        show = Show(state)
        show.draw({GrowingAverage(asked): ContributionMap(image.sum(2), image, image, repetitions=repetitions)})
        drawn.append(show.part("backward").astype(int).copy())
    assert not np.array_equal(drawn[0], drawn[1]), "how many is said"
    body = drawn[0][show.look.px(show.look.caption) :]
    scale = body.shape[0] / 32
    positive, negative = (body[round(at * scale), round(at * scale)] for at in (8, 24))
    assert positive[0] > positive[2] + 100, "orange"
    assert negative[2] > negative[0] + 100, "blue"


def test_the_scale_of_moving_contributions_follows_slowly_and_at_once_where_nothing_moves() -> None:
    scale, answers = SlowScale(), [object() for _ in range(4)]
    assert scale.follow(answers[0], 10.0, False) == 10
    assert scale.follow(answers[1], 20.0, False) == pytest.approx(12)
    assert scale.follow(answers[1], 20.0, False) == pytest.approx(12), "drawn twice"
    assert scale.follow(answers[2], 0.0, False) == pytest.approx(9.6)
    assert scale.follow(answers[3], 50.0, True) == 50
