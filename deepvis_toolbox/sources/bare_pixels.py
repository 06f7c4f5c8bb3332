"""A picture without what is written about it: for files whose remarks are damaged and whose pixels are sound."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TURNED = b"eXIf"
_AVIF_EXIF = b"Exif"
_AVIF_HEAD = 1 << 16


def without_remarks(data: bytes) -> bytes | None:
    """Return a PNG with only the chunks that its pixels need, an AVIF without its EXIF data; None where nothing can go.

    A PNG's orientation stays where its checksum is right.
    """
    if data[4:8] == b"ftyp":
        head = data[:_AVIF_HEAD]
        place = head.find(_AVIF_EXIF)  # the kind of an item in the table of contents
        return None if place < 0 else data[:place] + b"none" + data[place + 4 :]
    return _bare_png(data) if data.startswith(_SIGNATURE) else None


def _bare_png(data: bytes) -> bytes | None:
    kept, position = [_SIGNATURE], len(_SIGNATURE)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if name in _PIXELS or (name == _TURNED and _is_sound(data[position + 4 : end])):
            kept.append(data[position:end])
        position = end
    bare = b"".join(kept)
    return bare if len(bare) < len(data) else None


def _is_sound(chunk: bytes) -> bool:
    """Return whether name and content match the checksum behind them."""
    return len(chunk) >= 8 and zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big")
