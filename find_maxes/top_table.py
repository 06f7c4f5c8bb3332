"""The best N entries of every unit: kept sorted, merged without looking at one unit at a time.

Entries are ordered by value, then by the value below the rectifier, then by the picture's place in the list.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from find_maxes.channel_extremes import Candidates

_LOWEST = np.iinfo(np.int64).min


@dataclass
class TopTable:
    """Arrays (units, N), best first; picture -1, place -1 and NaN where there were fewer pictures.

    `largest`: False keeps the smallest values instead.
    """

    values: NDArray[np.float32]
    below: NDArray[np.float32]
    images: NDArray[np.int32]
    places: NDArray[np.int32]
    largest: bool = True

    def __post_init__(self) -> None:
        self._keys = self._keys_of(self.values, self.below)

    @classmethod
    def empty(cls, units: int, top: int, largest: bool = True) -> TopTable:
        """A table without entries."""
        nothing = np.full((units, top), np.nan, np.float32)
        nowhere = np.full((units, top), -1, np.int32)
        return cls(nothing, nothing.copy(), nowhere, nowhere.copy(), largest)

    def thresholds(self, by_below: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What a value must exceed to enter, (units,); -inf while there is room. Smallest values are negated.

        `by_below` (units,): whether the unit's values are ranked by the value below the rectifier alone.
        """
        last = np.where(by_below, self.below[:, -1], self.values[:, -1])
        last = last if self.largest else -last
        return np.where(self.images[:, -1] < 0, np.float32(-np.inf), last).astype(np.float32)

    def insert(self, found: Candidates, first_picture: int) -> None:
        """Takes in a batch's candidates. Their pictures come after all that are in the table."""
        order = np.lexsort((found.picture, found.unit))
        units = found.unit[order]
        begins = np.flatnonzero(np.diff(units, prepend=-1))
        occurrence = np.arange(len(units)) - np.repeat(begins, np.diff(begins, append=len(units)))
        keys = self._keys_of(found.value, found.below)
        for turn in range(int(occurrence.max(initial=-1)) + 1):
            self._insert_one_a_unit(found, order[occurrence == turn], keys, first_picture)

    def _insert_one_a_unit(
        self, found: Candidates, chosen: NDArray[np.int64], keys: NDArray[np.int64], first_picture: int
    ) -> None:
        """Puts each chosen candidate behind those of its unit that are as good; units differ from each other."""
        rows = found.unit[chosen]
        position = (self._keys[rows] >= keys[chosen][:, None]).sum(1)
        enters = position < self.values.shape[1]
        chosen, rows, position = chosen[enters], rows[enters], position[enters, None]
        column = np.arange(self.values.shape[1])
        for array, new in (
            (self._keys, keys[chosen]),
            (self.values, found.value[chosen]),
            (self.below, found.below[chosen]),
            (self.images, first_picture + found.picture[chosen]),
            (self.places, found.place[chosen]),
        ):
            old = array[rows]
            moved = np.concatenate([old[:, :1], old[:, :-1]], axis=1)
            array[rows] = np.where(column < position, old, np.where(column == position, new[:, None], moved))

    def merge(self, other: TopTable) -> TopTable:
        """The best of both; no picture is in both."""
        joined = {
            name: np.concatenate([getattr(self, name), getattr(other, name)], axis=1)
            for name in ("values", "below", "images", "places")
        }
        keys = np.concatenate([self._keys, other._keys], axis=1)
        by_picture = np.argsort(joined["images"], axis=1, kind="stable")
        by_key = np.argsort(~np.take_along_axis(keys, by_picture, 1), axis=1, kind="stable")
        order = np.take_along_axis(by_picture, by_key, 1)[:, : self.values.shape[1]]
        best = {name: np.ascontiguousarray(np.take_along_axis(array, order, 1)) for name, array in joined.items()}
        return TopTable(**best, largest=self.largest)

    def arrays(self) -> dict[str, NDArray]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "largest"}

    def _keys_of(self, values: NDArray[np.float32], below: NDArray[np.float32]) -> NDArray[np.int64]:
        """One integer an entry that orders like (value, value below), the best entry largest; NaN lowest of all."""
        sign = np.float32(1 if self.largest else -1)
        major, minor = _ordered(values * sign), _ordered(below * sign)
        keys = (major << 32) + (minor + (1 << 31))
        return np.where(np.isnan(values), _LOWEST, keys)


def _ordered(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers of 32 bits in the order of the floats; both zeros are one."""
    bits = (values + np.float32(0)).view(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
