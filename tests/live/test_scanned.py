"""What a scan says of the units: read and checked, then in orders, captions, tooltips, finding and statistics."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.drawing.plots import paint_histogram
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.live.actions_find import found
from deepvis_toolbox.live.finding import MOST, matches
from deepvis_toolbox.live.layout import PANES, make_request
from deepvis_toolbox.live.mouse_places import Hovered
from deepvis_toolbox.live.panes.selected import _title
from deepvis_toolbox.live.panes.tile_order import order_text
from deepvis_toolbox.live.panes.tooltip import TooltipPane, _lines
from deepvis_toolbox.live.scanned import (
    FiresWith,
    ScannedSpread,
    ScannedUnits,
    UnitName,
    UnitNames,
    expected_counts,
)
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.scan_reading import ScanReading, scanned_units
from deepvis_toolbox.measure import LayerSpread, LayerStatistics, MostActive, Spread, UnitMaxima
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.unit_images.montage import montage3x3
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit
from find_maxes import TopImages, scan

from .conftest import Display, Driver
from .scenes import KEYS, LAYERS, drawn, part, scene_of, snapshot_for, state_at

PICTURES, OF_THE_CLASS, TOP = 60, 20, 12


class Scanned(NamedTuple):
    """A scan of the small network, on whose pictures a unit of conv2 fires most where they are of class 1."""

    folder: Path
    pictures: Path
    maxima: dict[str, NDArray[np.float32]]
    """{layer: (pictures, units)}, by plain passes."""
    unit: Unit


@pytest.fixture(scope="module")
def small_scan(load_small: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    folder, network = tmp_path_factory.mktemp("scanned"), load_small()
    random, paths, maxima = np.random.default_rng(0), [], {"conv1": [], "conv2": [], "fc": []}
    for number in range(PICTURES):
        noise = cv2.GaussianBlur(random.integers(0, 256, (32, 32, 3)).astype(np.uint8), (5, 5), 1)
        picture = cv2.normalize(noise, None, 0, random.integers(100, 256), cv2.NORM_MINMAX)  # type: ignore[call-overload]
        paths.append(folder / f"{number:03d}.png")
        cv2.imwrite(str(paths[-1]), picture)
        values = network.forward(network.preprocess(picture[..., ::-1].copy()), list(maxima))
        for name, kept in maxima.items():
            kept.append(
                values[name][0].flatten(1).amax(1).numpy() if values[name].ndim > 2 else values[name][0].numpy()
            )
    plain = {name: np.stack(rows) for name, rows in maxima.items()}
    order = np.argsort(-plain["conv2"], axis=0)
    unit = int(np.argmax(np.sort(plain["conv2"], axis=0)[-TOP]))
    labels = np.zeros(PICTURES, int)
    labels[order[OF_THE_CLASS:, unit]] = random.choice([0, 2, 3], PICTURES - OF_THE_CLASS)
    labels[order[:OF_THE_CLASS, unit]] = 1
    scan(
        network, paths, labels.tolist(), layers=list(maxima), top=TOP, statistics=True, out=folder / "maxes", workers=0
    )
    return Scanned(folder / "maxes", folder, plain, Unit("conv2", unit))


NAMES = ("sky", "dog", "cat", "fox")


@pytest.fixture(scope="module")
def units(small_scan: Scanned) -> ScannedUnits:
    return scanned_units(TopImages.load(small_scan.folder), NAMES)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_what_is_read_is_what_plain_passes_say(units: ScannedUnits, small_scan: Scanned) -> None:
    assert units.pictures == PICTURES
    for name, maxima in small_scan.maxima.items():
        np.testing.assert_allclose(units.maxima[name].values, maxima.max(0), rtol=1e-4)
        for channel in range(3):
            spread = units.spread(Unit(name, channel))
            assert spread.mean == pytest.approx(maxima[:, channel].mean(dtype=float), rel=1e-3, abs=1e-4)
            assert spread.deviation == pytest.approx(maxima[:, channel].std(dtype=float), rel=1e-3, abs=1e-4)
            assert spread.fires == pytest.approx((maxima[:, channel] > 0).mean())
            assert spread.largest == pytest.approx(maxima[:, channel].max(), rel=1e-4)
            assert spread.layer_largest == pytest.approx(max(maxima.max(), 0), rel=1e-4)
            assert spread.unit is not None
            assert spread.unit.sum() == PICTURES * (1 if name == "fc" else 9), "a sample of 3×3 places of each"


def test_the_neighbours_are_those_that_numpy_correlates_most(units: ScannedUnits, small_scan: Scanned) -> None:
    for channel in range(4):
        whole = np.corrcoef(small_scan.maxima["conv2"].T.astype(float))[channel]
        wanted = [other for other in np.argsort(-whole) if other != channel and whole[other] > 0][:5]
        answer = units.fires_with(Unit("conv2", channel))
        assert [unit.channel for unit in answer.units] == wanted
        np.testing.assert_allclose(answer.correlations, whole[wanted], atol=1e-3)


def test_without_correlations_that_is_said(load_small: Callable[[], Any], small_scan: Scanned, tmp_path: Path) -> None:
    scan(load_small(), small_scan.pictures, layers=["conv2"], correlations=False, out=tmp_path / "m", workers=0)
    units = scanned_units(TopImages.load(tmp_path / "m"), NAMES)
    assert "holds no correlations" in units.fires_with(Unit("conv2", 1)).why_none
    spread = units.spread(Unit("conv2", 1))
    assert spread.unit is None
    assert spread.layer is None
    assert "have no labels" in units.names.why_none
    assert units.names.of(Unit("conv2", 1)) is None


def test_the_unit_that_fires_for_a_class_has_its_name(units: ScannedUnits, small_scan: Scanned) -> None:
    (name,) = units.names.of(small_scan.unit) or ()
    assert (name.name, name.score, str(name)) == ("dog", 1.0, "dog 100 %"), "all its pictures come before the others"
    assert name.by_chance is not None
    assert 0.1 < name.by_chance < 0.6, "about as many as the class has of the pictures held out"
    assert name.explained == f"dog 100 % (chance {100 * name.by_chance:.2g} %)"
    assert units.names.of(Unit("elsewhere", 0)) is None
    assert units.names.of(Unit("conv2", 11 if small_scan.unit.channel != 11 else 10)) is not None


@pytest.mark.parametrize("names", [(), NAMES[:3]])
def test_names_that_are_not_those_of_the_scan_s_classes_are_not_used(
    small_scan: Scanned, names: tuple[str, ...]
) -> None:
    units = scanned_units(TopImages.load(small_scan.folder), names)
    assert [name.name for name in units.names.of(small_scan.unit) or ()] == ["class 1"]


def test_a_scan_that_held_no_pictures_out_names_units_by_their_top_pictures_and_says_so(
    load_small: Callable[[], Any], small_scan: Scanned, tmp_path: Path
) -> None:
    former = TopImages.load(small_scan.folder).pictures
    scan(load_small(), former, layers=["conv2"], top=TOP, held_out=0, out=tmp_path / "m", workers=0)
    units = scanned_units(TopImages.load(tmp_path / "m"), NAMES)
    assert units.names.of(small_scan.unit) == (UnitName("dog", 1.0),)
    assert UnitName("dog", 0.78).explained == "dog 78 % of its top pictures"


def reading(folder: Path, network: Any, is_asked_for: bool = True, labels: Path | None = None) -> State:
    state, scan = State(), ScanReading(folder, labels, is_asked_for, NAMES)
    LoadedNetwork.of(network).introduce(state)
    scan.follow(state)
    scan.settle(network)
    assert not scan.wants_settling
    assert scan.follow(state)
    assert not scan.follow(state), "it is told once"
    return state


def test_a_scan_of_this_network_is_there_once_it_is_settled(load_small: Callable[[], Any], small_scan: Scanned) -> None:
    network = load_small()
    scan = ScanReading(small_scan.folder, None, True, NAMES)
    state = State()
    assert not scan.follow(state)
    assert (state.facts.scan, state.facts.scan_note) == (None, "the scan is being read")
    state = reading(small_scan.folder, network)
    assert state.facts.scan
    assert (state.facts.scan_note, state.facts.message) == ("", "")


def other_weights(network: Any) -> None:
    with torch.no_grad():
        network.graph_module.conv1.weight.add_(0.25)


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_a_scan_of_another_network_is_refused(
    load_small: Callable[[], Any], small_scan: Scanned, is_asked_for: bool
) -> None:
    network = load_small()
    other_weights(network)
    if is_asked_for:
        with pytest.raises(ToolboxError, match=r"maxes: the scan is of other weights .* scan again"):
            reading(small_scan.folder, network)
        return
    state = reading(small_scan.folder, network, is_asked_for=False)
    assert state.facts.scan is None
    assert "the scan is of other weights" in state.facts.message
    assert state.facts.scan_note == state.facts.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--maxes", "nowhere"], "nowhere.* holds no top images"),
        (["--maxes", "MAXES", "--std", "100"], "another preprocessing"),
        (["--maxes", "MAXES", "--set", "unit_images.maxes_labels=none.txt"], "there is no labels file none.txt"),
        (
            ["--maxes", "MAXES", "--set", "unit_images.maxes_labels=few.txt"],
            "a class 3; few.txt names 3, counted from 0",
        ),
        (["--maxes", ""], "empty"),
        (["--watch", ".", "--maxes", "MAXES"], "--maxes does not go with --watch"),
    ],
)
def test_a_scan_that_is_named_and_cannot_be_used_ends_with_a_sentence(
    given: list[str], said: str, small_scan: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.txt").write_text("sky\ndog\ncat\n")
    given = [str(small_scan.folder) if word == "MAXES" else word for word in given]
    headless = [] if "--watch" in given else ["--headless"]
    arguments = [*SMALL, *headless, "--input", str(small_scan.pictures / "000.png"), *given]
    assert run_command(lambda: toolbox_command.main(arguments)) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(said, told), told


SMALL = ["--model", "live_test_network:make", "--device", "cpu", "--input-size", "32", "--mean", "127", "--std", "128"]


@pytest.mark.display
@pytest.mark.usefixtures("display")
def test_the_window_closes_with_the_sentence(
    small_scan: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    arguments = [*SMALL, "--input", str(small_scan.pictures / "000.png"), "--maxes", "nowhere"]
    assert run_command(lambda: toolbox_command.main(arguments)) == 2
    assert "holds no top images" in capsys.readouterr().err


def test_the_setting_alone_is_no_reason_to_end(
    small_scan: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    call = [*SMALL, "--headless", "--input", str(small_scan.pictures / "000.png"), "--set", "unit_images.maxes=nowhere"]
    assert run_command(lambda: toolbox_command.main(call)) == 0
    assert "holds no top images" in caplog.text


def test_the_flag_shows_it_and_a_labels_file_names_its_classes(
    small_scan: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.txt").write_text("sky\ndog\ncat\nfox\n")
    call = [*SMALL, "--headless", "--input", str(small_scan.pictures / "000.png"), "--goto", str(small_scan.unit)]
    named = ["--maxes", str(small_scan.folder), "--set", "unit_images.maxes_labels=classes.txt"]
    for more, name in (([], "a.png"), (named, "b.png"), (named[:2], "c.png")):
        assert run_command(lambda more=more, name=name: toolbox_command.main([*call, *more, "--snapshot", name])) == 0  # type: ignore[misc]
    shots = [cv2.imread(str(tmp_path / name)) for name in ("a.png", "b.png", "c.png")]
    rows = [np.nonzero((shots[0] != other).any((1, 2)))[0] for other in shots[1:]]
    assert rows[0].size
    assert np.ptp(rows[0]) < 30, "one caption"
    assert not np.array_equal(shots[1], shots[2])


# -- the data set's histogram over the frame's bins --------------------------------------------------------------------


def test_counts_are_spread_evenly_within_their_bins_and_points_stay_points() -> None:
    edges, counts = np.array([-np.inf, -2.0, -0.5, 0.5, 2.0, np.inf]), np.array([0, 30, 100, 60, 10])
    bins = np.array([0, 1, 2, 3], np.float32)
    found = expected_counts(counts, edges, 3.0, bins, values=200)
    np.testing.assert_allclose(found, [100 + 60 / 3, 60 * 2 / 3, 10])
    found = expected_counts(counts, edges, 2.0, bins, values=400)
    np.testing.assert_allclose(
        found / 2, [100 + 60 / 3, 60 * 2 / 3, 10], err_msg="at the largest, which is a bin's edge"
    )
    found = expected_counts(counts, edges, 1.0, np.array([0, 0.5, 1], np.float32), values=200)
    np.testing.assert_allclose(found, [100, 70])
    assert expected_counts(counts * 0, edges, 3.0, bins, values=200).tolist() == [0, 0, 0]
    unknown = expected_counts(counts, edges, float("nan"), bins, values=200)
    np.testing.assert_allclose(unknown, [120, 40, 0], err_msg="a bin without an end lies nowhere")


def test_a_scan_s_own_histogram_gives_the_values_it_was_made_of(small_scan: Scanned, units: ScannedUnits) -> None:
    for unit in (Unit("conv2", 0), small_scan.unit, Unit("fc", 2)):
        spread = units.spread(unit)
        assert spread.unit is not None
        low = -2 * float(np.abs(small_scan.maxima[unit.layer]).max()) - 50
        bins = np.linspace(low, max(spread.largest, 1) + 50, 7, dtype=np.float32)
        assert expected_counts(spread.unit, spread.edges, spread.largest, bins, 500).sum() == pytest.approx(500)


def test_an_outline_follows_the_tops_of_the_bars() -> None:
    counts = np.array([3.0, 0.0, 7.5, 1.0])
    bars, line = np.zeros((40, 80, 3), np.uint8), np.zeros((40, 80, 3), np.uint8)
    paint_histogram(bars, counts, (255, 255, 255), most=10)
    paint_histogram(line, counts, (255, 255, 255), most=10, outline=2)
    assert not bars[:10].all(axis=(1, 2)).any()
    for column in range(80):
        filled, drawn_rows = np.flatnonzero(bars[:, column, 0]), np.flatnonzero(line[:, column, 0])
        top = filled[0] if filled.size else 38
        assert top in drawn_rows
        assert column % 20 == 0 or drawn_rows.tolist() == [min(top, 38), min(top, 38) + 1]


# -- the window without a screen ---------------------------------------------------------------------------------------


def known(**changes: Any) -> ScannedUnits:
    """A scan of conv1 and block2.expand, not of fc."""
    names = {
        Unit("conv1", 3): (UnitName("dog", 0.78, 0.0123), UnitName("wolf", 0.22)),
        Unit("conv1", 5): (UnitName("dog", 0.9),),
        Unit("block2.expand", 7): (UnitName("dogsled", 0.5),),
    }
    maxima = {layer.name: UnitMaxima(np.ones(layer.channels, np.float32)) for layer in LAYERS[1:3]}
    edges = np.array([-np.inf, -0.5, 0.5, np.inf])
    one = ScannedSpread(500, 1.0, 0.5, 2.0, 0.25, edges, np.array([0, 40, 60]), np.array([5, 400, 600]), 3.0)
    neighbours = FiresWith((Unit("conv1", 5), Unit("conv1", 9)), (0.8, 0.25))
    scan = ScannedUnits(500, maxima, UnitNames(names, frozenset(maxima)), lambda _: one, lambda _: neighbours)
    return replace(scan, **changes)


def press(state: State, *keys: str) -> State:
    for key in keys:
        assert KEYS.press(state, key)
    return state


def test_the_order_by_share_is_asked_where_a_scan_tells_and_said() -> None:
    state = state_at("conv1", scan=known())
    press(state, "r", "r", "r")
    assert state.facts.scan
    assert MostActive("conv1", "share", largest=state.facts.scan.maxima["conv1"]) in make_request(state).questions
    assert make_request(state) == make_request(state)
    assert order_text(state) == " · by share of its largest"
    assert "data set" in state.facts.message
    press(state, "o", "o")
    assert state.layer
    assert state.layer.name == "fc"
    assert MostActive("fc") in make_request(state).questions
    assert order_text(state) == " · by maximum (not scanned)"
    assert press(state, "r").view.order == "number"


def test_without_a_scan_there_is_no_such_order_and_a_restored_one_falls_back() -> None:
    state = state_at("conv1")
    assert [press(state, "r").view.order for _ in range(4)] == ["maximum", "mean", "number", "maximum"]
    state = state_at("conv1", order="share")
    assert MostActive("conv1") in make_request(state).questions
    assert order_text(state) == " · by maximum (no scan)"
    assert press(state, "r").view.order == "number"


@pytest.mark.parametrize(
    ("unit", "labels", "title"),
    [
        (Unit("conv1", 3), True, "dog 78 %, wolf 22 %"),
        (Unit("conv1", 4), True, "no name"),
        (Unit("fc", 4), True, "selected unit"),
        (Unit("conv1", 3), False, "selected unit"),
    ],
)
def test_the_selected_pane_s_caption_reads_as_words(unit: Unit, labels: bool, title: str) -> None:
    state = state_at(unit.layer, unit.channel, scan=known(), show_labels=labels)
    assert _title(scene_of(state, None), 600) == title
    assert _title(scene_of(state_at(unit.layer, unit.channel), None), 600) == "selected unit"
    short = _title(scene_of(state, None), 130)
    assert short == title[: len(short) - 1].rstrip() + "…" or short == title
    before = drawn(change_scan(state, None), snapshot_for(state))
    after = drawn(change_scan(state, known()), snapshot_for(state))
    differs = not np.array_equal(part(before[0], before[1]["selected"]), part(after[0], after[1]["selected"]))
    assert differs == (title != "selected unit")


def change_scan(state: State, scan: ScannedUnits | None) -> State:
    state.facts.scan = scan
    return state


def test_the_tooltip_says_what_a_tile_s_unit_stands_for() -> None:
    state = state_at("conv1", scan=known(), hovered=Hovered(Unit("conv1", 3), False, 700, 300))
    pane = TooltipPane()
    assert [text for text, _ in _lines(scene_of(state, None), state.facts.hovered)] == [  # type: ignore[arg-type]
        "conv1:3", "dog 78 % (chance 1.2 %)", "wolf 22 % of its top pictures",
    ]  # fmt: skip
    assert pane.is_shown(state, None)
    pixels = drawn(state, snapshot_for(state))[0]
    state.facts.hovered = None
    assert not pane.is_shown(state, None)
    changed = np.nonzero((drawn(state, snapshot_for(state))[0] != pixels).any(2))
    assert changed[0].min() > 300
    assert changed[1].min() > 700
    for unit, said in ((Unit("conv1", 4), True), (Unit("fc", 4), False)):
        state.facts.hovered = Hovered(unit, False, 5, 5)
        assert pane.is_shown(state, None) == said
    state = state_at("conv1", hovered=Hovered(Unit("conv1", 3), False, 700, 300))
    assert not pane.is_shown(state, None), "without a scan tiles stay as they are"


@pytest.mark.parametrize("size", [(1500, 930), (640, 400), (3840, 2160)])
@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_the_tooltip_lies_in_the_window_and_not_under_the_mouse(size: tuple[int, int], corner: tuple[int, int]) -> None:
    width, height = size
    x, y = corner[0] * (width - 2), corner[1] * (height - 60)
    state = state_at("conv1", scan=known())
    plain = drawn(state, snapshot_for(state), width, height)[0]
    state.facts.hovered = Hovered(Unit("conv1", 3), True, x, y)
    shown = drawn(state, snapshot_for(state), width, height)[0]
    changed = (shown != plain).any(2)
    assert changed.sum() > 3000
    assert not changed[y, x]


def test_units_are_found_by_what_they_stand_for_and_classes_come_first() -> None:
    state = press(state_at("conv1", scan=known()), "/", *"dog")
    assert [(one.name, one.what) for one in found(state)][:3] == [
        ("dog 90 %", "conv1:5"), ("dog 78 %", "conv1:3"), ("dogsled 50 %", "block2.expand:7"),
    ]  # fmt: skip
    press(state, "down", "enter")
    assert state.address == "conv1:3"
    press(state, "/", *"wol", "enter")
    assert (state.address, state.view.cursor_area) == ("conv1:3", "tiles")


def test_many_units_of_one_name_leave_room_for_other_finds() -> None:
    layers = (Layer("data", "input", (3, 8, 8)), Layer("conv", "conv", (40, 8, 8)))
    names = UnitNames({Unit("conv", unit): (UnitName("dog", unit / 40),) for unit in range(40)}, frozenset({"conv"}))
    labels = ("Eskimo dog", "dogsled", "hot dog", "dog", "prairie dog", "bulldog")
    listed = matches("dog", layers, "conv", labels, "conv", names)
    assert listed[0].name == "dog", "the class itself"
    assert [one.unit for one in listed if one.name.endswith("%")] == [39, 38, 37, 36]
    assert len(listed) == MOST
    assert len(matches("dog", layers, "conv", (), "", names)) == MOST


def spread() -> LayerSpread:
    edges = np.linspace(0, 2, 11, dtype=np.float32)
    one = Spread(np.arange(10), edges, 2.0, 0.5, 1.0, 0.25, None, 0)
    return LayerSpread(one, one, 3, ())


def statistics(scan: ScannedUnits | None, height: int = 930) -> tuple[State, Any, np.ndarray, dict[str, Any]]:
    state = press(state_at("conv1", 1, scan=scan), "H")
    snapshot = snapshot_for(state)
    snapshot.answers[LayerStatistics("conv1", 1)] = spread()  # type: ignore[index]
    pixels, boxes = drawn(state, snapshot, 1500, height)
    return state, snapshot, pixels, boxes


def test_the_statistics_show_the_data_set_and_a_click_goes_to_a_unit_that_fires_too() -> None:
    state, snapshot, pixels, boxes = statistics(known())
    box, scene = boxes["statistics"], scene_of(state, snapshot)
    plain = statistics(None)[2]
    assert not np.array_equal(part(pixels, box), part(plain, box))
    at = {}
    for y in range(box.height):
        under = PANES["statistics"].hit(box.height, box.width, scene, box.width // 2, y)
        if under.what is not None:
            at.setdefault(under.what, under)
    assert list(at) == [Unit("conv1", 5), Unit("conv1", 9)]
    assert all(under.with_pictures for under in at.values())
    under = at[Unit("conv1", 9)]
    assert under.click
    under.click(state)
    assert state.address == "conv1:9"
    assert press(state, "backspace").address == "conv1:1"


def test_without_a_histogram_of_places_the_unit_s_maxima_are_marked() -> None:
    bare = replace(known().spread(Unit("conv1", 1)), unit=None, layer=None)
    with_bars, marked, none = (statistics(scan)[2:] for scan in (known(), known(spread=lambda _: bare), None))
    box = marked[1]["statistics"]
    assert not np.array_equal(part(with_bars[0], box), part(marked[0], box))
    assert not np.array_equal(part(marked[0], box), part(none[0], box))


def test_of_a_layer_that_was_not_scanned_the_statistics_are_as_before() -> None:
    state = press(state_at("fc", 1, scan=known()), "H")
    snapshot = snapshot_for(state)
    snapshot.answers[LayerStatistics("fc", 1)] = spread()  # type: ignore[index]
    with_scan = drawn(state, snapshot)[0]
    state.facts.scan = None
    np.testing.assert_array_equal(with_scan, drawn(state, snapshot)[0])


@pytest.mark.parametrize("height", [400, 720, 2160])
def test_the_statistics_are_drawn_at_every_height(height: int) -> None:
    assert statistics(known(), height)[3]["statistics"].height > 100


# -- a real window -----------------------------------------------------------------------------------------------------

COLOUR = np.array([220, 60, 40], np.uint8)


@pytest.fixture(scope="module")
def driver(
    display: Display,
    load_small: Callable[[], Any],
    small_scan: Scanned,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    store = UnitImageStore(tmp_path_factory.mktemp("unit images"))
    for unit in range(8):
        picture = montage3x3([np.broadcast_to(COLOUR, (20, 20, 3)).copy()] * 9)
        store.write_montage("regularized_opt", Unit("relu_1", unit), picture)
    sources = [open_source(str(small_scan.pictures / "000.png"))]
    shots = tmp_path_factory.mktemp("shots")
    driver = Driver(display, load_small, sources, shots, store.folder, small_scan.folder)
    driver.run_until(lambda: driver.state.facts.scan is not None)
    driver.settle()
    yield driver
    driver.close()


def point_at(driver: Driver, pane: str, unit: Unit) -> None:
    """Move the real mouse over a unit of a pane."""
    layout = driver.loop.painter.layout
    assert layout
    box = layout.boxes[pane]
    for y in range(box.top + 4, box.bottom, 6):
        for x in range(box.left + 4, box.right, 6):
            under = driver.loop.painter.hit(driver.state, x, y)
            if under and under[1].what == unit:
                driver.display.xdotool("mousemove", str(x + 3), str(y + 3))
                driver.run_until(lambda: driver.state.facts.hovered is not None)
                driver.settle()
                return
    pytest.fail(f"{unit} is not in the pane {pane}")


@pytest.mark.display
def test_the_key_orders_by_share_in_a_real_window(driver: Driver, small_scan: Scanned) -> None:
    driver.reset()
    for key in "rrr":
        driver.key(key)
    assert driver.state.view.order == "share"
    snapshot, layer = driver.loop.snapshot, driver.state.layer
    assert snapshot
    assert layer
    values = small_scan.maxima[layer.name]
    shares = values[0] / values.max(0)
    np.testing.assert_array_equal(list(driver.state.tile_units), np.argsort(-shares, kind="stable"))


@pytest.mark.display
def test_the_mouse_over_a_tile_tells_what_its_unit_stands_for(driver: Driver, small_scan: Scanned) -> None:
    driver.reset()
    driver.key("o")
    while driver.state.layer and driver.state.layer.name != small_scan.unit.layer:
        driver.key("o")
    before = driver.panes()
    point_at(driver, "tiles", small_scan.unit)
    assert driver.state.facts.hovered
    assert driver.state.facts.hovered.unit == small_scan.unit
    address, words = (text for text, _ in _lines(driver.loop.painter._scene(driver.state), driver.state.facts.hovered))
    assert address == str(small_scan.unit)
    assert words.startswith("class 1 100 % (chance ")
    assert "tooltip" in driver.panes()
    driver.key("Down")
    assert driver.state.facts.hovered is None
    assert "tooltip" not in driver.panes()
    assert "tooltip" not in before


@pytest.mark.display
def test_the_mouse_over_a_contributing_unit_shows_its_preferred_images(driver: Driver) -> None:
    driver.reset()
    while driver.state.layer and driver.state.layer.name != "conv2":
        driver.key("o")
    driver.key("Down")
    driver.key("v")
    assert "why" in driver.panes()
    box = driver.loop.painter.layout.boxes["why"]  # type: ignore[union-attr]
    hits = [
        driver.loop.painter.hit(driver.state, box.left + x, box.top + y)
        for y in range(0, box.height, 9)
        for x in range(0, box.width, 9)
    ]
    unit = next(each[1].what for each in hits if each and isinstance(each[1].what, Unit))
    before = (np.abs(driver.screen().astype(int) - COLOUR).max(-1) <= 12).mean()
    point_at(driver, "why", unit)
    driver.run_until(
        lambda: bool(driver.state.facts.hovered_picture and driver.state.facts.hovered_picture.image is not None)
    )
    driver.settle()
    assert (np.abs(driver.screen().astype(int) - COLOUR).max(-1) <= 12).mean() > before + 0.02
    driver.key("v")
    assert driver.state.facts.hovered is None


@pytest.mark.display
def test_typing_what_a_unit_stands_for_goes_to_the_unit(driver: Driver, small_scan: Scanned) -> None:
    driver.reset()
    for key in ("slash", *"lass", "space", "1"):  # the driver takes a "c" for another source
        driver.key(key)
    first = found(driver.state)[0]
    assert first.name == "class 1 100 %"
    driver.key("Return")
    names = driver.state.facts.scan.names if driver.state.facts.scan else UnitNames()
    assert driver.state.address == first.what
    assert driver.state.selected
    assert [name.name for name in names.of(driver.state.selected) or ()] == ["class 1"]
    assert small_scan.unit in names.by_unit


@pytest.mark.display
def test_a_click_on_a_unit_that_fires_too_goes_there_in_a_real_window(driver: Driver) -> None:
    driver.reset()
    while driver.state.layer and driver.state.layer.name != "conv2":
        driver.key("o")
    driver.key("Down")
    driver.key("H")
    assert driver.state.facts.scan
    assert driver.state.selected
    wanted = driver.state.facts.scan.fires_with(driver.state.selected).units[1]
    point_at(driver, "statistics", wanted)
    driver.mouse("click", "1")
    assert driver.state.address == str(wanted)
    driver.key("BackSpace")
    assert driver.state.address == "conv2:0"
