"""One stored array of a Caffe file (BlobProto): where its values lie, its shape, and reading it, copied once."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    Buffer,
    Field,
    FieldLimit,
    WireError,
    fields,
    packed_varints,
)

MAX_AXES = 32
"""Caffe's own limit."""

_BLOB = formats.BlobProto
_DIMENSIONS = (_BLOB.NUM_FIELD_NUMBER, _BLOB.CHANNELS_FIELD_NUMBER, _BLOB.HEIGHT_FIELD_NUMBER, _BLOB.WIDTH_FIELD_NUMBER)
_VALUE_TYPES: dict[int, np.dtype] = {
    _BLOB.DATA_FIELD_NUMBER: np.dtype("<f4"),
    _BLOB.DOUBLE_DATA_FIELD_NUMBER: np.dtype("<f8"),
}


_RAW_TYPE, _RAW_DATA = 10, 12
"""Fields of NVIDIA's Caffe: what the numbers are, and their bytes."""
_RAW_VALUE_TYPES: dict[int, np.dtype] = {0: np.dtype("<f8"), 1: np.dtype("<f4"), 2: np.dtype("<f2")}

_PIECE = 16 << 20
_MOST_VALUES = 1 << 40


@dataclass(frozen=True)
class StoredBlob:
    """An array that is still in its file. `shape` is as stored; older files always have four dimensions."""

    shape: tuple[int, ...]
    buffer: Buffer
    parts: tuple[tuple[int, int], ...]
    """Start and end of each run of values; files written by Caffe have one."""
    value_type: np.dtype

    @property
    def count(self) -> int:
        """How many values are stored."""
        return sum(end - start for start, end in self.parts) // self.value_type.itemsize

    def read(self) -> NDArray[np.float32]:
        """Return the values, float32 of the stored shape (`shape`): the only copy that is made of them."""
        values = np.empty(self.count, np.float32)
        filled = 0
        for start, end in self._pieces():
            count = (end - start) // self.value_type.itemsize
            values[filled : filled + count] = np.frombuffer(self.buffer, self.value_type, count, start)
            _let_go(self.buffer, start, end)
            filled += count
        return values.reshape(self.shape)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        for start, end in self.parts:
            for at in range(start, end, _PIECE):
                yield at, min(at + _PIECE, end)


def stored_blob(buffer: Buffer, start: int, end: int, limit: FieldLimit) -> StoredBlob:
    """Return the BlobProto at `start` to `end`. Raises `WireError` where it is none, its values do not fill its shape,
    or the file has more fields than the limit allows."""
    shape: tuple[int, ...] | None = None
    dimensions = [0, 0, 0, 0]
    parts: dict[int, list[tuple[int, int]]] = {number: [] for number in _VALUE_TYPES}
    raw: list[tuple[int, int]] = []
    raw_type = 1
    for field in fields(buffer, start, end, limit):
        if field.number == _BLOB.SHAPE_FIELD_NUMBER and field.wire_type == BYTES:
            shape = _shape(buffer, field, limit)
        elif field.number in _DIMENSIONS:
            dimensions[_DIMENSIONS.index(field.number)] = field.value
        elif field.number == _RAW_TYPE:
            raw_type = field.value
        elif field.number == _RAW_DATA and field.wire_type == BYTES:
            raw.append((field.start, field.end))
        elif field.number in _VALUE_TYPES:
            parts[field.number].append(_run_of_values(field))
    if any(dimensions):  # as in Caffe, the older form wins where both are there
        shape = tuple(dimensions)
    number = _BLOB.DOUBLE_DATA_FIELD_NUMBER if parts[_BLOB.DOUBLE_DATA_FIELD_NUMBER] else _BLOB.DATA_FIELD_NUMBER
    blob = StoredBlob(shape or (), buffer, tuple(parts[number]), _VALUE_TYPES[number])
    if raw:
        blob = StoredBlob(shape or (), buffer, tuple(raw), _raw_value_type(raw_type, raw))
    if math.prod(max(side, 1) for side in blob.shape) > _MOST_VALUES:
        raise WireError("its shape has too many places")  # also where one side is 0, and nothing is stored
    if min(blob.shape, default=1) < 0 or blob.count != math.prod(blob.shape):
        raise WireError(f"{blob.count} values are stored for the shape {'×'.join(map(str, blob.shape)) or '()'}")
    return blob


def _raw_value_type(number: int, parts: list[tuple[int, int]]) -> np.dtype:
    """Return what numbers NVIDIA's Caffe stored: halves, floats or doubles."""
    found = _RAW_VALUE_TYPES.get(number)
    if found is None:
        raise WireError("the values are stored as whole numbers (raw_data of NVIDIA's Caffe); save them as floats")
    if any((end - start) % found.itemsize for start, end in parts):
        raise WireError("the values are cut off")
    return found


def _let_go(buffer: Buffer, start: int, end: int) -> None:
    """Tell the system that this part of a mapped file is not needed in memory any more."""
    if isinstance(buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        first = start - start % mmap.PAGESIZE
        buffer.madvise(mmap.MADV_DONTNEED, first, end - first)


def _shape(buffer: Buffer, shape_field: Field, limit: FieldLimit) -> tuple[int, ...]:
    dimensions: list[int] = []
    for field in fields(buffer, shape_field.start, shape_field.end, limit):
        if field.number == formats.BlobShape.DIM_FIELD_NUMBER:
            dimensions.extend(packed_varints(buffer, field, MAX_AXES))
            if len(dimensions) > MAX_AXES:
                raise WireError(f"more than {MAX_AXES} dimensions")
    return tuple(dimensions)


def _run_of_values(field: Field) -> tuple[int, int]:
    if field.wire_type in (FIXED32, FIXED64):
        raise WireError("the values are stored one by one, not packed as Caffe does; save the file again with Caffe")
    size = _VALUE_TYPES[field.number].itemsize
    if field.wire_type != BYTES or (field.end - field.start) % size:
        raise WireError("the values are cut off")
    return field.start, field.end
