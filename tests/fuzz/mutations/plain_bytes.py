"""Changes of bytes that know nothing of a format."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]
"""From a file's content, and those of whole files of its kind, to a broken one."""

INTEGERS = (0, 1, -1, 2, 7, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, -(2**31), 2**32 - 1)
LARGE = (*INTEGERS, 2**32, 2**48, 2**63 - 1, -(2**63), 2**64 - 1)
LONGEST = 4 << 20
"""A case's file grows no further than this: many small ones find more than few large ones."""


def flipped(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """Single bits."""
    changed = bytearray(content or b"\0")
    for _ in range(dice.choice([1, 1, 2, 4, 16])):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def overwritten(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """A run of noise, or of one byte."""
    start = dice.randrange(len(content) + 1)
    length = dice.choice([1, 2, 4, 8, 64, 1024])
    run = dice.choice([bytes([dice.choice([0, 32, 127, 128, 255])]) * length, dice.randbytes(length)])
    return content[:start] + run + content[start + length :]


def numbered(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """A whole number that programs stumble over, in any width and order of bytes."""
    code = dice.choice("BHIQ")
    size = struct.calcsize(code)
    value = dice.choice(LARGE) % (1 << 8 * size)
    start = dice.randrange(max(1, len(content) - size + 1))
    return content[:start] + struct.pack(dice.choice("<>") + code, value) + content[start + size :]


def truncated(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """The end or the beginning missing."""
    at = dice.randrange(len(content) + 1)
    return dice.choice([content[:at], content[:at], content[at:]])


def removed(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """A piece missing."""
    start, end = _piece(content, dice)
    return content[:start] + content[end:]


def repeated(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """A piece once more, or often, somewhere."""
    start, end = _piece(content, dice)
    at = dice.randrange(len(content) + 1)
    return (content[:at] + content[start:end] * dice.choice([1, 1, 2, 20]) + content[at:])[:LONGEST]


def spliced(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A piece of another file of the kind."""
    donor = dice.choice(donors) if donors else content
    start, end = _piece(donor, dice)
    at = dice.randrange(len(content) + 1)
    behind = dice.choice([at, at + end - start])
    return (content[:at] + donor[start:end] + content[behind:])[:LONGEST]


def _piece(content: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(content) + 1)
    length = dice.choice([1, 4, 16, 256, max(1, len(content) // 2)])
    return start, min(len(content), start + length)


PLAIN: tuple[Mutation, ...] = (flipped, flipped, overwritten, numbered, truncated, removed, repeated, spliced)
