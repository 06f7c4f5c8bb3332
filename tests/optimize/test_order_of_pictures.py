"""A unit's pictures stand in the order of what they reach, wherever they are shown; what is said of the first is so."""

import json

import cv2
import numpy as np
import pytest

from deepvis_toolbox import AscentSettings, Unit
from deepvis_toolbox.optimize.files.montages import write_montages
from deepvis_toolbox.optimize.production import make_unit_images, store_files
from deepvis_toolbox.pipeline.on_demand import OnDemand
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.montage import BACKGROUND, tiles_of_3x3
from deepvis_toolbox.unit_images.numbers import numbers_of
from deepvis_toolbox.unit_images.picture_file import read_picture
from tests.optimize.networks import curved_network

UNIT = Unit("fc", 1)
METHOD = {"max_iter": 12, "lr_policy": "adam", "lr_params": {"lr": 2.0}, "views": 2}


def made(folder, seeds, **more):
    store = UnitImageStore(folder)
    summary = make_unit_images(curved_network(), [UNIT], seeds, AscentSettings(**METHOD, **more), store, Silence())
    assert summary.problems == []
    return store


def pictures_by_seed(folder):
    """seed -> (what its record says it reaches, its picture)"""
    found = {}
    for path in folder.rglob("*_info.json"):
        record = json.loads(path.read_text())
        picture = read_picture(path.with_name(path.name.replace("_info.json", "_best_Xpm.png")))
        found[record["unit"]["seed"]] = (record["best_objective"], picture)
    return found


def order_shown(store, pictures):
    """The seeds in the order in which the montage shows their pictures: JPEG changes a picture less than seeds do."""
    tiles = tiles_of_3x3(store.read("regularized_opt", UNIT))
    shown = [tile for tile in tiles if abs(float(tile.mean()) - BACKGROUND) > 3]
    return [min(pictures, key=lambda seed: distance(tile, pictures[seed][1])) for tile in shown]


def distance(tile, picture):
    """Tiny pictures are enlarged in montages."""
    large = cv2.resize(picture, tile.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.abs(tile.astype(float) - large).mean()


@pytest.mark.parametrize("direction", [1, -1])
def test_the_picture_that_reaches_most_comes_first(tmp_path, direction):
    store = made(tmp_path, range(9), push_dir=direction)
    pictures = pictures_by_seed(tmp_path)
    expected = sorted(pictures, key=lambda seed: -direction * pictures[seed][0])
    assert expected != list(range(9))
    assert order_shown(store, pictures) == expected
    assert distance(store.read_best("regularized_opt", UNIT), pictures[expected[0]][1]) < 8
    assert numbers_of(store, UNIT).reached == pytest.approx(pictures[expected[0]][0])


def test_the_nine_are_those_of_the_smallest_seeds_however_far_others_get(tmp_path):
    store = made(tmp_path, range(12))
    pictures = pictures_by_seed(tmp_path)
    assert max(pictures, key=lambda seed: pictures[seed][0]) > 8, "choose other seeds: a later one is to reach most"
    assert sorted(order_shown(store, pictures)) == list(range(9))


def test_a_picture_without_a_record_and_one_that_failed_come_last(tmp_path):
    store, net = made(tmp_path, range(4)), curved_network()
    pictures = pictures_by_seed(tmp_path)
    surest, second = sorted(pictures, key=lambda seed: -pictures[seed][0])[:2]
    (record,) = tmp_path.rglob(f"*s{surest:04d}_info.json")
    record.unlink()
    (failed,) = tmp_path.rglob(f"*s{second:04d}_best_Xpm.png")
    write_montages(net, store_files(net, store), [UNIT], [], {failed})
    shown = order_shown(store, pictures)[:3]
    assert shown == [*sorted(set(pictures) - {surest, second}, key=lambda seed: -pictures[seed][0]), surest]


def test_packed_and_made_in_the_window_the_order_is_the_same(tmp_path):
    store, net = made(tmp_path / "made", range(5)), curved_network()
    pictures = pictures_by_seed(tmp_path / "made")
    expected = sorted(pictures, key=lambda seed: -pictures[seed][0])
    pack(store, UnitImageStore(tmp_path / "packed"), 112)
    (said,) = (tmp_path / "packed").rglob("made_by.json")
    ((units,),) = [group["units"].values() for group in json.loads(said.read_text())["made"]]
    assert units == expected
    by_window = OnDemand(net, UnitImageStore(tmp_path / "window"), seeds=range(5), settings=AscentSettings(**METHOD))
    while not by_window.is_done(UNIT):
        by_window.advance(UNIT)
    last = tiles_of_3x3(by_window.growth(UNIT).montage)
    assert [min(pictures, key=lambda seed: distance(tile, pictures[seed][1])) for tile in last[:5]] == expected
    assert order_shown(UnitImageStore(tmp_path / "window"), pictures) == expected
