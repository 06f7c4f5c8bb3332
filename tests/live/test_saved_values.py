"""The key D: the shown layer's values on the disk, with what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox import Edit, ToolboxError, Unit
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import WINDOW_KEYS, KeyTable
from deepvis_toolbox.live.pictures.saved_values import save_values
from deepvis_toolbox.live.pictures.shooter import Shooter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import BackwardImage, ChangedMaps, InputGradient, LayerMaps, Maps, Perturbation
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.layer import Layer

NOW = datetime(2026, 1, 31, 12, 30, 5)


def shown() -> tuple[State, Snapshot]:
    state = State()
    actions.set_layers(state, (Layer("data", "input", (3, 8, 8)), Layer("conv", "conv", (4, 2, 2))))
    actions.go_to(state, Unit("conv", 1))
    answers = {
        LayerMaps("conv"): Maps(np.arange(16, dtype=np.float32).reshape(4, 2, 2)),
        BackwardImage("conv", 1, "deconv"): InputGradient(np.ones((8, 8, 3), np.float32)),
    }
    return state, Snapshot(Request(), FrameInfo("demo", 7), np.full((8, 8, 3), 9, np.uint8), answers)


def test_arrays_and_what_they_are_come_back(tmp_path: Path) -> None:
    state, snapshot = shown()
    path = save_values(tmp_path, NOW, state, snapshot, {"model": "small"})
    with np.load(path) as saved:
        assert set(saved) == {"input", "activations", "backward"}
        np.testing.assert_array_equal(saved["activations"], np.arange(16).reshape(4, 2, 2))
        np.testing.assert_array_equal(saved["input"], snapshot.input_image)
    record = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert record["arrays"]["activations"]["shape"] == [4, 2, 2]
    assert "conv" in record["arrays"]["activations"]["meaning"]
    assert "deconv" in record["arrays"]["backward"]["meaning"]
    assert (record["unit"], record["frame"], record["settings"]) == ("conv:1", 7, {"model": "small"})
    again = save_values(tmp_path, NOW, state, snapshot, {})
    assert again != path


def test_a_backward_image_of_a_former_picture_comes_with_that_one(tmp_path: Path) -> None:
    state, snapshot = shown()
    former = np.full((8, 8, 3), 5, np.uint8)
    path = save_values(
        tmp_path, NOW, state, replace(snapshot, pictures={BackwardImage("conv", 1, "deconv"): former}, every=2), {}
    )
    with np.load(path) as saved:
        assert set(saved) == {"input", "activations", "backward", "backward_input"}
        np.testing.assert_array_equal(saved["backward_input"], former)
        np.testing.assert_array_equal(saved["input"], snapshot.input_image)
    meaning = json.loads(path.with_suffix(".json").read_text("utf-8"))["arrays"]["backward_input"]["meaning"]
    assert "former picture" in meaning


def test_values_of_a_changed_network_say_so(tmp_path: Path) -> None:
    state, snapshot = shown()
    edits, noise = (Edit("conv", [1], "zero"),), Perturbation(noise=10)
    answers = {**snapshot.answers, ChangedMaps("conv", edits): Maps(np.ones((4, 2, 2), np.float32))}
    changed = replace(snapshot, request=Request(edits=edits, perturbation=noise), answers=answers)
    path = save_values(tmp_path, NOW, state, changed, {})
    arrays = json.loads(path.with_suffix(".json").read_text("utf-8"))["arrays"]
    assert arrays.keys() == {"input", "activations", "backward", "changes"}
    assert arrays["activations"]["meaning"].endswith("; of a pass with conv:1 off, noise 10")


def test_the_key_orders_it_and_the_outcome_is_told(tmp_path: Path) -> None:
    state, snapshot = shown()
    assert KeyTable(WINDOW_KEYS).press(state, "D")
    assert state.orders.save_values
    shooter = Shooter(tmp_path, {})
    shooter.keep_values(state, snapshot)
    shooter.close()
    assert "saved" in (shooter.outcome() or "")
    assert len(list(tmp_path.glob("*.npz"))) == len(list(tmp_path.glob("*.json"))) == 1
    shooter.keep_values(state, None)
    shooter.close()
    assert shooter.outcome() == "no values saved: there are no values yet"


def test_before_the_first_frame_there_is_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="no values yet"):
        save_values(tmp_path, NOW, State(), None, {})
