"""A vision transformer that has learned where to look: attention, units, preferred images and edits show what it knows.

Its class is the colour of one patch among fifteen of noise. So a place by chance is right once in 16 times.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from deepvis_toolbox import AscentSettings, Edit, Unit, preferred_images
from deepvis_toolbox.measure import AttentionMaps, AttentionRollout, BackwardImage, GradCAM, LayerMaps, Session
from deepvis_toolbox.network.torch_network import TorchNetwork
from find_maxes import scan
from tests.nets import opened
from tests.trained_transformer import COLOURS, GRID, PATCH, SIDE, as_values, made_pictures, trained_transformer
from tests.transformers import VisionTransformer

MLP = "blocks.0.mlp.1"
CHANCE = 1 / GRID**2
HELD_OUT = made_pictures(100, seed=1)
PLACES = [tuple(place) for place in HELD_OUT.places.tolist()]
SETTINGS = AscentSettings(max_iter=40, lr_policy="constant", lr_params={"lr": 2000.0}, decay=0.0, start_at="mean")


@pytest.fixture(scope="session")
def module() -> VisionTransformer:
    return trained_transformer()


@pytest.fixture(scope="session")
def net(module: VisionTransformer) -> TorchNetwork:
    found = opened(module, (SIDE, SIDE))
    found.preprocessing = type(found.preprocessing)((SIDE, SIDE), mean=127.5, scale=1 / 127.5)
    torch.testing.assert_close(found.preprocess(HELD_OUT.frames[0]), as_values(HELD_OUT.frames[:1]))
    return found


@pytest.fixture(scope="session")
def selective(module: VisionTransformer) -> tuple[int, int]:
    """The unit of an MLP that tells one class best from all others on pictures of its own, and that class; by torch
    alone: by how often a picture of the class has the larger maximum over patches than one of another."""
    seen, kept = made_pictures(300, seed=2), []
    handle = module.blocks[0].mlp[1].register_forward_hook(lambda _, __, value: kept.append(value))
    module(as_values(seen.frames))
    handle.remove()
    largest = kept[0][:, 1:].amax(1)
    classes = torch.from_numpy(seen.classes)
    shares = torch.stack(
        [(largest[classes == c][:, None] > largest[classes != c]).float().mean((0, 1)) for c in range(len(COLOURS))], 1
    )
    assert float(shares.max()) > 0.95
    unit, wanted = divmod(int(shares.argmax()), len(COLOURS))
    return unit, wanted


def brightest(values: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(values.argmax(), values.shape)
    return int(row), int(column)


def share_right(found: list[tuple[int, int]]) -> float:
    assert len(found) == len(PLACES)
    return float(np.mean([one == place for one, place in zip(found, PLACES, strict=True)]))


def test_it_knows_the_classes_of_pictures_that_it_has_not_seen(net, module) -> None:
    for pictures in (HELD_OUT, made_pictures(400, seed=3)):
        inputs = as_values(pictures.frames)
        for answers in (module(inputs), net.forward(inputs, ["head"])["head"]):
            assert np.mean(answers.argmax(1).numpy() == pictures.classes) >= 0.95


def test_the_class_token_attends_to_the_patch_that_decides(net) -> None:
    """Each head for some colours; all together, and through both layers, for each."""
    attending = [layer.name for layer in net.layers.values() if layer.tells_attention]
    assert len(attending) == 2
    session, first, rolled, by_layer = Session(net), [], [], dict.fromkeys(attending, 0.0)
    for frame, (row, column) in zip(HELD_OUT.frames, PLACES, strict=True):
        for name in attending:
            found = session.take(frame, AttentionMaps(name))
            assert found.token == 0
            by_layer[name] += float(found.maps.mean(0)[row, column]) / len(PLACES)
        first.append(brightest(session.take(frame, AttentionMaps(attending[0])).maps.mean(0)))
        rolled.append(brightest(session.take(frame, AttentionRollout()).maps[0]))
    assert share_right(rolled) > 0.7
    assert share_right(first) > 0.5
    assert min(by_layer.values()) > 2 * CHANCE, by_layer


def test_the_gradient_of_the_class_is_largest_at_the_patch(net) -> None:
    session, found = Session(net), []
    for frame, number in zip(HELD_OUT.frames, HELD_OUT.classes.tolist(), strict=True):
        slopes = np.abs(session.take(frame, BackwardImage("head", number, "grad")).image)
        assert slopes.shape == (SIDE, SIDE, 3)
        found.append(brightest(slopes.reshape(GRID, PATCH, GRID, PATCH, 3).sum((1, 3, 4))))
    assert share_right(found) > 2 * CHANCE


def test_grad_cam_is_of_the_last_tokens_whose_places_the_class_is_computed_from(net, module) -> None:
    """Behind the last attention, nothing but the class token is read."""
    session, right = Session(net), []
    for frame, number, place in zip(HELD_OUT.frames, HELD_OUT.classes.tolist(), PLACES, strict=True):
        heat = session.take(frame, GradCAM("head", number))
        assert heat.layer == "blocks.1.attn.v"
        np.testing.assert_allclose(heat.map, grad_cam_of_values(module, frame, number), atol=1e-5)
        if heat.map.any():  # else nothing of it speaks for the class
            right.append(brightest(heat.map) == place)
    assert len(right) > len(PLACES) / 2
    assert np.mean(right) > 2 * CHANCE


def grad_cam_of_values(module: VisionTransformer, frame: np.ndarray, number: int) -> np.ndarray:
    """By torch alone, of the values of the last attention: a third of what its first linear layer gives."""
    kept: list[torch.Tensor] = []

    def keep(_: object, __: object, given: torch.Tensor) -> torch.Tensor:
        kept.append(given.detach().requires_grad_())
        return kept[0]

    handle = module.blocks[1].attn.qkv.register_forward_hook(keep)
    with torch.enable_grad():
        module(as_values(frame[None]))[0, number].backward()
    handle.remove()
    width = kept[0].shape[2] // 3
    values, slopes = (each[0, 1:, 2 * width :].detach() for each in (kept[0], kept[0].grad))
    return (values * slopes.mean(0)).sum(1).clamp(min=0).reshape(GRID, GRID).numpy()


def test_a_unit_of_one_class_has_top_images_of_it_whose_place_is_the_patch(net, selective, tmp_path: Path) -> None:
    unit, wanted = selective
    for number, frame in enumerate(HELD_OUT.frames):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), frame[..., ::-1])
    top = scan(net, str(tmp_path), layers=[MLP], top=9, workers=0)
    numbers = [int(Path(top.paths[index]).stem) for index in top.images[MLP][unit]]
    assert np.mean(HELD_OUT.classes[numbers] == wanted) >= 8 / 9
    places = [tuple(place) for place in top.places[MLP][unit].tolist()]
    assert sum(place == PLACES[number] for place, number in zip(places, numbers, strict=True)) >= 6
    maps = Session(net).take(HELD_OUT.frames[numbers[0]], LayerMaps(MLP)).maps[unit]
    assert brightest(maps) == places[0]


def test_its_preferred_image_has_the_colour_at_its_place(net, selective) -> None:
    unit, wanted = selective
    (made,) = preferred_images(net, [Unit(MLP, unit, (1, 2))], seeds=[0], settings=SETTINGS)
    assert made.objective[-1] > made.objective[0]
    colour = made.best[:, PATCH : 2 * PATCH, 2 * PATCH : 3 * PATCH].mean((1, 2))
    towards = COLOURS[wanted] - 127.5
    assert towards @ colour > 0.5 * np.linalg.norm(towards) * np.linalg.norm(colour)


def test_preferred_images_of_the_classes_are_pictures_of_them_to_the_module(net, module) -> None:
    units = [Unit("head", number) for number in range(len(COLOURS))]
    made = preferred_images(net, units, seeds=[0], settings=SETTINGS)
    given = torch.stack([torch.from_numpy(each.best) for each in made]) / 127.5
    assert module(given).argmax(1).tolist() == [*range(len(COLOURS))]


def test_what_decides_is_the_token_of_the_patch(net) -> None:
    """Made like the rest, the class is guessed; with that of another picture in its place, it is the other's; another
    token made like the rest changes nothing."""
    units, guessed, kept, moved = range(24), [], [], []
    inputs = as_values(HELD_OUT.frames)
    tokens = net.forward(inputs, ["patches"])["patches"]
    for number, (row, column) in enumerate(PLACES):
        other = int(np.argmax(HELD_OUT.classes != HELD_OUT.classes[number]))
        mean = tokens[number].mean((1, 2))
        for results, place, value in (
            (guessed, (row, column), mean),
            (kept, ((row + 2) % GRID, (column + 1) % GRID), mean),
            (moved, (row, column), tokens[other][:, PLACES[other][0], PLACES[other][1]]),
        ):
            changed = tokens[number].clone()
            changed[:, *place] = value
            edit = Edit("patches", units, "paste", changed.numpy())
            results.append(int(net.forward(inputs[number : number + 1], ["head"], edits=[edit])["head"].argmax()))
        moved[-1] = moved[-1] == HELD_OUT.classes[other]
    assert np.mean(np.array(guessed) != HELD_OUT.classes) > 0.6
    assert np.mean(np.array(kept) != HELD_OUT.classes) < 0.1
    assert np.mean(moved) > 0.9
