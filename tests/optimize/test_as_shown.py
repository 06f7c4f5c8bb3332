"""What is said of a unit's first picture is said of the one that its store shows first, whichever that is."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deepvis_toolbox import AscentSettings, Unit
from deepvis_toolbox.atlas.contents import Contents
from deepvis_toolbox.judging.judgement import recorded_values
from deepvis_toolbox.optimize.files.as_shown import as_shown, seed_of
from deepvis_toolbox.optimize.files.kept_numbers import keep_numbers
from deepvis_toolbox.optimize.files.montages import write_montages
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.natural.photographs import first_record
from deepvis_toolbox.optimize.production import make_unit_images, store_files
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.montage import legible_montage
from deepvis_toolbox.unit_images.numbers import (
    JudgeNumbers,
    UnitNumbers,
    add_numbers,
    numbers_of,
    numbers_path,
    picture_hash,
)
from deepvis_toolbox.unit_images.picture_file import read_picture, write_picture
from tests.optimize.networks import curved_network

KIND = "regularized_opt"
UNIT = Unit("fc", 1)
SEEDS = (1, 2, 3)
SETTINGS = AscentSettings(max_iter=12, lr_policy="adam", lr_params={"lr": 2.0}, views=2)
JUDGED = {"small": JudgeNumbers(rank=0, probability=0.9, said="bee")}


@pytest.fixture(scope="module")
def net():
    return curved_network()


@pytest.fixture(scope="module")
def whole(net, tmp_path_factory):
    """A store of three pictures; that of the smallest seed does not reach most."""
    folder = tmp_path_factory.mktemp("whole")
    run(net, UnitImageStore(folder))
    values = reached(folder)
    assert max(values, key=values.__getitem__) != SEEDS[0], "choose other seeds"
    return folder


@pytest.fixture
def store(whole, tmp_path):
    return UnitImageStore(shutil.copytree(whole, tmp_path / "store"))


def run(net, store, seeds=SEEDS, settings=SETTINGS):
    summary = make_unit_images(net, [UNIT], seeds, settings, store, Silence())
    assert summary.problems == []
    return summary


def reached(folder):
    """seed -> what its record says that its picture reaches"""
    records = [json.loads(path.read_text()) for path in folder.rglob("fc_0001_s*_info.json")]
    return {record["unit"]["seed"]: record["best_objective"] for record in records}


def surest_first(folder):
    values = reached(folder)
    return sorted(values, key=lambda seed: -values[seed])


def picture(store, seed, suffix=".png"):
    return store.single_path(KIND, UNIT, f"s{seed:04d}_best_Xpm", suffix)


def as_a_former_version(store):
    """The montage in the order of seeds, and what a judge kept of its first picture."""
    store.write_montage(KIND, UNIT, legible_montage([read_picture(picture(store, seed)) for seed in SEEDS]))
    numbers_path(store).unlink()
    first = picture_hash(store.montage_path(KIND, UNIT))
    value = reached(store.folder)[SEEDS[0]]
    add_numbers(store, {UNIT: UnitNumbers(picture_sha256=first, reached=value, transfer=JUDGED)})


def test_the_judge_takes_the_record_of_the_picture_that_it_sees(net, store):
    values, surest = reached(store.folder), surest_first(store.folder)[0]
    assert recorded_values(net, store, [UNIT]) == {UNIT: values[surest]}
    assert first_record(net, store, UNIT)["unit"]["seed"] == surest


def test_so_it_does_in_a_store_of_a_former_version_and_a_run_without_work_renews_all(net, store):
    as_a_former_version(store)
    values = reached(store.folder)
    assert recorded_values(net, store, [UNIT]) == {UNIT: values[SEEDS[0]]}
    keep_numbers(store_files(net, store), [UNIT], [])
    known = numbers_of(store, UNIT)
    assert (known.reached, known.transfer) == (values[SEEDS[0]], JUDGED)
    summary = run(net, store)
    assert (summary.made, summary.skipped) == (0, 3)
    files, expected = store_files(net, store), surest_first(store.folder)
    assert [seed_of(path) for path in as_shown(files, UNIT)] == expected
    now = numbers_of(store, UNIT)
    assert (now.reached, now.transfer) == (values[expected[0]], {})  # what was judged was the other picture


@pytest.mark.parametrize("lost", ["the record", "the record, damaged", "the picture"])
def test_nothing_is_said_of_another_picture_where_that_of_the_first_is_lost(net, store, lost):
    surest = surest_first(store.folder)[0]
    (record,) = store.folder.rglob(f"*s{surest:04d}_info.json")
    if lost == "the picture":
        picture(store, surest).unlink()
    elif lost == "the record":
        record.unlink()
    else:
        record.write_text("{")
    numbers_path(store).unlink()
    keep_numbers(store_files(net, store), [UNIT], [])
    assert recorded_values(net, store, [UNIT]) == {}
    assert numbers_of(store, UNIT) is None


def test_nothing_is_said_of_an_archives_picture(net, store):
    path = store.montage_path(KIND, UNIT)
    path.write_bytes(path.read_bytes().replace(b"deepvis-toolbox", b"another-program"))
    assert store.holds_published(KIND, UNIT)
    assert recorded_values(net, store, [UNIT]) == {}


def test_a_picture_that_a_later_run_failed_to_make_is_not_the_first(net, store):
    """As with --brave: the former picture stays, but the montage does not show it."""
    order, files = surest_first(store.folder), store_files(net, store)
    numbers_path(store).unlink()
    write_montages(net, files, [UNIT], [], {picture(store, order[0])})
    keep_numbers(files, [UNIT], [])
    assert [seed_of(path) for path in as_shown(files, UNIT)] == order[1:]
    assert numbers_of(store, UNIT).reached == reached(store.folder)[order[1]]


def test_a_montage_that_could_not_be_written_keeps_its_numbers(net, store):
    as_a_former_version(store)
    picture(store, 3).write_bytes(b"no picture")
    problems = []
    write_montages(net, store_files(net, store), [UNIT], problems)
    keep_numbers(store_files(net, store), [UNIT], problems)
    assert len(problems) == 1
    assert "s0003_best_Xpm.png" in problems[0]
    (record,) = store.folder.rglob(f"*s{SEEDS[0]:04d}_info.json")
    looks = json.loads(record.read_text())["naturalness"]
    now = numbers_of(store, UNIT)
    assert (now.reached, now.colour) == (reached(store.folder)[SEEDS[0]], looks["colour"])


def test_pictures_of_a_layer_that_shows_anothers_say_nothing_of_that_one(net, tmp_path):
    store, other = UnitImageStore(tmp_path, shared={"fc": "conv2"}), Unit("conv2", 1)
    run(net, store, seeds=(1,))
    assert numbers_of(store, UNIT) is None
    store.write_montage(KIND, other, legible_montage([np.full((24, 20, 3), 90, np.uint8)]))
    run(net, store, seeds=(1,))
    assert numbers_of(store, UNIT) is None
    assert numbers_of(store, other) is None


def test_a_montage_shows_the_pictures_of_runs_in_either_format(net, store):
    write_picture(picture(store, 2, ".jpg"), read_picture(picture(store, 2)))
    picture(store, 2).unlink()
    for suffix in (".png", ".jpg"):
        files = store_files(net, store, suffix)
        write_montages(net, files, [UNIT], [])
        assert [seed_of(path) for path in as_shown(files, UNIT)] == surest_first(store.folder)


def test_the_atlas_names_values_in_the_order_of_the_pictures(net, store):
    values = reached(store.folder)
    for order in (surest_first(store.folder), list(SEEDS)):
        if order == list(SEEDS):
            as_a_former_version(store)
        found = Contents(net, store).of("fc").units[1]["reached"]
        assert [seed for seed, *_ in found] == order
        assert [value for _, value, _ in found] == pytest.approx([values[seed] for seed in order], rel=1e-3)


def test_a_small_store_of_single_pictures_says_its_own_order(store, tmp_path):
    small = UnitImageStore(tmp_path / "small")
    pack(store, small, 112)
    made_by = json.loads((small.folder / KIND / "made_by.json").read_text())["made"]
    assert [group["units"] for group in made_by] == [{"fc:1": list(SEEDS)}]
    assert [path.name[8:13] for path in small.singles(KIND, UNIT)] == [f"s{seed:04d}" for seed in SEEDS]
    assert numbers_of(small, UNIT).reached == reached(store.folder)[SEEDS[0]]


def test_nothing_is_said_of_a_former_packings_picture(store, tmp_path):
    small, value = UnitImageStore(tmp_path / "small"), reached(store.folder)[SEEDS[0]]
    pack(store, small, 112)
    for path in store.folder.rglob(f"*s{SEEDS[0]:04d}_*"):
        path.unlink()
    pack(store, small, 112)
    assert small.files(KIND, UNIT)[0].name == "fc_0001_s0001_best_Xpm.jpg"
    assert numbers_of(small, UNIT).reached == value


def test_what_a_unit_dislikes_comes_behind_what_it_likes(net, store):
    run(net, store, seeds=(4, 5), settings=replace(SETTINGS, push_dir=-1))
    liked = surest_first(store.folder)[:3]
    for seed, value in ((4, -8.0), (5, -9.0)):
        (path,) = store.folder.rglob(f"*s{seed:04d}_info.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"best_objective": value}))
    files = store_files(net, store)
    write_montages(net, files, [UNIT], [])
    assert [seed_of(path) for path in as_shown(files, UNIT)] == [*liked, 5, 4]


@pytest.mark.parametrize("side", [3, 13, 24, 50, 64, 97, 224])
@pytest.mark.parametrize("drawn", ["noise", "smooth", "alike"])
def test_pictures_of_every_size_are_found_again_in_a_montage(tmp_path, side, drawn):
    random, store = np.random.default_rng(side), UnitImageStore(tmp_path)

    def picture_of(cells):
        return cv2.resize(random.integers(0, 256, (cells, cells, 3), np.uint8), (side, side))

    pictures = [picture_of(side if drawn == "noise" else 6) for _ in range(9)]
    if drawn == "alike":
        common = picture_of(6)
        pictures = [cv2.addWeighted(common, 0.7, each, 0.3, 0) for each in pictures]
    for seed, each in enumerate(pictures):
        write_picture(picture(store, seed), each)
    order = random.permutation(9).tolist()
    store.write_montage(KIND, UNIT, legible_montage([pictures[seed] for seed in order]))
    found = as_shown(StoreFiles(store, lambda _: None), UNIT)
    assert [seed_of(path) for path in found] == order
