"""States, answers and scenes for the tests of panes, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.live.layout import draw_window, key_table, make_layout, make_request
from deepvis_toolbox.live.look import Look, look_for
from deepvis_toolbox.live.panes.questions import backward_question, maps_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import Facts, Orders, State, View
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import (
    BackwardImage,
    ClassProbabilities,
    ContributionMap,
    InputGradient,
    Maps,
    Probabilities,
)
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.layer import Layer

LAYERS = (
    Layer("data", "input", (3, 32, 32)),
    Layer("conv1", "conv", (16, 8, 8)),
    Layer("block2.expand", "conv", (256, 6, 6)),
    Layer("fc", "linear", (1000,)),
)
KEYS = key_table()


def change(state: State, **changes: object) -> State:
    """Sets fields of whichever of the three records has them."""
    for name, value in changes.items():
        record = next(each for each in (state.facts, state.view, state.orders) if hasattr(each, name))
        setattr(record, name, value)
    return state


def new_state(**values: object) -> State:
    """A state as it starts, but for some fields."""
    return change(State(Facts(), View(), Orders()), **values)


def state_at(layer: str = "conv1", unit: int = 0, layers: tuple[Layer, ...] = LAYERS, **changes: object) -> State:
    state = new_state(layers=layers, labels=tuple(f"class {i}" for i in range(1000)), label_layers=("fc",))
    state.view.layer_index = [entry.name for entry in layers].index(layer)
    state.view.unit, state.view.cursor_area = unit, "tiles"
    return change(state, **changes)


DRAWN: Any = object()
"""Stands for values drawn by lot."""


def snapshot_for(
    state: State,
    maps: np.ndarray | None = DRAWN,
    *,
    maps_note: str = "",
    probabilities: np.ndarray | None = DRAWN,
    backward_image: np.ndarray | None = DRAWN,
    backward_note: str = "",
    **changes: Any,
) -> Snapshot:
    """A snapshot that answers what the state asks for; None leaves an answer out."""
    random = np.random.default_rng(0)
    assert state.layer
    drawn_maps = random.uniform(0, 1, state.layer.shape).astype(np.float32)
    picture = random.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    drawn_probabilities = random.dirichlet(np.ones(1000)).astype(np.float32)
    drawn_gradient = random.normal(size=(32, 32, 3)).astype(np.float32)
    answers: dict[Any, Any] = {}
    if (question := maps_question(state)) and maps is not None:
        answers[question] = Maps(drawn_maps if maps is DRAWN else maps, maps_note)
    if probabilities is not None:
        answers[ClassProbabilities()] = Probabilities(drawn_probabilities if probabilities is DRAWN else probabilities)
    if (origin := backward_question(state)) and backward_image is not None:
        image = drawn_gradient if backward_image is DRAWN else backward_image
        if isinstance(origin, BackwardImage):
            answers[origin] = InputGradient(image, backward_note)
        else:
            answers[origin] = ContributionMap(image.sum(2), image, np.ones_like(image), backward_note)
    return Snapshot(
        **{
            "request": make_request(state),
            "frame": FrameInfo("ostrich.jpg (3 of 500)", 3, label=9),
            "input_image": picture,
            "answers": answers,
            "network_rate": 24.3,
            "source_rate": 30.0,
            "device": "cpu",
            "timings": {"forward": 28.4, "backward": 31.0},
            **changes,
        }
    )


def scene_of(state: State, snapshot: Snapshot | None, look: Look | None = None) -> Scene:
    return Scene(state, snapshot, look or Look(), KEYS)


def drawn(
    state: State, snapshot: Snapshot | None, width: int = 1500, height: int = 930, look: Look | None = None
) -> tuple[np.ndarray, dict[str, Box]]:
    """The whole window, and where its panes lie."""
    pixels = np.zeros((height, width, 3), np.uint8)
    scene = scene_of(state, snapshot, look or look_for(Look(), width, height))
    layout = make_layout(width, height, scene)
    draw_window(pixels, layout, scene)
    return pixels, layout.boxes


def part(pixels: np.ndarray, box: Box) -> np.ndarray:
    return pixels[box.top : box.bottom, box.left : box.right]
