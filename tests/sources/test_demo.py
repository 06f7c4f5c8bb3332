"""The demo: always the same film, smooth, inside its photographs, at its own rate."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from deepvis_toolbox.sources.decode import decode_picture
from deepvis_toolbox.sources.demo_film import (
    DISSOLVE_FRAMES,
    HEIGHT,
    SCENE_FRAMES,
    SCENES,
    WIDTH,
    DemoFilm,
    Shot,
    photograph_folder,
)
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions

HEADLESS = SourceOptions(realtime=False)


def test_two_runs_show_the_same_pictures() -> None:
    with open_source("demo", HEADLESS) as first, open_source("demo", HEADLESS) as second:
        for _ in range(5):
            a, b = first.read(), second.read()
            assert a is not None
            assert b is not None
            np.testing.assert_array_equal(a.image, b.image)
            assert a.info == b.info


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0])
def test_frame_n_is_a_function_of_n_and_the_speed(speed: float) -> None:
    with open_source("demo", SourceOptions(realtime=False, demo_speed=speed)) as source:
        frames = [source.read() for _ in range(8)]
    assert frames[7] is not None
    np.testing.assert_array_equal(frames[7].image, DemoFilm().frame(7 * speed))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.photograph)
def test_every_view_stays_inside_its_photograph_which_is_in_the_wheel(scene: Shot) -> None:
    height, width = decode_picture(photograph_folder() / scene.photograph).shape[:2]
    for progress in np.linspace(0, 1, 50):
        view = scene.view(float(progress))
        half_width, half_height = view.width / 2, view.width / 2 * width * HEIGHT / WIDTH / height
        assert view.x - half_width >= 0
        assert view.x + half_width <= 1
        assert view.y - half_height >= 0
        assert view.y + half_height <= 1


def test_the_film_never_jumps() -> None:
    film = DemoFilm()
    length = SCENE_FRAMES * len(SCENES)
    starts = range(SCENE_FRAMES, length + 1, SCENE_FRAMES)
    for mark in [0, 100, *(start + step for start in starts for step in (-2, 0, DISSOLVE_FRAMES - 2))]:
        frames = [film.frame(mark + step).astype(np.int16) for step in range(4)]
        changes = [np.abs(after - before).mean() for before, after in pairwise(frames)]
        assert 0 < max(changes) < 6


def test_it_moves_by_less_than_a_pixel_and_a_half_a_frame() -> None:
    for scene in SCENES:
        for number in range(SCENE_FRAMES):
            now, then = (scene.view((number + step) / (SCENE_FRAMES + DISSOLVE_FRAMES)) for step in (0, 1))
            assert abs(then.x - now.x) / now.width * WIDTH < 1.5
            assert abs(then.y - now.y) / now.width * WIDTH < 1.5
            assert abs(np.log(then.width / now.width)) * WIDTH / 2 < 1.5


def test_the_middle_of_a_dissolve_is_the_mean_of_both_pictures() -> None:
    film = DemoFilm()
    middle = SCENE_FRAMES + DISSOLVE_FRAMES / 2
    both = film._look(0, middle) / 2 + film._look(1, DISSOLVE_FRAMES / 2) / 2
    assert np.abs(film.frame(middle) - both).max() <= 1


def test_the_film_repeats_itself() -> None:
    film = DemoFilm()
    length = SCENE_FRAMES * len(SCENES)
    np.testing.assert_array_equal(film.frame(100), film.frame(length + 100))


def test_next_and_previous_jump_between_photographs() -> None:
    film = DemoFilm()
    with open_source("demo", HEADLESS) as source:
        shown = []
        for move in (source.next, source.next, source.previous, source.previous, source.previous):
            assert move()
            frame = source.read()
            assert frame is not None
            shown.append(frame.image)
    for image, index in zip(shown, (1, 2, 1, 0, len(SCENES) - 1), strict=True):
        np.testing.assert_array_equal(image, film.frame(film.scene_start(index)))


def test_live_it_runs_at_thirty_frames_a_second() -> None:
    with open_source("demo") as source:
        source.read()
        begin = time.monotonic()
        for _ in range(15):
            source.read()
        assert 0.47 <= time.monotonic() - begin < 0.8
