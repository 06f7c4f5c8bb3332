"""Every pane, at several sizes, with nothing, the usual and the extreme; and what the panes say and mark."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.text import text_width
from deepvis_toolbox.live import layout as layout_module
from deepvis_toolbox.live.kept import Kept
from deepvis_toolbox.live.layout import PANES, hit, make_layout
from deepvis_toolbox.live.look import Look, look_for, look_from
from deepvis_toolbox.live.panes import input_image, layer_list, legend, maps, status_line, tiles
from deepvis_toolbox.live.panes.caption import caption_baseline
from deepvis_toolbox.live.panes.naming import WIDEST_NUMBER
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import ClassProbabilities
from deepvis_toolbox.registry import Registry
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

from .scenes import KEYS, LAYERS, change, drawn, new_state, part, scene_of, snapshot_for, state_at

SIZES = ((640, 400), (1280, 720), (1500, 930), (500, 900))


def everything(state: State) -> State:
    """All overlays at once."""
    state.view.show_help = state.view.show_timings = True
    state.facts.message, state.facts.error = "a message", "an error"
    return state


def loading() -> tuple[State, None]:
    return everything(new_state(loading="loading the network …")), None


def no_snapshot() -> tuple[State, None]:
    return everything(state_at(backward="grad")), None


def usual() -> tuple[State, Snapshot]:
    state = everything(state_at("block2.expand", 7, backward="guided", frozen_origin=Unit("block2.expand", 9)))
    return state, snapshot_for(state)


def flat() -> tuple[State, Snapshot]:
    state = everything(state_at("fc", 999, gamma_index=3, channel_boost_index=4))
    return state, snapshot_for(state)


def one_channel() -> tuple[State, Snapshot]:
    layers = (Layer("depth", "", (1, 5, 9)),)
    state = everything(state_at("depth", layers=layers, backward="grad", show_gradients=True))
    return state, snapshot_for(state, backward_image=np.ones((4, 9, 1), np.float32))


def many_channels() -> tuple[State, Snapshot]:
    layers = tuple(Layer(f"stage{number}.part", "", (2048, 7, 7)) for number in range(150))
    state = everything(state_at("stage149.part", 2047, layers=layers))
    return state, snapshot_for(state)


def not_finite() -> tuple[State, Snapshot]:
    state = everything(state_at("conv1", 3, backward="grad", backward_view="norm blurred"))
    bad = np.full((16, 8, 8), np.nan, np.float32)
    bad[0, 0] = (np.inf, -np.inf, 1, 2, 3, 4, 3e38, -3e38)
    image = np.full((32, 32, 3), np.nan, np.float32)
    odd = {"forward": float("nan"), "backward": float("inf")}
    probabilities = np.full(1000, np.nan, np.float32)
    return state, snapshot_for(state, bad, backward_image=image, probabilities=probabilities, timings=odd)


def no_numbers() -> tuple[State, Snapshot]:
    state = everything(state_at(backward="deconv"))
    return state, snapshot_for(state, None, backward_image=None, probabilities=None, timings={}, error="E" * 5000)


def empty_arrays() -> tuple[State, Snapshot]:
    state = everything(state_at(backward="deconv"))
    empty = np.zeros((0, 0, 3), np.float32)
    return state, snapshot_for(
        state,
        np.zeros((0, 8, 8), np.float32),
        backward_image=empty,
        input_image=empty.astype(np.uint8),
        probabilities=np.zeros(0, np.float32),
    )


def huge_names() -> tuple[State, Snapshot]:
    layers = (Layer("stage." * 400 + "x" * 3000, "", (8, 4, 4)), Layer("\n\t\x00", "", (8, 4, 4)))
    state = everything(state_at("\n\t\x00", layers=layers, backward="grad"))
    state.facts.labels, state.facts.message = ("label " * 900,) * 1000, "message " * 900
    state.view.frozen_origin, state.view.layer_index = Unit(layers[0].name, 3), 0
    return state, snapshot_for(state, frame=FrameInfo("folder/" * 900, 0, label=5), device="device" * 200)


def stale() -> tuple[State, Snapshot]:
    state = state_at("conv1", backward="grad")
    snapshot = snapshot_for(state)
    state.view.layer_index, state.view.unit = 2, 200
    return everything(state), snapshot


def tokens() -> tuple[State, Snapshot]:
    layers = (Layer("attention", "", (197, 192)),)
    state = everything(state_at("attention", 191, layers=layers))
    return state, snapshot_for(state, np.random.default_rng(0).normal(size=(192, 14, 14)).astype(np.float32))


CASES: tuple[Callable[[], tuple[State, Snapshot | None]], ...] = (
    loading,
    no_snapshot,
    usual,
    flat,
    one_channel,
    many_channels,
    not_finite,
    no_numbers,
    empty_arrays,
    huge_names,
    stale,
    tokens,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("pane", PANES.values(), ids=lambda pane: pane.name)
def test_every_pane_draws_every_case_within_its_own_pixels(pane: Pane, case: Callable) -> None:
    state, snapshot = case()
    for width, height in SIZES:
        scene = scene_of(state, snapshot, look_for(Look(), width, height))
        window = np.full((height, width, 3), 77, np.uint8)
        layout = make_layout(width, height, scene)
        box = layout.boxes.get(pane.name)
        if box is None:
            assert not pane.is_shown(state, snapshot)
            continue
        place = window[box.top : box.bottom, box.left : box.right]
        if not place.size:  # beyond the edge of a window smaller than the smallest
            assert width < layout_module.SMALLEST[0] or height < layout_module.SMALLEST[1]
            continue
        for zoom in ("tiles", "unit", "backward") if pane.name == "tiles" else ("tiles",):
            state.view.zoom = zoom
            with np.errstate(all="raise", under="ignore"):
                pane.draw(place, scene)
            assert (place != place[0, 0]).any(), "the pane is silently blank"
        place[...] = 77
        assert (window == 77).all()


@pytest.mark.parametrize("pane", PANES.values(), ids=lambda pane: pane.name)
@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (9, 9), (40, 25)])
def test_panes_survive_having_no_room(pane: Pane, size: tuple[int, int]) -> None:
    for case in CASES:
        state, snapshot = case()
        window = np.full((size[0] + 20, size[1] + 20, 3), 77, np.uint8)
        place = window[10:-10, 10:-10]
        place[...] = 0
        pane.draw(place, scene_of(state, snapshot))
        place[...] = 77
        assert (window == 77).all(), "it draws outside its place"


@pytest.mark.parametrize(
    "size", [(640, 400), (641, 777), (1280, 720), (1500, 930), (3840, 2160), (2000, 500), (700, 1600)]
)
def test_panes_lie_side_by_side_inside_the_window(size: tuple[int, int]) -> None:
    width, height = size
    state, snapshot = usual()
    layout = make_layout(width, height, scene_of(state, snapshot, look_for(Look(), width, height)))
    owners = np.zeros((height, width), int)
    overlays = {pane.name for pane in PANES.values() if pane.slot is Slot.OVERLAY}
    for name, box in layout.boxes.items():
        assert 0 <= box.top < box.bottom <= height, name
        assert 0 <= box.left < box.right <= width, name
        if name not in overlays:
            owners[box.top : box.bottom, box.left : box.right] += 1
            for x, y in ((box.left, box.top), (box.right - 1, box.bottom - 1)):
                found = layout.pane_at(x, y)
                assert found is not None
                assert found.name == name
    assert owners.max() == 1
    assert layout.pane_at(0, 0) is None


def test_boxes_do_not_jump_when_what_is_shown_changes() -> None:
    look = look_for(Look(), 1500, 930)
    first = make_layout(1500, 930, scene_of(*no_snapshot(), look)).boxes
    for case in CASES:
        state, snapshot = case()
        for name, box in make_layout(1500, 930, scene_of(state, snapshot, look)).boxes.items():
            assert first[name] == box


def test_a_pane_in_the_right_column_takes_its_room_from_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    state, look = state_at(), look_for(Look(), 1500, 930)

    class Extra(Pane):
        name, slot = "extra", Slot.RIGHT

        def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
            return state.view.show_unit_images

        def draw(self, pixels: Pixels, scene: Scene) -> None: ...

    others: Registry[Pane] = Registry("pane")
    for pane in PANES.values():
        if pane.slot is not Slot.RIGHT:
            others.add(pane.name, pane)
    monkeypatch.setattr(layout_module, "PANES", others)
    before = make_layout(1500, 930, scene_of(state, None, look)).boxes
    layout_module.add_pane(Extra())
    state.view.show_unit_images = True
    after = make_layout(1500, 930, scene_of(state, None, look)).boxes
    assert after["extra"].right == before["tiles"].right
    assert after["tiles"].right < after["extra"].left
    assert {name: after[name] for name in before if name != "tiles"} == {
        name: box for name, box in before.items() if name != "tiles"
    }
    state.view.show_unit_images = False
    assert make_layout(1500, 930, scene_of(state, None, look)).boxes == before


def test_a_click_anywhere_in_a_tile_finds_its_unit() -> None:
    for case in (usual, flat, many_channels, tokens, one_channel):
        state, snapshot = case()
        assert state.layer
        scene = scene_of(state, snapshot, look_for(Look(), 1500, 930))
        layout = make_layout(1500, 930, scene)
        box = layout.boxes["tiles"]
        grid = tiles.tile_grid(box.height, box.width, scene)
        assert grid
        top = box.bottom - box.height + scene.look.px(scene.look.caption)
        for unit in {0, grid.count // 2, grid.count - 1}:
            tile = grid.tile_rect(unit)
            found = hit(layout, scene, box.left + tile.right - 1, top + tile.top)
            assert found
            assert (found[0].name, found[1].what) == ("tiles", Unit(state.layer.name, unit))
            assert found[1].click
            found[1].click(state)
            assert state.view.unit == unit
        caption = hit(layout, scene, box.left + 3, box.top + 3)
        assert caption
        assert (caption[1].what, caption[1].click) == (None, None)


def test_the_tile_found_under_the_mouse_is_the_one_drawn_there() -> None:
    state = state_at("conv1", 15)
    values = np.zeros((16, 8, 8), np.float32)
    values[6] = 1
    snapshot = snapshot_for(state, values)
    pixels, boxes = drawn(state, snapshot)
    scene = scene_of(state, snapshot, look_for(Look(), 1500, 930))
    caption = scene.look.px(scene.look.caption)
    rows, columns = np.nonzero((part(pixels, boxes["tiles"])[caption:] == 255).all(axis=2))
    x, y = int(np.median(columns)) + boxes["tiles"].left, int(np.median(rows)) + boxes["tiles"].top + caption
    found = hit(make_layout(1500, 930, scene), scene, x, y)
    assert found
    assert found[1].what == Unit("conv1", 6)


def test_tile_columns_of_the_state_follow_the_grid() -> None:
    state = state_at("block2.expand")
    scene = scene_of(state, snapshot_for(state), look_for(Look(), 1500, 930))
    layout = make_layout(1500, 930, scene)
    box = layout.boxes["tiles"]
    grid = tiles.tile_grid(box.height, box.width, scene)
    assert grid
    state.facts.take(layout.facts)
    assert state.facts.tile_columns == grid.columns > 1
    assert state.facts.tile_size == grid.tile_height > 1


def test_drawing_changes_nothing_of_the_state() -> None:
    for case in CASES:
        state, snapshot = case()
        before = deepcopy((state.facts, state.view, state.orders))
        drawn(state, snapshot)
        assert (state.facts, state.view, state.orders) == before


def test_every_layer_name_in_view_is_found_where_it_stands_and_the_shown_one_is_in_view() -> None:
    layers = tuple(Layer(f"layer{number}", "", (4, 2, 2)) for number in range(137))
    look, height = Look(), 700
    for index in (0, 5, 70, 130, 136):
        state = state_at(f"layer{index}", layers=layers)
        first, rows = layer_list.first_row(state, height, look), layer_list.visible_rows(height, look)
        assert first <= index < first + rows
        found = [layer_list.layer_at(height, state, look, y) for y in range(height)]
        assert list(dict.fromkeys(layer for layer in found if layer is not None)) == list(range(first, first + rows))
        assert found[0] is None
    state.view.layer_scroll = 10
    assert layer_list.first_row(state, height, look) == 10
    state.view.layer_scroll = 136
    assert layer_list.first_row(state, height, look) == 137 - layer_list.visible_rows(height, look)


def test_the_selected_tile_is_framed_in_the_accent_colour() -> None:
    accent = np.array(Look().accent)
    for unit in (0, 15):
        state = state_at("conv1", unit)
        pixels, boxes = drawn(state, snapshot_for(state))
        look = look_for(Look(), 1500, 930)
        grid = tiles.tile_grid(boxes["tiles"].height, boxes["tiles"].width, scene_of(state, None, look))
        assert grid
        body = part(pixels, boxes["tiles"])[look.px(look.caption) :]
        rows, columns = np.nonzero((body == accent).all(axis=2))
        tile = grid.tile_rect(unit)
        assert abs(rows.min() - tile.top) <= 4
        assert abs(columns.max() + 1 - tile.right) <= 4


def test_in_the_layer_list_no_tile_is_framed_in_the_accent_colour_and_classes_are_shown() -> None:
    state = state_at("conv1", 3, cursor_area="layers")
    snapshot = snapshot_for(state)
    pixels, boxes = drawn(state, snapshot)
    look = look_for(Look(), 1500, 930)
    assert not (part(pixels, boxes["tiles"])[look.px(look.caption) :] == np.array(look.accent)).all(axis=2).any()
    with_classes = part(pixels, boxes["classes"]).copy()
    state.view.show_labels = False
    pixels, _ = drawn(state, snapshot)
    assert (part(pixels, boxes["classes"]) != with_classes).any()


def texts(monkeypatch: pytest.MonkeyPatch, state: State, snapshot: Snapshot | None) -> str:
    """All that is written in the window, one line a text, before anything is cut to fit."""
    from deepvis_toolbox.drawing import text as text_module

    written: list[str] = []
    real = text_module.draw_text

    def draw_text(pixels: np.ndarray, text: str, *rest: object, **named: object) -> int:
        written.append(text)
        return real(pixels, text, *rest, **named)  # type: ignore[arg-type]

    for pane in (
        "backward",
        "caption",
        "classes",
        "error",
        "help_overlay",
        "layer_list",
        "legend",
        "message",
        "selected",
        "status_line",
        "tiles",
        "timings",
    ):
        module = f"deepvis_toolbox.live.panes.{pane}"
        monkeypatch.setattr(f"{module}.draw_text", draw_text, raising=False)
    drawn(state, snapshot)
    monkeypatch.undo()
    return "\n".join(written)


def test_the_five_likeliest_classes_are_named_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_at("conv1", cursor_area="layers")
    state.facts.labels = tuple(f"kind {i}" for i in range(1000))
    probabilities = np.zeros(1000, np.float32)
    probabilities[[700, 3, 999, 0, 42]] = (0.5, 0.3, 0.1, 0.06, 0.04)
    written = texts(monkeypatch, state, snapshot_for(state, probabilities=probabilities, frame=FrameInfo("x", 0)))
    named = [line for line in written.splitlines() if line.startswith("kind")]
    assert named == ["kind 700", "kind 3", "kind 999", "kind 0", "kind 42"]
    assert "50.0 %" in written


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (lambda: (new_state(loading="loading squeezenet …"), None), "loading squeezenet …"),
        (lambda: (state_at(), None), "waiting for the first picture"),
        (lambda: with_snapshot(state_at()), "backward is off; press b"),
        (
            lambda: with_snapshot(state_at(backward="grad"), backward_image=np.zeros((9, 9, 3), np.float32)),
            "exactly zero",
        ),
        (lambda: with_snapshot(state_at(backward="grad"), backward_image=None), "computing"),
        (
            lambda: with_snapshot(state_at(backward="grad"), backward_image=None, error="x"),
            "nothing was computed",
        ),
        (lambda: with_snapshot(state_at(), np.zeros((16, 8, 8), np.float32)), "all activations are exactly zero"),
        (
            lambda: with_snapshot(
                state_at("fc", backward="grad", show_gradients=True, frozen_origin=Unit("conv1", 1)),
                np.zeros(1000, np.float32),
                maps_note="fc lies above the origin",
            ),
            "fc lies above the origin",
        ),
        (lambda: with_snapshot(state_at(), np.full((16, 8, 8), np.nan, np.float32)), "1024 values are not finite"),
        (lambda: with_snapshot(state_at(cursor_area="layers", show_labels=False)), "class labels are off; press 8"),
        (
            lambda: with_snapshot(state_at(cursor_area="layers", label_layers=()), probabilities=None),
            "this network has no label layer",
        ),
        (lambda: with_snapshot(state_at(), error="the worker fell"), "the worker fell"),
        (stale, "computing"),
    ],
)
def test_a_pane_with_nothing_to_show_says_why(
    case: Callable[[], tuple[State, Snapshot | None]], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, snapshot = case()
    assert sentence in " ".join(texts(monkeypatch, state, snapshot).splitlines())


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (state_at(source_note="none of the 6 can be read", backward="grad"), "none of the 6 can be read"),
        (new_state(loading="no network: see the error", backward="grad"), "no network: see the error"),
    ],
)
def test_the_reason_why_there_will_be_no_picture_stands_in_every_pane(
    state: State, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = texts(monkeypatch, state, None)
    assert " ".join(written.split()).count(sentence) >= 4
    assert "waiting for" not in written
    assert "still loading" not in written


def with_snapshot(state: State, maps: np.ndarray | None = None, **changes: object) -> tuple[State, Snapshot]:
    return state, snapshot_for(state, maps, **changes)


def test_the_help_lists_every_key_that_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    written = texts(monkeypatch, state_at(show_help=True), None).splitlines()
    for binding in KEYS.bindings:
        if binding.sentence:
            assert binding.label in written
            assert binding.sentence in written
    assert {group for group, _ in KEYS.groups()} <= set(written)


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        *[(size, None) for size in ((640, 400), (1280, 720), (1500, 930), (3840, 2160))],
        ((1500, 930), 3),
        ((1280, 720), 8),
    ],
)
def test_the_help_fits_its_window(size: tuple[int, int], scale: float | None) -> None:
    state = state_at(show_help=True)
    look = look_for(Look(), *size, scale)
    pixels, boxes = drawn(state, snapshot_for(state), *size, look)
    lit = (part(pixels, boxes["help"]) == np.array(look.panel)).all(axis=2)
    rows, columns = np.nonzero(lit)
    height, width = lit.shape
    assert rows.min() > 0
    assert rows.max() < height - 1
    assert columns.min() > 0
    assert columns.max() < width - 1


def test_the_status_line_says_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_at("fc", 7, backward="deconv", backward_view="gray", gamma_index=2, channel_boost_index=1)
    state.facts.window_rate = 59.8
    snapshot = snapshot_for(state, dropped_frames=12)
    written = texts(monkeypatch, state, snapshot).splitlines()
    for text in (
        "fc:7",
        "class 7",
        "deconv gray",
        "0.5",
        "0.3",
        "ostrich.jpg (3 of 500)",
        "30.0",
        "24.3",
        "59.8",
        "12",
    ):
        assert text in written


def test_numbers_in_the_status_line_do_not_move_other_columns() -> None:
    state = state_at("conv1")
    look = look_for(Look(), 1500, 930)
    pictures = []
    for rate in (1.0, 9876.5):
        state.facts.window_rate = rate
        pixels = np.zeros((48, 1500, 3), np.uint8)
        snapshot = snapshot_for(state, network_rate=rate, dropped_frames=int(rate))
        status_line.StatusPane().draw(pixels, scene_of(state, snapshot, look))
        pictures.append(pixels)
    changed = np.nonzero((pictures[0] != pictures[1]).any(axis=(0, 2)))[0]
    columns = {place[0].label: place[1:] for place in status_line._places(1500, look)}
    allowed = np.zeros(1500, bool)
    for label in ("network fps", "shown fps", "dropped"):
        left, room = columns[label]
        allowed[left : left + room + 2] = True
    assert allowed[changed].all()


def test_gradients_have_a_colour_for_each_sign_and_activations_are_light() -> None:
    values = np.zeros((16, 8, 8), np.float32)
    values[0], values[1] = -1, 1
    look = look_for(Look(), 1500, 930)
    for show, first, second in ((True, look.negative, look.positive), (False, look.below_zero, look.full)):
        state = state_at("conv1", 5, backward="grad", show_gradients=show)
        snapshot = snapshot_for(state, values)
        pixels, boxes = drawn(state, snapshot)
        grid = tiles.tile_grid(boxes["tiles"].height, boxes["tiles"].width, scene_of(state, snapshot, look))
        assert grid
        body = part(pixels, boxes["tiles"])[look.px(look.caption) :]
        for unit, colour in ((0, first), (1, second)):
            tile = grid.tile_rect(unit)
            assert tuple(body[(tile.top + tile.bottom) // 2, (tile.left + tile.right) // 2]) == colour


def test_zoom_fills_the_tile_pane_with_the_unit_or_the_backward_result() -> None:
    state = state_at("conv1", 3, backward="grad")
    snapshot = snapshot_for(state)
    pictures = []
    for zoom in ("tiles", "unit", "backward"):
        state.view.zoom = zoom  # type: ignore[assignment]
        pixels, boxes = drawn(state, snapshot)
        pictures.append(part(pixels, boxes["tiles"]).copy())
        assert (tiles.tile_grid(900, 900, scene_of(state, snapshot)) is None) == (zoom != "tiles")
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()


def test_a_pane_that_fails_says_so_in_its_place_and_the_others_are_drawn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a broken pane")

    state = state_at()
    snapshot = snapshot_for(state)
    expected, boxes = drawn(state, snapshot)
    monkeypatch.setattr(input_image.InputPane, "draw", broken)
    pixels, _ = drawn(state, snapshot)
    changed = (pixels != expected).any(axis=2)
    part(changed, boxes["input"])[...] = False
    assert not changed.any()
    assert "a broken pane" in caplog.text


def test_stale_is_what_answers_another_question() -> None:
    def is_stale(state: State, snapshot: Snapshot) -> bool:
        shown = maps.shown_maps(scene_of(state, snapshot))
        assert shown
        return shown.is_stale

    state = state_at("conv1", 1)
    snapshot = snapshot_for(state)
    assert not is_stale(state, snapshot)
    state.view.unit = 2
    assert not is_stale(state, snapshot)  # the same layer's activations, whatever unit is selected
    state.view.show_gradients, state.view.backward = True, "grad"
    assert is_stale(state, snapshot)
    state.view.backward = "off"
    assert maps.shown_maps(scene_of(state, snapshot)) is None  # there can be none
    state = state_at("conv1", 1, backward="grad", show_gradients=True)
    snapshot = snapshot_for(state)
    assert not is_stale(state, snapshot)
    state.view.unit = 2
    assert is_stale(state, snapshot)  # gradients start at the selected unit


def test_a_selected_unit_that_is_zero_is_not_silently_black(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_at("conv1", 3)
    values = np.ones((16, 8, 8), np.float32)
    values[3] = 0
    assert "activation exactly zero" in texts(monkeypatch, state, snapshot_for(state, values))


def test_a_selected_unit_that_is_not_finite_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_at("conv1", 3)
    values = np.ones((16, 8, 8), np.float32)
    values[3, :2] = np.nan
    values[4] = np.inf
    written = texts(monkeypatch, state, snapshot_for(state, values)).splitlines()
    assert "16 values are not finite" in written


@pytest.mark.parametrize("size", [(320, 240), (640, 400), (1280, 720), (1500, 930)])
def test_classes_stand_apart_however_little_room_there_is_and_a_click_goes_to_their_unit(size: tuple[int, int]) -> None:
    state = state_at("conv1", 3)
    snapshot = snapshot_for(state)
    scene = scene_of(state, snapshot, look_for(Look(), *size))
    layout = make_layout(*size, scene)
    box = layout.boxes["classes"]
    answer = snapshot.answer(ClassProbabilities())
    assert answer
    found = [hit(layout, scene, box.left + 5, y) for y in range(box.top, box.bottom)]
    units = [each[1].what for each in found if each]
    shown = list(dict.fromkeys(units))
    assert shown == [Unit("fc", index) for index in answer.best(len(shown))]
    assert all(units.count(unit) >= scene.look.font.capital_height + 4 for unit in shown)
    last = found[-1]
    assert last
    assert last[1].click
    last[1].click(state)
    assert (state.selected, state.view.cursor_area) == (shown[-1], "tiles")


def test_what_is_kept_of_the_layer_list_never_shows_an_older_state() -> None:
    changes: tuple[dict[str, object], ...] = (
        {"layer_index": 2},
        {"cursor_area": "layers"},
        {"frozen_origin": Unit("conv1", 3)},
        {"frozen_origin": None},
        {"layers": LAYERS[:3], "layer_index": 1},
        {"layers": (), "layer_index": 0, "loading": "another network …"},
        {"loading": "yet another …"},
    )
    state, pictures, keeps = state_at(), [], Kept()
    for changed in changes:
        change(state, **changed)
        kept, fresh = (np.zeros((700, 224, 3), np.uint8) for _ in range(2))
        layer_list.LayerListPane().draw(kept, Scene(state, None, Look(), KEYS, keeps))
        layer_list.LayerListPane().draw(fresh, Scene(state, None, Look(), KEYS, Kept()))
        assert (kept == fresh).all()
        pictures.append(kept.tobytes())
    assert all(now != before for now, before in zip(pictures[1:], pictures, strict=False))


def test_boosts_change_the_tiles_of_a_still_picture() -> None:
    state = state_at("conv1", 3)
    snapshot = snapshot_for(state)
    pictures = []
    for gamma, boost in ((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)):
        state.view.gamma_index, state.view.channel_boost_index = gamma, boost
        pixels, boxes = drawn(state, snapshot)
        pictures.append(part(pixels, boxes["tiles"]).tobytes())
    assert pictures[0] == pictures[-1]
    assert len(set(pictures)) == 4


def test_text_grows_with_the_window_and_with_the_scale() -> None:
    assert look_for(Look(), 1500, 930).font.size == 14
    assert look_for(Look(), 3840, 2160).font.size >= 30
    assert look_for(Look(), 1280, 720).font.size >= 12
    assert look_for(Look(), 1500, 930, scale=2).font.size == 28


def test_the_settings_have_the_looks_defaults() -> None:
    from deepvis_toolbox.settings.loading import Settings

    section = Settings.model_validate({}).look
    assert look_from(section) == Look()


@pytest.mark.parametrize("size", [(1, 1), (320, 240), (200, 2000)])
def test_a_window_that_is_too_small_shows_the_top_left_part(size: tuple[int, int]) -> None:
    state, snapshot = usual()
    state.view.show_help = False
    state.facts.message = state.facts.error = ""
    state.view.show_timings = False
    pixels, _ = drawn(state, snapshot, *size)
    assert pixels.any()


def test_a_map_of_one_value_is_shown_as_that_value(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (Layer("prob", "softmax", (10, 1, 1)),)
    state = state_at("prob", 3, layers=layers)
    values = np.linspace(0, 0.9, 10, dtype=np.float32).reshape(10, 1, 1)
    assert "0.3" in texts(monkeypatch, state, snapshot_for(state, values)).splitlines()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("gamma_index", [0, 3])
def test_the_scale_shows_each_value_in_the_colour_that_its_tile_has(signed: bool, gamma_index: int) -> None:
    """A tile of one value between the ends has the colour that stands at that value's place in the scale."""
    values = np.zeros((16, 8, 8), np.float32)
    values[0], values[1], values[2] = 1, 0.25, -1 if signed else 0
    state = state_at("conv1", 15, gamma_index=gamma_index)
    scene = scene_of(state, snapshot_for(state, values))
    shown = maps.shown_maps(scene)
    assert shown
    pixels = np.zeros((26, 700, 3), np.uint8)
    legend.draw_legend(pixels, shown, 0, 700, scene)
    length, number = scene.look.px(90), text_width(WIDEST_NUMBER, scene.look.small) + scene.look.px(7)
    row = pixels[caption_baseline(scene.look) - 2, 700 - number - length : 700 - number].astype(int)
    place = (0.25 + 1) / 2 if signed else 0.25
    colour = shown.palette[int(shown.levels.indices[1, 0, 0]), 0].astype(int)
    assert np.abs(row[round(place * (length - 1))] - colour).max() <= 12
    assert np.abs(row[-1] - shown.palette[255, 0]).max() == 0


@pytest.mark.parametrize("gamma_index", [0, 2])
def test_one_unit_that_is_far_stronger_does_not_hide_the_others(
    gamma_index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).uniform(0.5, 1, (16, 8, 8)).astype(np.float32)
    plain = maps.shown_maps(scene_of(state_at(gamma_index=gamma_index), snapshot_for(state_at(), values)))
    values[3] *= 100
    state = state_at(gamma_index=gamma_index)
    shown = maps.shown_maps(scene_of(state, snapshot_for(state, values)))
    assert plain
    assert shown
    others = [unit for unit in range(16) if unit != 3]
    assert shown.levels.full == values[others].max()
    assert np.abs(shown.levels.indices[others].astype(int) - plain.levels.indices[others]).max() <= 3
    assert (shown.levels.indices[3] == 255).all()
    assert "1+" in texts(monkeypatch, state, snapshot_for(state, values)).splitlines()


def test_a_recording_that_has_stopped_stays_in_the_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_at(recording_stopped=True)
    snapshot = snapshot_for(state)
    assert snapshot.frame
    assert f"not recording; {snapshot.frame.source}" in texts(monkeypatch, state, snapshot).splitlines()


def test_a_source_that_is_gone_has_a_badge_on_the_input_and_no_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_at(source_note="camera lost, retrying", source_gone=True, window_rate=30.0)
    snapshot = snapshot_for(state)
    written = texts(monkeypatch, state, snapshot).splitlines()
    assert written.count("camera lost, retrying") == 2  # on the picture and in the status line
    assert not {"24.3", "30.0"} & set(written)
    pixels, boxes = drawn(state, snapshot)
    assert (part(pixels, boxes["input"]) == np.array(Look().warning)).all(axis=2).any()
    state.facts.source_gone = False
    assert {"24.3", "30.0"} <= set(texts(monkeypatch, state, snapshot).splitlines())
