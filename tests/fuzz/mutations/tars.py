"""Changes of tar archives: members broken, headers with other fields, and checksums that are right all the same."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Sequence

from tests.fuzz.mutations.plain_bytes import PLAIN
from tests.fuzz.mutations.zips import NAMES, Members

_BLOCK = 512
_FIELDS = ((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
"""Name, mode, size, time, kind, link, magic and prefix: where they begin, and their lengths."""
_CONTENTS = (
    *(b"", b"\xff" * 12, b"77777777777", b"00000000000", b"-0000000001", b"\x80" + b"\xff" * 11, b"\x80" + b"\0" * 10),
    *(b"L", b"K", b"x", b"g", b"S", b"1", b"2", b"5", b"6", b"../../x", b"a.png", b" 12 34", b"\xff\xfe.png"),
)


def tar(members: Members, kind: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar of the members; the same bytes every time."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def tar_gz(members: Members) -> bytes:
    """Return the same, packed."""
    return gzip.compress(tar(members), 1, mtime=0)


def tar_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A tar, packed or not, with other fields in a header, or other members."""
    packed = content[:2] == b"\x1f\x8b"
    try:
        changed = bytearray(gzip.decompress(content) if packed else content)
        for _ in range(dice.choice([1, 1, 2])):
            changed = _with_other_header(changed, dice) if dice.random() < 0.7 else _with_other_members(changed, dice)
    except Exception:  # broken already
        return dice.choice(PLAIN)(content, dice, donors)
    return gzip.compress(bytes(changed), 1, mtime=0) if packed else bytes(changed)


def _with_other_header(content: bytearray, dice: random.Random) -> bytearray:
    headers = [at for at in range(0, len(content), _BLOCK) if content[at + 257 : at + 262] == b"ustar"]
    at = dice.choice(headers)
    start, length = dice.choice(_FIELDS)
    value = dice.choice([*_CONTENTS, dice.randbytes(length)])[:length]
    content[at + start : at + start + length] = value.ljust(length, b"\0")
    content[at + 148 : at + 156] = b" " * 8
    content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + _BLOCK])
    return content


def _with_other_members(content: bytearray, dice: random.Random) -> bytearray:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = [(info.name, archive.extractfile(info).read()) for info in archive if info.isfile()]  # type: ignore[union-attr]
    at = dice.randrange(len(members))
    name, inside = members[at]
    how = dice.randrange(4)
    if how == 0:
        members[at] = (dice.choice(NAMES) or "x", inside)
    elif how == 1:
        members[at] = (name, dice.choice(PLAIN)(inside, dice, [inside]))
    elif how == 2:
        members.append(members[at])
    else:
        members[at] = (name, b"")
    return bytearray(tar(members, dice.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])))
