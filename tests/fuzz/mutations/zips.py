"""Changes of zip archives: members are broken before they are packed again, so that their checksums are right."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress

from tests.fuzz.mutations.arrays import npy_changed, zeros
from tests.fuzz.mutations.plain_bytes import PLAIN

NAMES = (
    "",
    "/",
    "../x",
    "a/b",
    "a" * 300,
    "x.npy",
    "data.pkl",
    ".",
    "\u2028",
    "a.png",
    "__MACOSX/._a",
    "a.tar",
    "a.zip",
)

Members = list[tuple[str, bytes]]


def packed(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of the members; the same bytes every time."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return file.getvalue()


def unpacked(content: bytes) -> Members:
    """Return the members of a zip that is whole."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A zip with another member, other names, or members that are broken within."""
    try:
        members = unpacked(content)
    except Exception:
        return dice.choice(PLAIN)(content, dice, donors)
    for _ in range(dice.choice([1, 1, 2])):
        members = _with_other_members(members, dice, donors)
    compression = dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    return _packed_all_the_same(members, compression, dice)


def _with_other_members(members: Members, dice: random.Random, donors: Sequence[bytes]) -> Members:
    if not members:
        return [("a", b"b")]
    at = dice.randrange(len(members))
    name, inside = members[at]
    how = dice.randrange(10)
    if how == 0:
        return [*members[:at], *members[at + 1 :]]
    if how == 1:
        return [*members, members[at]]
    if how == 2:
        return [*members[:at], (dice.choice(NAMES), inside), *members[at + 1 :]]
    if how == 3:
        return [*members[:at], (name, dice.choice(members)[1]), *members[at + 1 :]]
    if how == 4 and dice.random() < 0.05:
        return [*members[:at], (name, zeros(dice.choice([16, 300]))), *members[at + 1 :]]
    others = list(_same_member(name, donors))
    mutate = npy_changed if name.endswith(".npy") and dice.random() < 0.7 else dice.choice(PLAIN)
    return [*members[:at], (name, mutate(inside, dice, others or [inside])), *members[at + 1 :]]


def _same_member(name: str, donors: Sequence[bytes]) -> Iterator[bytes]:
    for donor in donors:
        with suppress(zipfile.BadZipFile):
            yield from (content for other, content in unpacked(donor) if other == name)


def _packed_all_the_same(members: Members, compression: int, dice: random.Random) -> bytes:
    if any(len(content) > 1 << 24 for _, content in members):
        compression = zipfile.ZIP_DEFLATED
    with suppress(ValueError, UnicodeError):
        return packed([(name or "empty", content) for name, content in members], compression)
    return packed([("a", dice.randbytes(10))])
