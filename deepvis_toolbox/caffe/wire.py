"""Walks protobuf's wire format in a mapped file without copying it, so that 500 MB of weights are copied only once."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

Buffer = mmap.mmap | bytes

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are not a message in protobuf's wire format."""


MOST_FIELDS = 200_000
"""In one file, those inside of others too; a network of a thousand layers has twenty thousand."""


class FieldLimit:
    """Counts the fields of one file: each takes a microsecond or two, and 40 MB can hold twenty million."""

    def __init__(self) -> None:
        self._most = self._left = MOST_FIELDS

    def count(self) -> None:
        """Count one more. Raises `WireError` where there are too many."""
        self._left -= 1
        if self._left < 0:
            raise WireError(f"more than {self._most} fields")


class Field(NamedTuple):
    """One field of a message. A BYTES field lies at `start` to `end`; of a VARINT field `value` is the number."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


def fields(buffer: Buffer, start: int, end: int, limit: FieldLimit) -> Iterator[Field]:
    """Yield the fields of the message at `start` to `end`, in order. Raises `WireError` where the bytes are none, or
    the file has more of them than the limit, one for the whole file, allows."""
    position = start
    while position < end:
        limit.count()
        key, position = _varint(buffer, position, end)
        number, wire_type = key >> 3, key & 7
        value = 0
        if wire_type == VARINT:
            begin = position
            value, position = _varint(buffer, position, end)
        elif wire_type == BYTES:
            length, begin = _varint(buffer, position, end)
            position = begin + length
        elif wire_type in (FIXED32, FIXED64):
            begin, position = position, position + (4 if wire_type == FIXED32 else 8)
        else:
            raise WireError(f"byte {position}: wire type {wire_type} is not used by Caffe")
        if number == 0:
            raise WireError(f"byte {position}: field number 0")
        if position > end:
            raise WireError(f"{position - end} bytes are missing after byte {end}")
        yield Field(number, wire_type, value, begin, position)


def text(buffer: Buffer, field: Field) -> str:
    """Return a BYTES field as text."""
    return bytes(buffer[field.start : field.end]).decode("utf-8", "replace")


def packed_varints(buffer: Buffer, field: Field, most: int) -> list[int]:
    """Return the signed 64-bit numbers of a packed (or single) field; `WireError` where there are more than `most`."""
    if field.wire_type == VARINT:
        return [_signed(field.value)]
    numbers: list[int] = []
    position = field.start
    while position < field.end:
        value, position = _varint(buffer, position, field.end)
        numbers.append(_signed(value))
        if len(numbers) > most:
            raise WireError(f"more than {most} dimensions")
    return numbers


def _varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise WireError(f"cut off at byte {end}")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise WireError(f"byte {position}: a number of more than ten bytes")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
