"""What a scan's files have to hold: one check of the record and one of the arrays, for all who read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from deepvis_toolbox.npz_file import WHOLE, ArrayForm
from deepvis_toolbox.scan.numbers.channel_statistics import BINS, ChannelStatistics
from deepvis_toolbox.scan.numbers.correlation_sums import MOST_UNITS
from deepvis_toolbox.scan.numbers.held_out import MOST_HELD_OUT
from deepvis_toolbox.scan.numbers.place_sample import PLACES_A_SIDE
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, grid_of_places
from deepvis_toolbox.scan.scan_settings import MOST_BATCH, MOST_PICTURES, MOST_TOP

_MOST_BITS = 20


class _Kept(BaseModel):
    """A part of a record: types as JSON has them; what is not known is left aside."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())


def _power_of_two(value: float) -> float:
    if math.frexp(value)[0] != 0.5:
        raise ValueError("should be a power of two")
    return value


_Side = Annotated[int, Field(ge=1, lt=2**31)]
_Limit = Annotated[float, Field(gt=0), AfterValidator(_power_of_two)]
_Pair = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
_Clip = Annotated[list[float | None], Field(min_length=2, max_length=2)]


class _Layer(_Kept):
    name: Annotated[str, Field(min_length=1)]
    kind: str
    shape: Annotated[list[_Side], Field(min_length=1, max_length=8)]
    rectifier: str
    grid: Annotated[list[_Side], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> _Layer:
        if self.grid and (len(self.shape) != 2 or math.prod(self.grid) > self.shape[0]):
            raise ValueError("its grid is not one of its tokens")
        return self


class _Network(_Kept):
    name: str
    engine: str
    weights_hash: str


class _Pictures(_Kept):
    count: Annotated[int, Field(ge=1, le=MOST_PICTURES)]
    hash: str


class _Identity(_Kept):
    network: _Network
    preprocessing: dict[str, Any]
    pictures: _Pictures
    layers: Annotated[list[_Layer], Field(min_length=1)]
    top: Annotated[int, Field(ge=1, le=MOST_TOP)]
    bottom: bool
    statistics: bool
    correlations: bool
    batch_size: Annotated[int, Field(ge=1, le=MOST_BATCH)]
    bits: Annotated[int, Field(ge=1, le=_MOST_BITS)]
    held_out: Annotated[int, Field(ge=0, le=MOST_HELD_OUT)] = 0
    versions: dict[str, str] | None = None
    later_versions: list[dict[str, str]] = []


class _Calibration(_Kept):
    limits: dict[str, _Limit]
    clips: dict[str, _Clip]


class _Record(_Kept):
    identity: _Identity
    calibration: _Calibration
    batches_done: list[_Pair]
    skipped: dict[str, str]
    held_out: Annotated[int, Field(ge=0)] = 0
    root: str = ""
    arrays: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.npz$")]

    @model_validator(mode="after")
    def _agrees(self) -> _Record:
        names = [layer.name for layer in self.identity.layers]
        if len(set(names)) < len(names):
            raise ValueError("two layers have one name")
        if set(self.calibration.limits) != set(names) or not set(self.calibration.clips) <= set(names):
            raise ValueError("the calibration is of other layers")
        for low, high in self.calibration.clips.values():
            if low is None or (high is not None and high < low):
                raise ValueError("a clip of the calibration has no beginning, or ends before it")
        if self.held_out > self.identity.held_out:
            raise ValueError("more pictures are held out than the scan says")
        count, size = self.identity.pictures.count, self.identity.batch_size
        ends = [0, *(end for pair in self.batches_done for end in pair), -(-count // size)]
        if any(second < first for first, second in pairwise(ends)) or any(one == end for one, end in self.batches_done):
            raise ValueError("the batches are not in order, or are not those of the pictures")
        done = {range(first * size, min(last * size, count)) for first, last in self.batches_done}
        for key in self.skipped:
            index = int(key) if key.isdecimal() and len(key) <= len(str(MOST_PICTURES)) else -1
            if str(index) != key or not any(index in part for part in done):
                raise ValueError(f'"{key[:20]}" was skipped, which is none of the pictures that were looked at')
        return self


def check_record(record: Any) -> None:
    """Raise `ValueError` with a few words where a manifest or a checkpoint, as JSON gives it, is not sound."""
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part)[:60] for part in first["loc"])
        if first["type"] == "missing":
            raise ValueError(f'"{place}" is missing') from None
        words = first["msg"].removeprefix("Value error, ")
        raise ValueError(f'"{place}": {words}' if place else words) from None


def forms_of(record: Mapping[str, Any]) -> dict[str, ArrayForm]:
    """Return what the arrays of a checked record's scan have to be, by name."""
    identity = record["identity"]
    index = UnitIndex.from_record(identity["layers"])
    ranked, of_units = (index.total, identity["top"]), (index.total,)
    forms: dict[str, ArrayForm] = {}
    for table in ("top", "bottom") if identity["bottom"] else ("top",):
        forms |= {f"{table}.{name}": ArrayForm("float32", ranked) for name in ("values", "below")}
        forms |= {f"{table}.{name}": ArrayForm("int32", ranked) for name in ("images", "places")}
    for kind in ("maxima", "places") if identity["statistics"] else ("maxima",):
        forms |= {f"{kind}.{name}": ArrayForm(WHOLE, of_units) for name in ChannelStatistics.NAMES}
        forms[f"{kind}.histogram"] = ArrayForm(WHOLE, (index.total, BINS))
    for number, layer in enumerate(index.layers if identity["correlations"] else ()):
        if layer.channels <= MOST_UNITS:
            forms[f"correlation.{number}"] = ArrayForm(WHOLE, (layer.channels * (layer.channels + 1) // 2,))
    if identity.get("held_out"):
        rows = record.get("held_out", 0)
        forms |= {"held_out.images": ArrayForm("int32", (rows,)),
                  "held_out.values": ArrayForm("float16", (rows, index.total))}  # fmt: skip
    return forms


def check_arrays(record: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> None:
    """Raise `ValueError` where arrays, of the dtypes and shapes of `forms_of`, do not go with their record or each
    other."""
    identity = record["identity"]
    index, count = UnitIndex.from_record(identity["layers"]), identity["pictures"]["count"]
    size = identity["batch_size"]
    looked_at = sum(min(last * size, count) - first * size for first, last in record["batches_done"])
    read = looked_at - len(record["skipped"])
    for table in ("top", "bottom") if identity["bottom"] else ("top",):
        _check_table({name: arrays[f"{table}.{name}"] for name in _TABLE}, index, count, table == "top")
    for kind, most in (("maxima", read), ("places", read * PLACES_A_SIDE**2)):
        if f"{kind}.count" in arrays:
            sums = {name: arrays[f"{kind}.{name}"] for name in ChannelStatistics.NAMES}
            _check_sums(sums, most, identity["bits"])
    for number, (name, units) in enumerate(index.slices.items()):
        triangle = arrays.get(f"correlation.{number}")
        if triangle is not None:
            diagonal = np.cumsum(np.arange(1, units.stop - units.start + 1)) - 1
            _agree(np.array_equal(triangle[diagonal], arrays["maxima.squares"][units]), f'the correlations of "{name}"')

    if "held_out.images" in arrays:
        images = arrays["held_out.images"]
        inside = bool((np.diff(images) > 0).all()) and 0 <= images.min(initial=0) <= images.max(initial=0) < count
        _agree(inside, "the pictures held out")


_TABLE = ("values", "below", "images", "places")


def _check_table(table: Mapping[str, NDArray], index: UnitIndex, pictures: int, largest: bool) -> None:
    images, values, places = table["images"], table["values"], table["places"]
    there = images >= 0
    _agree(bool((images >= -1).all() and (images < pictures).all()), "the pictures of the list")
    _agree(bool((there[:, :-1] >= there[:, 1:]).all()) and np.array_equal(np.isnan(values), ~there), "missing pictures")
    before, behind = (values[:, :-1], values[:, 1:]) if largest else (values[:, 1:], values[:, :-1])
    _agree(not (before < behind).any(), "the order of the values")
    ends = index.spread([math.prod(grid_of_places(layer) or (0,)) for layer in index.layers])[:, None]
    may_have_none = index.spread([layer.other_tokens for layer in index.layers])[:, None] > 0
    has_place = places >= 0
    _agree(bool((places >= -1).all() and (has_place <= (there & (places < ends))).all()), "the places")
    _agree(bool((has_place | may_have_none | (ends == 0) | ~there).all()), "the places")


def _check_sums(sums: Mapping[str, NDArray], most: int, bits: int) -> None:
    count = sums["count"]
    _agree(bool((count >= 0).all() and (count <= most).all()), "the number of values")
    for name in ("zeros", "not_positive"):
        _agree(bool((sums[name] >= 0).all() and (sums[name] <= count).all()), f"the sums ({name})")
    largest = count.astype(np.float64) * 2.0**bits
    _agree(bool((np.abs(sums["sum"].astype(np.float64)) <= largest).all()), "the sums")
    squares = sums["squares"].astype(np.float64)
    _agree(bool((squares >= 0).all() and (squares <= largest * 2.0**bits).all()), "the sums (squares)")
    histogram = sums["histogram"]
    _agree(bool((histogram >= 0).all() and (histogram <= count[:, None]).all()), "the histograms")
    _agree(np.array_equal(histogram.sum(1), count), "the histograms")


def _agree(sound: bool, what: str) -> None:
    if not sound:
        raise ValueError(f"{what} cannot be right")
