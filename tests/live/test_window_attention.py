"""Attention over the picture in a real window: the key `y`, and the mouse."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.drawing.pictures import fitted_box
from deepvis_toolbox.live.panes.caption import body_box
from deepvis_toolbox.live.panes.overlays import overlay_question
from deepvis_toolbox.measure import AttentionMaps, AttentionRollout, TokenNorms
from deepvis_toolbox.sources.opening import open_source
from tests.transformers import VisionTransformer

from .conftest import Display, Driver

pytestmark = pytest.mark.display


@pytest.fixture(scope="module")
def driver(display: Display, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    module = types.ModuleType("live_test_transformer")
    module.make = lambda: VisionTransformer((32, 64))  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    def load() -> object:
        from deepvis_toolbox import load_network

        return load_network("live_test_transformer:make", device="cpu", input_size=(32, 64), mean=127, std=64)

    driver = Driver(display, load, [open_source(str(photos))], tmp_path_factory.mktemp("shots"))
    driver.run_until(lambda: bool(driver.state.facts.layers))
    driver.settle()
    yield driver
    driver.close()


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
    layout = driver.loop.painter.layout
    assert layout
    box = layout.boxes["input"]
    look = driver.loop.painter.look
    body = body_box(box.height, box.width, look)
    inside = fitted_box((32, 64), (body.height, body.width))
    x = box.left + body.left + (inside.left + inside.right) // 2 + 3
    y = box.top + body.top + inside.top + 5
    driver.display.xdotool("mousemove", str(x), str(y))
    driver.run_until(lambda: overlay_question(driver.state) == AttentionMaps(asked.layer, 1 + 4))
    driver.settle()
    assert not np.array_equal(driver.panes()["input"], before)
    driver.key("y")
    assert overlay_question(driver.state) == AttentionRollout(asked.layer, 1 + 4)
    driver.display.xdotool("mousemove", "400", "920")
