"""Attention over the picture in a real window: the key `y`, and the mouse."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from deepvis_toolbox.drawing.pictures import fitted_box
from deepvis_toolbox.live.actions import go_to
from deepvis_toolbox.live.panes.caption import body_box
from deepvis_toolbox.live.panes.overlays import overlay_question, overlay_title
from deepvis_toolbox.measure import AttentionMaps, AttentionRollout, TokenNorms
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.words.unit import Unit
from tests.transformers import VisionTransformer
from tests.window_attentions import swin

from .conftest import Display, Driver
from .scenes import scene_of

pytestmark = pytest.mark.display


def _driven(
    display: Display, photos: Path, shots: Path, make: Callable[[], nn.Module], size: tuple[int, int]
) -> Driver:
    module = types.ModuleType(f"live_test_{make.__name__}")
    module.make = make  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    def load() -> object:
        from deepvis_toolbox import load_network

        return load_network(f"{module.__name__}:make", device="cpu", input_size=size, mean=127, std=64)

    driver = Driver(display, load, [open_source(str(photos))], shots)
    driver.run_until(lambda: bool(driver.state.facts.layers))
    driver.settle()
    return driver


def transformer() -> nn.Module:
    return VisionTransformer((32, 64))


def windows() -> nn.Module:
    """16×24 places in windows of 5×5, then 8×12: padded in both."""
    return swin((64, 96), side=5)


@pytest.fixture(scope="module")
def driver(display: Display, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    driver = _driven(display, photos, tmp_path_factory.mktemp("shots"), transformer, (32, 64))
    yield driver
    driver.close()


@pytest.fixture
def windowed(display: Display, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    driver = _driven(display, photos, tmp_path_factory.mktemp("shots"), windows, (64, 96))
    yield driver
    driver.close()


def _title(driver: Driver) -> str:
    return overlay_title(scene_of(driver.state, driver.loop.snapshot))


def _point_at(driver: Driver, row: float, column: float, size: tuple[int, int]) -> None:
    """Moves the mouse to a place of the picture, given as shares of its height and width."""
    layout, look = driver.loop.painter.layout, driver.loop.painter.look
    assert layout
    box = layout.boxes["input"]
    body = body_box(box.height, box.width, look)
    inside = fitted_box(size, (body.height, body.width))
    x = box.left + body.left + inside.left + column * (inside.right - inside.left)
    y = box.top + body.top + inside.top + row * (inside.bottom - inside.top)
    driver.display.xdotool("mousemove", str(round(x)), str(round(y)))


def test_y_goes_on_to_attention_rollout_and_token_norms_and_the_mouse_chooses_the_token(driver: Driver) -> None:
    seen = []
    for overlay in ("area", "heat", "Grad-CAM", "gradient", "attention", "rollout", "token norm"):
        driver.key("y")
        assert driver.state.view.overlay == overlay
        seen.append(driver.panes()["input"].copy())
    assert all(not np.array_equal(one, other) for one, other in pairwise(seen[3:]))
    asked = overlay_question(driver.state)
    assert isinstance(asked, TokenNorms)
    driver.reset()
    for _ in range(5):
        driver.key("y")
    asked = overlay_question(driver.state)
    assert isinstance(asked, AttentionMaps)
    assert asked.token is None
    before = driver.panes()["input"].copy()
    _point_at(driver, 0.05, 4.5 / 8, (32, 64))
    driver.run_until(lambda: overlay_question(driver.state) == AttentionMaps(asked.layer, 1 + 4))
    driver.settle()
    assert not np.array_equal(driver.panes()["input"], before)
    driver.key("y")
    assert overlay_question(driver.state) == AttentionRollout(asked.layer, 1 + 4)
    driver.display.xdotool("mousemove", "400", "920")


def test_of_the_fused_function_the_selected_units_head_is_shown(driver: Driver) -> None:
    driver.reset()
    layer = "blocks.1.attn.scaled_dot_product_attention"
    for _ in range(5):
        driver.key("y")
    seen = []
    for unit, head in ((2, 0), (20, 3)):
        go_to(driver.state, Unit(layer, unit))
        driver.loop._touched()
        driver.settle()
        assert overlay_question(driver.state) == AttentionMaps(layer, None)
        assert _title(driver) == f"attention, head {head}"
        seen.append(driver.panes()["input"].copy())
    assert not np.array_equal(*seen)
    go_to(driver.state, Unit("blocks.1.mlp.1", 20))
    assert _title(driver) == "attention, all heads"


def test_in_windows_the_place_under_the_mouse_attends_within_its_window(windowed: Driver) -> None:
    layer = "stages.0.1.attn.matmul_1"
    go_to(windowed.state, Unit(layer, 5))
    for _ in range(5):
        windowed.key("y")
    assert overlay_question(windowed.state) == AttentionMaps(layer, None)
    assert _title(windowed) == "attention, head 1, in windows"
    seen = [windowed.panes()["input"].copy()]
    for row, column in ((3, 4), (3, 5), (9, 13), (15, 23)):
        _point_at(windowed, (row + 0.5) / 16, (column + 0.5) / 24, (64, 96))
        asked = AttentionMaps(layer, row * 24 + column)
        windowed.run_until(lambda asked=asked: overlay_question(windowed.state) == asked)
        windowed.settle()
        seen.append(windowed.panes()["input"].copy())
        found = windowed.loop.snapshot.answers[asked]
        reached = np.argwhere(found.maps[1] > 0)
        assert found.maps.shape == (2, 16, 24)
        assert len(reached) <= 25
        assert np.ptp(reached, 0).max() < 5 or float(found.placeless[1]) > 0, (
            "of shifted windows some hold both borders"
        )
        assert found.maps[1].sum() + found.placeless[1] == pytest.approx(1, abs=1e-5)
    assert all(not np.array_equal(one, other) for one, other in pairwise(seen))
    windowed.key("y")
    assert overlay_question(windowed.state) == AttentionRollout(layer, 15 * 24 + 23)
    assert _title(windowed) == "rollout"
    go_to(windowed.state, Unit("stages.1.1.mlp.1", 0))
    windowed.loop._touched()
    windowed.settle()
    assert _title(windowed) == "rollout from stages.1.0.attn.matmul_1"
    windowed.key("y")
    assert windowed.state.view.overlay == "none", "no layer holds tokens in a row"
    windowed.display.xdotool("mousemove", "400", "920")
