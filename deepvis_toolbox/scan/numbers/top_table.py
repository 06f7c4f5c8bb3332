"""The best N entries of every unit: kept sorted, merged without looking at one unit at a time.

Entries are ordered by value, then by the value below the rectifier, then by the picture's place in the list.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.scan.numbers.channel_extremes import Candidates

Integers = NDArray[np.int64]

_NOBODY = np.iinfo(np.int64).min
_HALF = 1 << 32
_AT_ONCE = 64
"""New entries of a unit that are sorted in together."""


class TopTable:
    """For each unit its best N entries, best first.

    An entry is two integers: a key that orders like (value, value below the rectifier), larger for better ones, and the
    picture and place. `largest`: False keeps the smallest values instead.
    """

    def __init__(self, keys: Integers, pictures: Integers, largest: bool = True) -> None:
        self._keys, self._pictures, self.largest = keys, pictures, largest
        self._thresholds = np.empty(len(keys), np.float32)
        self._outdated = np.ones(len(keys), np.bool_)

    @classmethod
    def empty(cls, units: int, top: int, largest: bool = True) -> TopTable:
        """Return a table without entries."""
        return cls(np.full((units, top), _NOBODY), np.full((units, top), _packed_picture(-1, -1)), largest)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray], largest: bool = True) -> TopTable:
        """Return the table that `arrays` came from: float32 and int32, (units, N), as it says."""
        keys = _keys_of(arrays["values"], arrays["below"], largest)
        keys[np.asarray(arrays["images"]) < 0] = _NOBODY
        return cls(keys, _packed_picture(arrays["images"].astype(np.int64), arrays["places"].astype(np.int64)), largest)

    def arrays(self) -> dict[str, NDArray]:
        """Return `values`, `below` float32, `images`, `places` (row-major) int32, (units, N); NaN and -1 for missing
        ones."""
        values, below = _values_of(self._keys, self.largest)
        images = (self._pictures // _HALF).astype(np.int32)
        return {
            "values": np.where(images < 0, np.float32(np.nan), values),
            "below": np.where(images < 0, np.float32(np.nan), below),
            "images": images,
            "places": (self._pictures % _HALF - 1).astype(np.int32),
        }

    def thresholds(self, by_below: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return what a value must pass to enter, float32 (units,); infinitely bad while there is room. Smallest:
        negated.

        `by_below` (units,), always the same: whether the unit's values are ranked by the value below the rectifier
        alone. What is returned is the table's own, and valid until the next entry.
        """
        units = np.flatnonzero(self._outdated)
        last = self._keys[units, -1]
        values, below = _values_of(last, largest=True)
        self._thresholds[units] = np.where(last == _NOBODY, -np.inf, np.where(by_below[units], below, values))
        self._outdated[units] = False
        return self._thresholds

    def insert(self, found: Candidates, first_picture: int) -> None:
        """Take in a batch's candidates. Their pictures come after all that are in the table."""
        order = np.argsort(found.unit, kind="stable")  # quick: layer by layer they are in order
        units = found.unit[order]
        keys = _keys_of(found.value, found.below, self.largest)[order]
        pictures = _packed_picture(first_picture + found.picture, found.place)[order]
        begins = np.flatnonzero(np.diff(units, prepend=-1))
        occurrence = np.arange(len(units)) - np.repeat(begins, np.diff(begins, append=len(units)))
        for turn in range(0, int(occurrence.max(initial=-1)) + 1, _AT_ONCE):
            now = (turn <= occurrence) & (occurrence < turn + _AT_ONCE)
            self._insert_few(units[now], keys[now], pictures[now], occurrence[now] - turn)

    def _insert_few(self, units: Integers, keys: Integers, pictures: Integers, occurrence: Integers) -> None:
        """Put in entries, behind those that are as good. `occurrence`: each one's number among its unit's own."""
        begins = np.flatnonzero(occurrence == 0)
        rows, top = units[begins], self._keys.shape[1]
        own = np.repeat(np.arange(len(rows)), np.diff(begins, append=len(units)))
        old_and_new = []
        for array, new, missing in ((self._keys, keys, _NOBODY), (self._pictures, pictures, _packed_picture(-1, -1))):
            joined = np.full((len(rows), top + int(occurrence.max()) + 1), missing)
            joined[:, :top] = array[rows]
            joined[own, top + occurrence] = new
            old_and_new.append(joined)
        best = np.argsort(~old_and_new[0], axis=1, kind="stable")[:, :top]
        self._outdated[rows] = True
        self._keys[rows], self._pictures[rows] = (np.take_along_axis(joined, best, 1) for joined in old_and_new)

    def merge(self, other: TopTable) -> TopTable:
        """Return the best of both; no picture is in both."""
        keys = np.concatenate([self._keys, other._keys], axis=1)
        pictures = np.concatenate([self._pictures, other._pictures], axis=1)
        by_picture = np.argsort(pictures, axis=1, kind="stable")
        by_key = np.argsort(~np.take_along_axis(keys, by_picture, 1), axis=1, kind="stable")
        best = np.take_along_axis(by_picture, by_key, 1)[:, : self._keys.shape[1]]
        return TopTable(np.take_along_axis(keys, best, 1), np.take_along_axis(pictures, best, 1), self.largest)


def _packed_picture(picture: Integers | int, place: Integers | int) -> Integers:
    """Return picture and place in one integer; -1 stays the smallest of each."""
    return np.asarray(picture, np.int64) * _HALF + np.asarray(place, np.int64) + 1


def _keys_of(values: NDArray[np.float32], below: NDArray[np.float32], largest: bool) -> Integers:
    """Return one integer an entry that orders like (value, value below), larger for better ones."""
    sign = np.float32(1 if largest else -1)
    return _ordered(values * sign) * _HALF + _ordered(below * sign)


def _values_of(keys: Integers, largest: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return value and value below of keys; both zeros come back as 0."""
    minor = (keys + _HALF // 2) % _HALF - _HALF // 2
    sign = np.float32(1 if largest else -1)
    values, below = (_unordered(part) * sign + np.float32(0) for part in ((keys - minor) // _HALF, minor))
    return values, below


def _ordered(values: NDArray[np.float32]) -> Integers:
    """Return integers of 32 bits in the order of the floats; both zeros are one."""
    bits = (np.asarray(values, np.float32) + np.float32(0)).view(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)


def _unordered(integers: Integers) -> NDArray[np.float32]:
    bits = integers.astype(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
