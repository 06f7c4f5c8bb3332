"""Checks the table of best entries against sorted lists, for any values and any cut into parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deepvis_toolbox.scan.numbers.channel_extremes import Candidates
from deepvis_toolbox.scan.numbers.top_table import TopTable

UNITS, TOP, PICTURES = 3, 4, 14

few_values = st.sampled_from([0.0, -0.0, 1.0, 6.0, -3.5, 1e-42, -1e-42, 3e38, -np.inf, 6.0000005])
entries = st.lists(st.tuples(few_values, few_values, st.integers(-1, 50)), min_size=PICTURES, max_size=PICTURES)
tables = st.lists(entries, min_size=UNITS, max_size=UNITS)


def sorted_lists(rows, largest: bool) -> list[list[tuple]]:
    """Each unit's best (value, value below, picture, place)."""
    sign = -1 if largest else 1
    best = []
    for row in rows:
        ranked = sorted((sign * v + 0.0, sign * b + 0.0, picture, place) for picture, (v, b, place) in enumerate(row))
        best.append([(sign * v, sign * b, picture, place) for v, b, picture, place in ranked[:TOP]])
    return best


def candidates(rows, pictures: range) -> Candidates:
    """All entries of some pictures; the units in no order, each one's pictures in theirs."""
    found = [(unit, picture - pictures.start, *rows[unit][picture]) for picture in pictures for unit in range(UNITS)]
    shuffled = np.argsort(np.random.default_rng(0).permutation(UNITS)[[unit for unit, *_ in found]], kind="stable")
    unit, picture, value, below, place = (np.array(column)[shuffled] for column in zip(*found, strict=True))
    return Candidates(unit, picture, value.astype(np.float32), below.astype(np.float32), place)


def check(table: TopTable, rows, largest: bool) -> None:
    arrays = table.arrays()
    for unit, wanted in enumerate(sorted_lists(rows, largest)):
        assert arrays["images"][unit].tolist() == [picture for _, _, picture, _ in wanted]
        assert arrays["places"][unit].tolist() == [place for *_, place in wanted]
        values, below = (np.array([entry[part] for entry in wanted], np.float32) for part in (0, 1))
        np.testing.assert_array_equal(arrays["values"][unit], values)
        np.testing.assert_array_equal(arrays["below"][unit], below)


@settings(max_examples=60, deadline=None)
@given(tables, st.booleans(), st.integers(1, 6))
def test_batches_inserted_one_after_the_other_give_the_sorted_lists(rows, largest, size):
    table = TopTable.empty(UNITS, TOP, largest)
    for begin in range(0, PICTURES, size):
        table.insert(candidates(rows, range(begin, min(begin + size, PICTURES))), begin)
    check(table, rows, largest)
    check(TopTable.from_arrays(table.arrays(), largest), rows, largest)


@settings(max_examples=60, deadline=None)
@given(tables, st.booleans(), st.integers(1, PICTURES - 1), st.booleans())
def test_two_parts_merged_in_either_order_give_the_sorted_lists(rows, largest, cut, swapped):
    parts = []
    for pictures in (range(cut), range(cut, PICTURES)):
        part = TopTable.empty(UNITS, TOP, largest)
        part.insert(candidates(rows, pictures), pictures.start)
        parts.append(part)
    first, second = parts[::-1] if swapped else parts
    check(first.merge(second), rows, largest)


def test_missing_entries_are_nan_and_minus_one_and_let_everything_enter():
    table = TopTable.empty(2, 3)
    arrays = table.arrays()
    assert np.isnan(arrays["values"]).all()
    assert (arrays["images"] == -1).all()
    assert (arrays["places"] == -1).all()
    assert (table.thresholds(np.array([True, False])) == -np.inf).all()
