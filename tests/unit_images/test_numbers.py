"""Numbers beside preferred images: kept, read as untrusted data, and of one picture's bytes alone."""

import json
import os

import numpy as np
import pytest

from deepvis_toolbox.unit_images.numbers import (
    LARGEST_NUMBERS,
    JudgeNumbers,
    UnitNumbers,
    add_numbers,
    natural_of,
    numbers_of,
    numbers_path,
    picture_hash,
)
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit

KIND = "regularized_opt"
UNIT = Unit("fc", 3)
VERDICT = JudgeNumbers(rank=0, probability=0.93, said="ostrich")


def drawn(store, unit=UNIT, seed=0):
    picture = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return store.write_single(KIND, unit, "s0000_best_Xpm", picture, ".png")


@pytest.fixture
def store(tmp_path):
    return UnitImageStore(tmp_path / "store")


@pytest.fixture
def numbers(store):
    found = UnitNumbers(picture_sha256=picture_hash(drawn(store)), reached=3, transfer={"lite1": VERDICT})
    add_numbers(store, {UNIT: found}, {UNIT: 2.0})
    return found.model_copy(update={"natural": 2.0})


def test_they_come_back_and_others_units_stay(store, numbers):
    assert numbers_of(store, UNIT) == numbers
    other = UnitNumbers(picture_sha256=picture_hash(drawn(store, Unit("fc", 4), 1)), path_similarity=0.25)
    add_numbers(store, {Unit("fc", 4): other})
    assert (numbers_of(store, UNIT), numbers_of(store, Unit("fc", 4))) == (numbers, other)
    assert numbers_of(store, Unit("fc", 5)) is None


def test_they_end_with_their_picture(store, numbers):  # noqa: ARG001
    drawn(store, seed=7)
    assert numbers_of(store, UNIT) is None


def test_a_shipped_picture_has_those_that_came_with_it_until_there_is_another(store, numbers, tmp_path):
    own = UnitImageStore(tmp_path / "own", shipped=store.folder, views={"prob": "fc"})
    assert numbers_of(own, UNIT) == numbers
    assert numbers_of(own, Unit("prob", 3)) == numbers
    drawn(own, seed=5)
    assert numbers_of(own, UNIT) is None


@pytest.mark.parametrize("value", ["high", True, 1e300, [2.0], 10**400])
def test_a_largest_activation_that_is_none_counts_as_unknown(store, numbers, value):
    kept = json.loads(numbers_path(store).read_text())
    numbers_path(store).write_text(json.dumps({**kept, "natural": {"fc:3": value}}))
    assert natural_of(store, UNIT) is None
    assert numbers_of(store, UNIT) == numbers.model_copy(update={"natural": None})


def test_what_photographs_reach_stays_whatever_the_picture(store, numbers, tmp_path):  # noqa: ARG001
    drawn(store, seed=7)
    assert natural_of(store, UNIT) == 2
    assert natural_of(UnitImageStore(tmp_path / "own", shipped=store.folder), UNIT) == 2
    assert natural_of(store, Unit("fc", 4)) is None


def test_in_short_they_are_a_few_words(numbers):
    assert numbers.short == "1.5× · 93%"
    assert numbers.model_copy(update={"reached": 30.0}).short == "15× · 93%"
    assert numbers.model_copy(update={"path_similarity": 0.484}).short == "1.5× · 93% · path 0.48"
    assert UnitNumbers(picture_sha256="0" * 64).short == ""
    assert numbers.model_copy(update={"natural": 0.0, "transfer": {}}).over_natural is None


HOSTILE = {
    "a word": {"reached": "high"},
    "not finite": {"reached": 1e300},
    "too many judges": {"transfer": {str(number): VERDICT.model_dump() for number in range(17)}},
    "a share above 1": {"transfer": {"a": {"rank": 0, "probability": 1.5, "said": ""}}},
    "a long name": {"transfer": {"a": {"rank": 0, "probability": 0.5, "said": "x" * 300}}},
    "a huge number": {"transfer": {"a": {"rank": 10**400, "probability": 0.5, "said": ""}}},
    "a hash that is none": {"picture_sha256": "../../etc"},
    "a list": [],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_entry_that_is_not_as_it_must_be_counts_as_not_there(store, numbers, kind):
    changed = HOSTILE[kind]
    entry = {**numbers.model_dump(), **changed} if isinstance(changed, dict) else changed
    numbers_path(store).write_text(json.dumps({"format": 1, "natural": {}, "units": {"fc:3": entry}}))
    assert numbers_of(store, UNIT) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "natural": {}, "units": {}}',
        '{"format": 1, "natural": {}, "units": []}',
        '{"units": NaN}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_counts_as_not_there_and_is_written_anew(store, numbers, text):
    numbers_path(store).write_text(text)
    assert numbers_of(store, UNIT) is None
    add_numbers(store, {UNIT: numbers}, {UNIT: 2.0})
    assert numbers_of(store, UNIT) == numbers


def test_a_file_that_is_huge_or_a_pipe_is_not_waited_for(store, numbers):  # noqa: ARG001
    with numbers_path(store).open("r+b") as file:
        file.truncate(LARGEST_NUMBERS + 1)
    assert numbers_of(store, UNIT) is None
    numbers_path(store).unlink()
    os.mkfifo(numbers_path(store))
    assert numbers_of(store, UNIT) is None
