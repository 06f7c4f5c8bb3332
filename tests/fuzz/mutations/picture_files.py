"""Changes of pictures that get past the first checks: chunks of a PNG with right checksums, segments of a JPEG."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator, Sequence

from tests.fuzz.mutations.plain_bytes import LARGE, PLAIN

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NAMES = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"iCCP", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT")


def png_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A PNG whose chunks are others, whole as they are."""
    chunks = list(_chunks(content))
    if not chunks:
        return dice.choice(PLAIN)(content, dice, donors)
    at = dice.randrange(len(chunks))
    name, data = chunks[at]
    how = dice.randrange(7)
    if how == 0:
        del chunks[at]
    elif how == 1:
        chunks.insert(dice.randrange(len(chunks)), chunks[at])
    elif how == 2:
        chunks.insert(1, (dice.choice(_NAMES), dice.choice([b"", dice.randbytes(40), zlib.compress(bytes(1 << 16))])))
    elif how == 3 and len(chunks[0][1]) == 13:
        chunks[0] = (b"IHDR", _other_head(chunks[0][1], dice))
    elif how == 4:
        chunks[at] = (name, zlib.compress(dice.randbytes(dice.choice([1, 100, 5000]))))
    else:
        chunks[at] = (name, dice.choice(PLAIN)(data, dice, [data]))
    return _SIGNATURE + b"".join(map(_chunk, chunks))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while content.startswith(_SIGNATURE) and at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, content[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    name, data = chunk
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _other_head(head: bytes, dice: random.Random) -> bytes:
    width, height, *rest = struct.unpack(">IIBBBBB", head)
    numbers = [width, height, *rest]
    at = dice.randrange(len(numbers))
    numbers[at] = dice.choice(LARGE) % (1 << (32 if at < 2 else 8)) if dice.random() < 0.5 else dice.randrange(20)
    return struct.pack(">IIBBBBB", *numbers)


def jpeg_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A JPEG whose segments are others, or come often: scans, tables, sizes."""
    starts = [at for at in range(2, len(content) - 4) if content[at] == 0xFF and content[at + 1] not in (0, 0xFF)]
    if len(starts) < 3:
        return dice.choice(PLAIN)(content, dice, donors)
    at, other = sorted(dice.sample(starts, 2))
    segment = content[at:other]
    if dice.random() < 0.5:
        times = dice.choice([0, 2, 3, 300]) if len(segment) < 4096 else dice.choice([0, 2])
        return content[:at] + segment * times + content[other:]
    size = dice.choice(LARGE) % (1 << 16)
    return (
        content[: at + 2 + dice.choice([0, 3, 5])]
        + struct.pack(">H", size)
        + content[at + 4 + dice.choice([0, 3, 5]) :]
    )
