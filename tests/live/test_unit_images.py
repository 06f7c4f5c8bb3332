"""Unit images in a real window: shown for the selected unit, as tiles, said to be missing, and made on demand."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deepvis_toolbox.live.panes import unit_images
from deepvis_toolbox.live.panes.unit_images import picture_of, title_of
from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
from deepvis_toolbox.live.pictures.picture_shelf import PictureShelf
from deepvis_toolbox.live.pictures.unit_pictures import ShownPicture
from deepvis_toolbox.live.work.grower import SHARE, Grower
from deepvis_toolbox.live.work.request import GrowingPictures
from deepvis_toolbox.optimize.method.journal import Journal
from deepvis_toolbox.pipeline.on_demand import PAUSED_KEPT, OnDemand
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.unit_images.growth import Growth
from deepvis_toolbox.unit_images.montage import montage3x3
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

from .conftest import Display, Driver
from .scenes import new_state, scene_of

pytestmark = pytest.mark.display

COLOURS = np.array([[220, 60, 40], [40, 200, 60], [60, 80, 230]], np.uint8)


def plain(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.broadcast_to(colour, (20, 20, 3)).copy()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> UnitImageStore:
    """conv1's units 0 to 2 have pictures of one colour each; what came back from their top images is black."""
    store = UnitImageStore(tmp_path_factory.mktemp("unit images"))
    for unit, (colour, look) in enumerate(zip(COLOURS, ("guided:norm", "grad:raw", ""), strict=True)):
        store.write_montage("regularized_opt", Unit("conv1", unit), montage3x3([plain(colour)] * 9))
        store.write_montage("max_im", Unit("conv1", unit), montage3x3([plain(255 - colour)] * 9))
        store.write_montage("max_deconv", Unit("conv1", unit), montage3x3([plain(0 * colour)] * 9), look)
    return store


@pytest.fixture(scope="module")
def driver(
    display: Display,
    photos: Path,
    load_small: Callable,
    store: UnitImageStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Driver]:
    sources = [open_source(str(photos / "cat.png"))]
    driver = Driver(display, load_small, sources, tmp_path_factory.mktemp("shots"), store.folder)
    driver.run_until(lambda: bool(driver.state.facts.layers))
    driver.settle()
    yield driver
    driver.close()


def has_colour(pixels: NDArray[np.uint8], colour: NDArray[np.uint8]) -> float:
    """The share of pixels that are nearly of a colour (JPEG moves them a little)."""
    return float((np.abs(pixels.astype(int) - colour).max(-1) <= 12).mean())


def wait_for(driver: Driver, kind: UnitImageKind) -> None:
    driver.run_until(lambda: picture_of(driver.state, kind).note != "reading …")
    driver.settle()


def test_the_pane_shows_the_selected_units_pictures_and_follows_the_selection(driver: Driver) -> None:
    driver.reset()
    driver.key("Down")
    for unit in (0, 1, 2):
        wait_for(driver, "max_im")
        pane = driver.panes()["unit images"]
        assert has_colour(pane, COLOURS[unit]) > 0.15
        assert has_colour(pane, 255 - COLOURS[unit]) > 0.15
        assert not any(has_colour(pane, COLOURS[other]) > 0.01 for other in range(3) if other != unit)
        driver.key("Right")
    wait_for(driver, "regularized_opt")
    missing = picture_of(driver.state, "regularized_opt")
    assert missing.image is None
    assert missing.command == "python optimize_image.py --model small --units conv1:3"


def test_the_caption_says_what_came_back_from_the_top_images(driver: Driver) -> None:
    driver.reset()
    driver.key("Down")
    for called in ("guided norm of the top images", "grad of the top images", "backward of the top images"):
        wait_for(driver, "max_deconv")
        assert title_of("max_deconv", driver.state) == called
        driver.key("Right")


def test_9_hides_the_pane_and_gives_its_room_to_the_tiles(driver: Driver) -> None:
    driver.reset()
    with_pane = driver.panes()
    driver.key("9")
    without = driver.panes()
    assert "unit images" in with_pane
    assert "unit images" not in without
    assert without["tiles"].shape[1] > with_pane["tiles"].shape[1]
    driver.key("9")
    assert driver.panes()["tiles"].shape == with_pane["tiles"].shape


@pytest.mark.parametrize(("key", "colours"), [("s", COLOURS), ("shift+s", 255 - COLOURS)])
def test_pattern_mode_shows_each_units_picture_in_its_tile(
    driver: Driver, key: str, colours: NDArray[np.uint8]
) -> None:
    driver.reset()
    driver.key(key)
    driver.run_until(lambda: driver.state.facts.pattern_tiles is not None and driver.state.facts.pattern_tiles.done)
    driver.settle()
    tiles = driver.panes()["tiles"]
    for colour in colours:
        assert has_colour(tiles, colour) > 0.05
    columns = [int(np.nonzero((np.abs(tiles.astype(int) - colour).max(-1) <= 12).any(0))[0][0]) for colour in colours]
    assert columns == sorted(columns), "the tiles stand in the units' order"
    driver.key(key)
    assert driver.state.view.pattern == "off"


def enlarged(driver: Driver, colour: NDArray[np.uint8]) -> bool:
    """Whether the tiles' place is filled with a picture of this colour."""
    return has_colour(driver.panes()["tiles"], colour) > 0.5


@pytest.mark.parametrize(("key", "colours"), [("s", COLOURS), ("shift+s", 255 - COLOURS)])
def test_zoom_shows_the_selected_units_pictures_large_in_pattern_mode(
    driver: Driver, key: str, colours: NDArray[np.uint8]
) -> None:
    driver.reset()
    for name in ("9", "Down", "Right", key, "z"):  # also with the pane of unit images hidden
        driver.key(name)
    kind = driver.state.view.pattern
    assert kind != "off"
    wait_for(driver, kind)
    assert enlarged(driver, colours[1])
    driver.key("Right")
    wait_for(driver, kind)
    assert enlarged(driver, colours[2])
    driver.key(key)
    assert not enlarged(driver, colours[2]), "with pattern mode off it is the activations that are enlarged"


def test_double_click_on_a_units_pictures_enlarges_them(driver: Driver) -> None:
    driver.reset()
    driver.key("Down")
    wait_for(driver, "max_im")
    layout = driver.loop.painter.layout
    assert layout is not None
    box = layout.boxes["unit images"]
    middle = str((box.left + box.right) // 2), str((box.top + box.bottom) // 2)
    driver.mouse("mousemove", *middle, "click", "--repeat", "2", "--delay", "60", "1")
    driver.run_until(lambda: driver.state.view.zoom == "unit")
    driver.settle()
    assert enlarged(driver, 255 - COLOURS[0])
    driver.key("Right")
    wait_for(driver, "max_im")
    assert enlarged(driver, 255 - COLOURS[1])
    driver.key("z")
    driver.key("z")
    driver.key("z")
    assert not enlarged(driver, 255 - COLOURS[1]), "the key goes its own way again"


def test_pictures_made_by_another_program_are_noticed_while_the_selection_stays(
    driver: Driver, store: UnitImageStore
) -> None:
    driver.reset()
    for _ in range(6):
        driver.key("Down" if driver.state.view.cursor_area == "layers" else "Right")
    wait_for(driver, "max_deconv")
    assert picture_of(driver.state, "max_deconv").note == "not made yet"
    layer, unit = driver.state.address.split(":")
    store.write_montage("max_deconv", Unit(layer, int(unit)), montage3x3([plain(COLOURS[0])] * 9))
    driver.run_until(lambda: picture_of(driver.state, "max_deconv").image is not None)
    driver.settle()
    assert has_colour(driver.panes()["unit images"], COLOURS[0]) > 0.15


def test_nothing_is_drawn_anew_while_missing_pictures_stay_missing(tmp_path: Path) -> None:
    now = [0.0]
    state = new_state(layers=(Layer("conv1", "conv", (3, 8, 8)),), has_unit_images=True)
    with PictureShelf(UnitImageStore(tmp_path), PictureCommands("small"), 1 << 20, lambda: now[0]) as shelf:
        shelf.settle(state)
        assert not shelf.follow(state)
        now[0] += 10
        shelf.follow(state)  # asks the disk again
        shelf.store.write_montage("max_im", Unit("conv1", 0), montage3x3([plain(COLOURS[0])] * 9))
        changes = []
        deadline = time.monotonic() + 10
        while picture_of(state, "max_im").image is None:
            assert time.monotonic() < deadline
            now[0] += 3
            changes.append(shelf.follow(state))
            time.sleep(0.01)
    assert changes.count(True) == 1


def test_a_damaged_picture_is_not_called_not_made_yet(tmp_path: Path) -> None:
    store = UnitImageStore(tmp_path)
    path = store.montage_path("max_im", Unit("conv1", 0))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"broken")
    state = new_state(layers=(Layer("conv1", "conv", (3, 8, 8)),), has_unit_images=True)
    with PictureShelf(store, PictureCommands("small"), 1 << 20) as shelf:
        shelf.settle(state)
    damaged, missing = picture_of(state, "max_im"), picture_of(state, "max_deconv")
    assert str(path) in damaged.note
    assert not damaged.command
    assert missing.note == "not made yet"
    assert "--images FOLDER --units conv1:0" in missing.command


def test_the_key_that_makes_pictures_is_named_only_where_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ShownPicture(note="not made yet", command="python optimize_image.py")
    said: list[str] = []
    monkeypatch.setattr(unit_images, "draw_text", lambda _, text, *_rest: said.append(text))
    for makes_pictures, kind in ((True, "regularized_opt"), (False, "regularized_opt"), (True, "max_im")):
        said.clear()
        scene = scene_of(new_state(makes_pictures=makes_pictures), None)
        unit_images.draw_missing(np.zeros((300, 300, 3), np.uint8), shown, kind, scene)  # type: ignore[arg-type]
        names_it = makes_pictures and kind == "regularized_opt"
        assert said == ["not made yet", *(["g makes it now, or:"] if names_it else []), "python optimize_image.py"]


def test_g_makes_the_units_pictures_and_saves_them_to_the_store(driver: Driver, store: UnitImageStore) -> None:
    driver.reset()
    for key in ("o", "Down", "Right"):
        driver.key(key)
    unit = driver.state.selected
    assert unit
    assert not store.has("regularized_opt", unit)
    driver.display.xdotool("key", "g")
    question = GrowingPictures(unit)
    driver.run_until(lambda: driver.loop.snapshot is not None and driver.loop.snapshot.answer(question) is not None)
    driver.run_until(lambda: unit not in driver.state.orders.grow and not driver.state.facts.message, seconds=120)
    assert store.has("regularized_opt", unit)
    wait_for(driver, "regularized_opt")
    assert picture_of(driver.state, "regularized_opt").image is not None


class Steps:
    """Stands in for the pictures: every step takes 4 ms by a clock of its own."""

    def __init__(self) -> None:
        self.made: dict[Unit, int] = {}
        self.seconds = 0.0

    def clock(self) -> float:
        return self.seconds

    def advance(self, unit: Unit) -> None:
        self.made[unit] = self.made.get(unit, 0) + 1
        self.seconds += 0.004

    def is_done(self, unit: Unit) -> bool:
        return self.made.get(unit, 0) >= 1000

    def growth(self, unit: Unit) -> Growth:
        return Growth(unit, None, str(self.made.get(unit, 0)), self.is_done(unit))


def test_steps_take_their_share_and_no_more_while_frames_come() -> None:
    steps = Steps()
    grower = Grower(lambda: steps, steps.clock)  # type: ignore[arg-type, return-value]
    grower.follow(Unit("conv1", 3))
    for _ in range(3000):
        steps.seconds += 0.002  # each frame took 2 ms
        grower.after_frame()
    made = sum(steps.made.values())
    assert 0.8 * SHARE < made * 0.004 / steps.seconds <= SHARE


def test_another_unit_pauses_the_first_and_coming_back_goes_on() -> None:
    steps = Steps()
    grower = Grower(lambda: steps)  # type: ignore[arg-type, return-value]
    for unit in (Unit("a", 1), Unit("b", 2), Unit("a", 1)):
        grower.follow(unit)
        grower.step()
        grower.step()
    assert steps.made == {Unit("a", 1): 4, Unit("b", 2): 2}
    grower.follow(None)
    assert not grower.is_wanted
    assert grower.growth is None


def test_the_pictures_made_step_by_step_are_those_of_the_command_line(load_small: Callable, tmp_path: Path) -> None:
    from deepvis_toolbox.optimize import AscentSettings, preferred_images
    from deepvis_toolbox.unit_images.picture_file import read_picture

    network = load_small()
    settings = AscentSettings(decay=0.01, blur_radius=0.5, blur_every=4, lr_params={"lr": 5000.0}, max_iter=12)
    store = UnitImageStore(tmp_path)
    demand = OnDemand(network, store, settings, seeds=(0, 1))
    steps = 0
    while not demand.is_done(Unit("conv2", 5)):
        demand.advance(Unit("conv2", 5))
        steps += 1
        if steps == 7:
            grown = demand.growth(Unit("conv2", 5))
            assert "picture 1 of 2, step 7 of 12" in grown.note
            assert grown.montage is not None
    wanted = preferred_images(network, [Unit("conv2", 5)], [0, 1], settings, batch_size=1)
    assert demand.growth(Unit("conv2", 5)).note == "made and saved"
    from deepvis_toolbox.optimize.files.shown_image import seen_part, with_mean

    for result in wanted:
        path = next(tmp_path.rglob(f"*s{result.seed:04d}_best_Xpm.png"))
        picture = with_mean(result.best, seen_part(network, result.unit), network.preprocessing)
        assert np.abs(read_picture(path).astype(int) - picture).max() <= 1
    assert store.has("regularized_opt", Unit("conv2", 5))
    again = OnDemand(network, store, settings, seeds=(0, 1))
    again.advance(Unit("conv2", 5))
    assert again.is_done(Unit("conv2", 5)), "what is made already is not made again"


def test_of_the_units_left_half_made_only_the_last_ones_keep_memory(load_small: Callable, tmp_path: Path) -> None:
    demand = OnDemand(load_small(), UnitImageStore(tmp_path), seeds=(0,))
    gc.collect()
    gc.disable()  # what is held in a circle would stay until Python looks for circles, which may be minutes later
    try:
        for channel in range(12):
            demand.advance(Unit("conv2", channel))
            demand.advance(Unit("conv2", channel))
        climbing = [found for found in gc.get_objects() if type(found) is Journal]
        assert len(climbing) == PAUSED_KEPT
    finally:
        gc.enable()


def test_with_a_scan_configured_the_units_top_images_are_made_as_well(
    load_small: Callable, photos: Path, tmp_path: Path
) -> None:
    from deepvis_toolbox.optimize import AscentSettings
    from find_maxes import scan

    network = load_small()
    paths = sorted(str(path) for path in photos.glob("*.png"))
    scan(network, paths, layers=["conv2"], out=tmp_path / "maxes", workers=0)
    store = UnitImageStore(tmp_path / "store")
    demand = OnDemand(network, store, AscentSettings(max_iter=2), seeds=(0,), maxes=tmp_path / "maxes")
    for _ in range(6):
        demand.advance(Unit("conv2", 5))
    assert demand.is_done(Unit("conv2", 5))
    assert all(store.has(kind, Unit("conv2", 5)) for kind in ("regularized_opt", "max_im", "max_deconv"))
    for _ in range(6):
        demand.advance(Unit("conv1", 1))  # not scanned: its preferred images are made all the same, as the note says
    assert store.has("regularized_opt", Unit("conv1", 1))
    assert 'layer "conv1" was not scanned' in demand.growth(Unit("conv1", 1)).note
