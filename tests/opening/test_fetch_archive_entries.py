"""Archives that mean harm: refused before anything is written, soon, and with little memory."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import IO, cast

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.opening.downloads import fetch_archive, fetch_archive_entries
from deepvis_toolbox.opening.downloads.fetch_archive_entries import entries

END = bytes(1024)


def _header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def _with_attributes(name: str, attributes: dict[str, str], size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.pax_headers = size, attributes
    return info.tobuf(tarfile.PAX_FORMAT)


def _changed(header: bytes, at: int, value: bytes) -> bytes:
    """A header with other bytes somewhere, and the checksum that belongs to it."""
    bare = header[:at] + value + header[at + len(value) :]
    bare = bare[:148] + b" " * 8 + bare[156:]
    return bare[:148] + b"%06o\0 " % sum(bare) + bare[156:]


def _map_of_holes() -> Iterator[bytes]:
    """A file of 16 TiB whose map of holes never ends, as old GNU tar writes it."""
    yield _changed(
        _changed(_header("s", 0, tarfile.GNUTYPE_SPARSE), 482, b"\1"), 483, b"\x80" + (1 << 44).to_bytes(11, "big")
    )
    for number in count():
        pairs = b"".join(b"%011o\0%011o\0" % (512 * each, 1) for each in range(21 * number, 21 * number + 21))
        yield pairs + b"\1" + bytes(7)


def _newer_map_of_holes() -> Iterator[bytes]:
    attributes = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "s",
        "GNU.sparse.realsize": "9" * 13,
    }
    yield _with_attributes("s", attributes, 1 << 33)
    yield b"99999999999\n"
    while True:
        yield b"0\n1\n" * 128


def _small_map_of_holes() -> Iterator[bytes]:
    yield (
        _with_attributes("s", {"GNU.sparse.size": "1099511627776", "GNU.sparse.map": "0,1"}, 1)
        + b"x"
        + bytes(511)
        + END
    )


def _names_of_names() -> Iterator[bytes]:
    while True:
        yield _header("././@LongLink", 20, tarfile.GNUTYPE_LONGNAME) + b"x" * 20 + bytes(492)


def _attributes_of_all() -> Iterator[bytes]:
    for number in count():
        record = f"20 k{number:010}=abc\n".encode()
        yield _header("x", len(record), tarfile.XGLTYPE) + record + bytes(512 - len(record)) + _header(f"f{number}")


def _folders() -> Iterator[bytes]:
    for number in count():
        yield _header(f"{number}/a/b/c/d/e/f/g/h", 0, tarfile.DIRTYPE)


def _files_in_folders() -> Iterator[bytes]:
    for number in count():
        yield _header(f"{number}/a/b/c/d/e/f/g/h/file")


def _files() -> Iterator[bytes]:
    for number in count():
        yield _header(f"{number}")


class _Stream(io.RawIOBase):
    """What a generator yields, as far as it is read: an archive that need not end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left, self.at = pieces, b"", 0

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        given, self._left = self._left[:size], self._left[size:]
        self.at += len(given)
        assert self.at < 32 << 20, "it was read on and on"
        return given

    def tell(self) -> int:
        return self.at

    def seek(self, place: int, _whence: int = 0) -> int:
        while self.at < place and self.read(min(1 << 16, place - self.at)):
            pass
        return self.at


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        (_map_of_holes, "too large a header"),
        (_newer_map_of_holes, "too large a header"),
        (_small_map_of_holes, "a file with holes"),
        (_names_of_names, "too large a header"),
        (_attributes_of_all, "more than 100 attributes"),
        (_folders, "more than 300 folders"),
        (_files_in_folders, "more than 300 folders"),
        (_files, "more than 1000 files"),
    ],
)
def test_an_archive_without_end_is_given_up(
    pieces: Callable[[], Iterator[bytes]], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_archive_entries, "LARGEST_FOLDERS", 300)
    monkeypatch.setattr(fetch_archive_entries, "LARGEST_COUNT", 1000)
    monkeypatch.setattr(fetch_archive_entries, "_opened", lambda _: cast(IO[bytes], _Stream(pieces())))
    with pytest.raises(ToolboxError, match=told):
        list(entries(Path("a.tar")))


@pytest.mark.parametrize(
    ("archive", "told"),
    [
        (_header("a", 0, tarfile.LNKTYPE, "/etc/passwd"), "a link or a device"),
        (_header("a", 0, tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (_header("a", 0, tarfile.CHRTYPE), "a link or a device"),
        (_header("a", 0, tarfile.BLKTYPE), "a link or a device"),
        (_header("a", 0, tarfile.FIFOTYPE), "a link or a device"),
        (_header("a", 1 << 40), "more than 500000 files or 16 GiB"),
        (_with_attributes("a", {"size": "9" * 4000}), "more than 500000 files or 16 GiB"),
        (_with_attributes("a", {"size": "-512"}), "less than no bytes"),
        (_changed(_header("a"), 124, b"\xff" * 10 + b"\xfe\0"), "less than no bytes|broken one"),
        (_with_attributes("a", {"path": "../a"}), "leads out of its folder"),
        (_with_attributes("a", {"path": "a" * 300}), "is too long"),
        (_with_attributes("a", {"path": "aaaaaaaaa/" * 40 + "ü" * 500}), "is too long"),
        (_header("a\x1b[31m"), r'"a\\x1b\[31m" holds a character that no plain name has'),
        (_header("a\nerror: b"), r'"a\\nerror: b" holds a character'),
        (_header("a\\..\\b"), "holds a character"),
        (_changed(_header("abc"), 1, b"\xff"), "holds a character"),
    ],
)
def test_what_is_no_plain_file_is_refused_with_all_the_rest(tmp_path: Path, archive: bytes, told: str) -> None:
    (tmp_path / "a.tar").write_bytes(_header("ok") + archive + END)
    with pytest.raises(ToolboxError, match=told) as caught:
        fetch_archive.unpack(tmp_path / "a.tar", tmp_path / "out")
    assert str(caught.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_chain_of_headers_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_archive_entries, "LARGEST_HEADER", 16 << 20)  # Python itself gives up before
    link = _header("././@LongLink", 20, tarfile.GNUTYPE_LONGNAME) + b"x" * 20 + bytes(492)
    (tmp_path / "a.tar").write_bytes(link * 3000 + _header("a") + END)
    with pytest.raises(ToolboxError, match="a broken one"):
        fetch_archive.unpack(tmp_path / "a.tar", tmp_path / "out")
