"""Members of zips that are packed with bzip2 or LZMA: `zipfile` unpacks all that a piece of them holds, here no more
than the member says."""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable

_HEADER = struct.Struct("<2xHBI")
"""In front of LZMA's own data: the length of what follows, the literals' and places' bits, the dictionary's size."""
_SMALLEST_DICTIONARY = 4096


def unpacked(packed: bytes, info: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes. ValueError, OSError, EOFError, LZMAError, struct.error, BadZipFile where it is not
    sound."""
    data = UNPACKERS[info.compress_type](packed, info.file_size)
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")
    return data


def _of_bzip2(packed: bytes, size: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(packed, size + 1)


def _of_lzma(packed: bytes, size: int) -> bytes:
    length, bits, dictionary = _HEADER.unpack_from(packed)
    places, rest = divmod(bits, 45)
    own = {"pb": places, "lp": rest // 9, "lc": rest % 9}
    own["dict_size"] = min(dictionary, max(size, _SMALLEST_DICTIONARY))  # what is unpacked refers no further back
    engine = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, **own}])
    return engine.decompress(packed[4 + length :], size + 1)


UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {zipfile.ZIP_BZIP2: _of_bzip2, zipfile.ZIP_LZMA: _of_lzma}
"""By the number of the method: (packed bytes, bytes that the member says it has) -> at most one byte more."""
