"""Archives that are damaged, cut, joined, linked, nested, packed: what is sound is read, what is not is noted."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import os
import random
import shutil
import subprocess
import tarfile
import types
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.scan.pictures import seekable_gzip, unpacking_budget
from deepvis_toolbox.scan.pictures.archives import _DAMAGE, ArchiveReader, _members, read_member
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.scan.pictures.seekable_gzip import SeekableGzip
from deepvis_toolbox.scan.pictures.tar_index import index_tar
from deepvis_toolbox.scan.pictures.unpacking_budget import UnpackingBudget
from find_maxes import list_pictures, scan


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def tar_bytes(members: dict[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def header_places(whole: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        return [member.offset for member in archive]


def zip_bytes(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def numbered(first: int, last: int) -> dict[str, bytes]:
    return {f"{number}.png": png(number) for number in range(first, last)}


def reds(folder: Path) -> list[int]:
    """The numbers of the pictures that a scan of the folder would see, in its order."""
    reader = PictureReader(Preprocessing((8, 8), mean=np.zeros(3)))
    return [int(reader.frame(path)[0, 0, 0]) for path in list_pictures(folder).paths]


def notes(folder: Path) -> str:
    return "; ".join(list_pictures(folder).notes)


@pytest.mark.parametrize("lost", range(6))
def test_a_flipped_bit_in_a_header_costs_one_member_and_is_noted(tmp_path, lost):
    whole = bytearray(tar_bytes(numbered(0, 6)))
    starts = header_places(whole)
    whole[starts[lost] + 3] ^= 4
    (tmp_path / "a.tar").write_bytes(whole)
    assert reds(tmp_path) == [number for number in range(6) if number != lost]
    assert f"is damaged from byte {starts[lost]}" in notes(tmp_path)


def test_bits_flipped_anywhere_never_raise_and_what_is_read_is_what_was_stored():
    members = {**numbered(0, 8), f"{'long/' * 60}8.png": png(8)}
    whole = tar_bytes(members)
    flips = random.Random(0)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(3):
            broken[flips.randrange(len(broken))] ^= 1 << flips.randrange(8)
        index = index_tar(io.BytesIO(broken), len(broken))
        sound = sum(members.get(name) == whole[at : at + size] for name, (at, size) in index.members.items())
        assert sound >= 9 - 3


@pytest.mark.parametrize(
    ("cut", "kept", "said"),
    [
        (lambda whole, starts: whole[: starts[-1] + 520], 4, "is cut off; its last member, 4.png"),
        (lambda whole, starts: whole[: starts[-1] + 200], 4, "cut off within a member's header"),
        (lambda whole, starts: whole[: starts[-1]], 4, "has no end mark"),
    ],
    ids=["in the data", "in the header", "between two"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_tar_that_was_cut_off_keeps_all_that_is_whole_and_says_so(tmp_path, cut, kept, said, packed):
    whole = tar_bytes(numbered(0, 5))
    starts = header_places(whole)
    data = cut(whole, starts)
    (tmp_path / ("a.tgz" if packed else "a.tar")).write_bytes(gzip.compress(data) if packed else data)
    assert reds(tmp_path) == list(range(kept))
    assert said in notes(tmp_path)


def test_a_packed_tar_whose_packing_is_cut_or_damaged_keeps_what_comes_before(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes()
    members = {f"{number}.png": png(number) + noise for number in range(5)}
    packed = gzip.compress(tar_bytes(members))
    (tmp_path / "a.tgz").write_bytes(packed[: len(packed) // 2])
    assert reds(tmp_path) == [0, 1]
    assert "cannot be read beyond byte" in notes(tmp_path)


def test_joined_tars_are_read_to_the_end(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes(numbered(0, 3)) + tar_bytes(numbered(3, 6)) + tar_bytes(numbered(6, 7)))
    assert reds(tmp_path) == list(range(7))
    assert notes(tmp_path) == ""


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar_is_indexed_as_tarfile_does(tar_format):
    names = ["a.png", "b/" * 40 + "c.png", "ü/ß.png", os.fsdecode(b"caf\xe9.png"), "./d.png", "e f.png"]
    names += [] if tar_format == tarfile.USTAR_FORMAT else ["x" * 300 + ".png"]
    whole = tar_bytes({name: name.encode(errors="surrogateescape") * 70 for name in names}, tar_format)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        expected = {member.name: (member.offset_data, member.size) for member in archive}
    index = index_tar(io.BytesIO(whole), len(whole))
    assert index.members == expected
    assert list(index.members) == names
    assert index.notes == []


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar")
@pytest.mark.parametrize("tar_format", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_hard_and_symbolic_links_inside_lead_to_their_pictures(tmp_path, tar_format):
    folder = tmp_path / "in"
    (folder / "class").mkdir(parents=True)
    (folder / "a.png").write_bytes(png(1))
    os.link(folder / "a.png", folder / "b.png")
    (folder / "c.png").symlink_to("a.png")
    (folder / "class/d.png").symlink_to("../c.png")
    (folder / "class/e.png").symlink_to("nowhere.png")
    (folder / "class/f.png").symlink_to("f.png")
    names = ["class/d.png", "a.png", "b.png", "c.png", "class/e.png", "class/f.png"]
    subprocess.run(["tar", f"--format={tar_format}", "-cf", "../data/a.tar", *names], cwd=folder, check=False)
    (tmp_path / "data").mkdir()
    subprocess.run(["tar", f"--format={tar_format}", "-cf", "../data/a.tar", *names], cwd=folder, check=True)
    assert list_pictures(tmp_path / "data").names == tuple(f"a.tar::{name}" for name in names[:4])
    assert reds(tmp_path / "data") == [1, 1, 1, 1]
    assert "2 links lead to no file in it and are left out, such as class/e.png" in notes(tmp_path / "data")


def test_links_in_a_zip_lead_to_their_pictures(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/1.png", png(1))
        link = zipfile.ZipInfo("b/2.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../a/1.png")
    assert reds(tmp_path) == [1, 1]


@pytest.mark.parametrize("outer", ["tar", "zip", "packed zip", "tgz"])
@pytest.mark.parametrize("inner", ["tar", "zip", "tgz"])
def test_archives_in_an_archive_are_read_one_level_down(tmp_path, outer, inner):
    made = {"tar": tar_bytes, "zip": zip_bytes, "tgz": lambda members: gzip.compress(tar_bytes(members))}
    made["packed zip"] = lambda members: zip_bytes(members, zipfile.ZIP_DEFLATED)
    too_deep = made[inner]({f"deep.{inner}": made[inner](numbered(7, 8)), "2.png": png(2)})
    members = {f"n01.{inner}": made[inner](numbered(0, 2)), f"n02.{inner}": too_deep, "3.png": png(3)}
    (tmp_path / f"a.{outer.split()[-1]}").write_bytes(made[outer](members))
    assert reds(tmp_path) == [0, 1, 2, 3]
    assert "too deep" in notes(tmp_path)


def test_a_damaged_archive_in_an_archive_is_noted_and_the_rest_is_read(tmp_path):
    members = {"n01.tar": b"no tar" * 500, "n02.tar": tar_bytes(numbered(1, 2)), "n03.7z": b"7z", "n04.zip": b"PK"}
    (tmp_path / "a.tar").write_bytes(tar_bytes(members))
    assert reds(tmp_path) == [1]
    for name in ("n01.tar", "n03.7z", "n04.zip"):
        assert name in notes(tmp_path)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_scan_of_packed_and_nested_archives_finds_what_a_scan_of_files_finds(
    small_net, picture_paths, tmp_path, workers
):
    members = {path.name: path.read_bytes() for path in picture_paths[:9]}
    half = dict(list(members.items())[5:])
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar_bytes(dict(list(members.items())[:5]))))
    (tmp_path / "b.tar").write_bytes(tar_bytes({"inner.tar": tar_bytes(half)}))
    pictures = list_pictures(tmp_path)
    (note,) = pictures.notes
    assert "read slowly" in note
    top = scan(small_net, pictures, layers=["fc"], batch_size=2, workers=workers)
    plain = scan(small_net, picture_paths[:9], layers=["fc"], batch_size=2, workers=0)
    assert not top.skipped
    np.testing.assert_array_equal(top.values["fc"], plain.values["fc"])
    np.testing.assert_array_equal(top.images["fc"], plain.images["fc"])


def test_separators_in_the_names_of_folders_archives_and_members_are_no_separators(tmp_path):
    folder = tmp_path / "odd::name.tar::x"
    folder.mkdir()
    (folder / "a::b.tar").write_bytes(tar_bytes({"c::d/1.png": png(1), "e::f.tar": tar_bytes({"g::2.png": png(2)})}))
    (folder / "h::3.png").write_bytes(png(3))
    assert reds(folder) == [1, 2, 3]


def test_what_macos_puts_into_archives_is_left_out_and_counted(tmp_path):
    members = {"1.png": png(1), "__MACOSX/._1.png": b"\0\5\x16\7", "._2.png": b"\0\5\x16\7", "a/@eaDir/3.png": png(3)}
    (tmp_path / "a.zip").write_bytes(zip_bytes(members))
    assert reds(tmp_path) == [1]
    assert "3 files that a system put beside pictures" in notes(tmp_path)


class Stream(io.RawIOBase):
    """Takes what is written and cannot go back, so that a zip's headers do not know the sizes."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_zip_that_was_cut_off_keeps_what_is_whole_and_says_so(tmp_path, compression, streamed):
    file = Stream() if streamed else io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in {"a/": b"", **numbered(0, 5)}.items():
            archive.writestr(name, data)
        last = archive.infolist()[-1].header_offset
    whole = file.data if isinstance(file, Stream) else file.getvalue()
    for length, kept in ((whole.index(b"PK\x01\x02"), 5), (last + 60, 4)):
        (tmp_path / "a.zip").write_bytes(whole[:length])
        if streamed and compression == zipfile.ZIP_STORED:  # nothing says where a member ends
            with pytest.raises(ToolboxError, match="cut off within its first member"):
                reds(tmp_path)
            continue
        assert reds(tmp_path) == list(range(kept))
        assert "has lost its table of contents" in notes(tmp_path)


def test_bits_flipped_anywhere_in_a_zip_never_give_other_bytes():
    members = numbered(0, 6)
    whole = zip_bytes(members, zipfile.ZIP_DEFLATED)
    flips = random.Random(0)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(2):
            broken[flips.randrange(len(broken))] ^= 1 << flips.randrange(8)
        try:
            archive = _members(io.BytesIO(broken), "a.zip", len(broken), UnpackingBudget())
        except (zipfile.BadZipFile, *_DAMAGE):
            continue
        for name in archive.names():
            with contextlib.suppress(ToolboxError):
                assert read_member(archive, name) in members.values()


def test_encrypted_members_are_noted(tmp_path):
    data = bytearray(zip_bytes(numbered(0, 1)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert "1 encrypted members" in notes(tmp_path)


@pytest.mark.parametrize("name", ["a.tar", "a.zip", "a.tgz"])
def test_a_pipe_called_an_archive_is_noted_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "1.png").write_bytes(png(1))
    assert reds(tmp_path) == [1]
    assert "not a file but a pipe" in notes(tmp_path)
    with pytest.raises(ToolboxError, match="not a file but a pipe"):
        list_pictures(tmp_path / name)


def test_a_packed_file_is_read_from_any_place_as_gzip_reads_it(monkeypatch):
    monkeypatch.setattr(seekable_gzip, "_FIRST_STEP", 1 << 14)
    monkeypatch.setattr(seekable_gzip, "_MOST_PLACES", 16)
    data = np.random.default_rng(0).integers(0, 60, 1_500_000, np.uint8).tobytes() + bytes(300_000) + b"end"
    cuts = [0, 400_000, 400_000, 1_000_001, len(data)]
    packed = b"".join(gzip.compress(data[a:b]) for a, b in itertools.pairwise(cuts)) + bytes(1000)
    assert gzip.decompress(packed) == data
    file = io.BufferedReader(SeekableGzip(io.BytesIO(packed), UnpackingBudget()))
    assert file.read() == data
    places = random.Random(0)
    for _ in range(200):
        start, size = places.randrange(len(data) + 10), places.randrange(100_000)
        file.seek(start)
        assert file.read(size) == data[start : start + size]
    for length in (5, 1000, len(packed) // 2):
        with pytest.raises(EOFError):
            SeekableGzip(io.BytesIO(packed[:length]), UnpackingBudget()).read()


MIXED = (
    *("a1b2", "c3d4", "ok.png", "deep/e5f6", "x.heic", "y.qoi", "z.PSD", "LICENSE", "code.j2c", "notes.txt"),
    *(".hidden.png", ".secret", ".git/h.png", "deep/.cache/sub/h.png", "deep/.cache/h.png", "..png"),
)
"""Names of pictures but for LICENSE and notes.txt."""


@pytest.mark.parametrize("form", ["tar", "gztar", "zip", "deflated zip", "zip in a tar", "tar with ./"])
def test_an_archive_and_a_folder_of_the_same_files_hold_the_same_pictures_and_leave_out_the_same(tmp_path, form):
    members = {name: png(number) for number, name in enumerate(MIXED)}
    members["LICENSE"] = members["notes.txt"] = b"no picture"
    code = io.BytesIO()
    Image.new("RGB", (8, 6), (8, 0, 0)).save(code, "JPEG2000", no_jp2=True)
    members["code.j2c"] = code.getvalue()
    folder, there = tmp_path / "folder", tmp_path / "archive"
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    there.mkdir()
    dotted = {f"./{name}": data for name, data in members.items()}
    name, data = {
        "tar": ("a.tar", tar_bytes(members)),
        "gztar": ("a.tar.gz", gzip.compress(tar_bytes(members))),
        "zip": ("a.zip", zip_bytes(members)),
        "deflated zip": ("a.zip", zip_bytes(members, zipfile.ZIP_DEFLATED)),
        "zip in a tar": ("a.tar", tar_bytes({"b.zip": zip_bytes(members)})),
        "tar with ./": ("a.tar", tar_bytes(dotted)),
    }[form]
    (there / name).write_bytes(data)
    assert sorted(reds(there)) == sorted(reds(folder)) == [0, 1, 2, 3, 8]
    left_out, said = list_pictures(folder).notes, notes(there)
    assert len(left_out) == 3
    assert all(note in said for note in left_out)


def test_of_zips_joined_to_one_file_it_is_noted_that_only_the_last_one_is_seen(tmp_path):
    one, other = zip_bytes(numbered(0, 3)), zip_bytes(numbered(3, 5), zipfile.ZIP_DEFLATED)
    (tmp_path / "a.zip").write_bytes(one + other)
    assert reds(tmp_path) == [3, 4]
    assert "only the last one's pictures are seen" in notes(tmp_path)


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh a program in front\n"])
def test_one_zip_is_not_taken_for_several(tmp_path, before):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("folder")  # the first member, and no file
        archive.writestr("folder/0.png", png(0))
    (tmp_path / "a.zip").write_bytes(before + buffer.getvalue())
    assert reds(tmp_path) == [0]
    assert notes(tmp_path) == ""


def without_a_name(raw: bytearray) -> None:
    last = raw.rfind(b"PK\x01\x02")
    length = len("b.png")
    raw[last + 28 : last + 34] = bytes([0, 0, 0, 0, length, 0])  # its name is a comment now


def of_an_unknown_version(raw: bytearray) -> None:
    raw[raw.find(b"PK\x01\x02") + 6] = 99


def no_utf_8(raw: bytearray) -> None:
    raw[:] = raw.replace("ä".encode(), b"\xff\xff")


@pytest.mark.parametrize("damage", [without_a_name, of_an_unknown_version, no_utf_8])
def test_one_member_with_a_wrong_entry_in_a_zips_table_does_not_cost_the_others(tmp_path, damage):
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("ä.png", "a.png", "b.png"):
            archive.writestr(name, png(7))
    raw = bytearray(path.read_bytes())
    damage(raw)
    path.write_bytes(raw)
    pictures = list_pictures(tmp_path)
    assert len(pictures) == 3
    (note,) = pictures.notes
    assert "has a table of contents that cannot be read" in note
    assert reds(tmp_path) == [7] * 3


AWKWARD = ["a.png", "\x01\x1b[31m.png", "new\nline.png", "../up.png", "/abs/x.png", "n" * 3000 + ".png", "\udce9.png"]
AWKWARD += [
    "C:\\x.png",
    "./c.png",
    "d//e.png",
    "deep/" * 400 + "x.png",
    "col::on.png",
    "z.zip::y.png",
    "\u2028.png",
]


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_awkward_names_of_members_are_names_like_others(tmp_path, tar_format, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tarfile.open(tmp_path / "some.tar", "w", format=tar_format) as archive:
        for name in AWKWARD:
            member = tarfile.TarInfo(name)
            member.size = len(png(7))
            archive.addfile(member, io.BytesIO(png(7)))
    before = set(tmp_path.parent.iterdir())
    pictures = list_pictures(tmp_path)
    assert [name.removeprefix("some.tar::") for name in pictures.names] == AWKWARD
    assert reds(tmp_path) == [7] * len(AWKWARD)
    assert set(tmp_path.parent.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["some.tar"]


def gzip_of_zeros(megabytes: int) -> bytes:
    """A tar in gzip: one picture, then so much of nothing in a file."""
    header = tarfile.TarInfo("nothing.bin")
    header.size = megabytes << 20
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [engine.compress(tar_bytes({"one.png": png(1)})[:1536]), engine.compress(header.tobuf())]
    parts += [engine.compress(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join([*parts, engine.compress(bytes(1024)), engine.flush()])


def cut_zip(contents: dict[str, bytes]) -> bytes:
    """A deflated zip, written to where nothing can be sought, without its table of contents."""
    whole = io.BytesIO()
    pipe = types.SimpleNamespace(write=whole.write, flush=lambda: None)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            archive.writestr(name, content)
    return whole.getvalue()[:-60]


def hostile_archives() -> dict[str, tuple[str, bytes]]:
    """Archives, each with its file name, that take 32 MiB of unpacking, or as long as that, to be looked through."""
    picture, empty = gzip.compress(tar_bytes({"one.png": png(1)})), gzip.compress(b"")
    small, names = gzip_of_zeros(8), [f"picture {number}" for number in range(4)]
    zipped = {name: bytes(8 << 20) for name in names}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zipped.items():
            archive.writestr(name, content)
    return {
        "zeros": ("a.tar.gz", gzip_of_zeros(32)),
        "packed parts without anything in them": ("a.tgz", picture + empty * 10_000),
        "small ones in a tar": ("a.tar", tar_bytes({f"{number}.tar.gz": small for number in range(4)})),
        "members without endings, looked into": ("a.zip", buffer.getvalue()),
        "a zip without its table of contents": ("a.zip", cut_zip({f"{name}.png": bytes(8 << 20) for name in names})),
    }


@pytest.mark.parametrize(
    "what",
    [
        "zeros",
        "packed parts without anything in them",
        "small ones in a tar",
        "members without endings, looked into",
        "a zip without its table of contents",
    ],
)
def test_finding_the_pictures_of_an_archive_takes_a_limited_amount_of_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name, content = hostile_archives()[what]
    assert len(content) < 1 << 20
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(unpacking_budget, "MOST_UNPACKED", 20 << 20)
    with pytest.raises(ToolboxError, match=rf'the archive ".*{name}" cannot be read: .*unpack it to a folder first'):
        list_pictures(tmp_path / name)
    (tmp_path / "one.png").write_bytes(png(2))
    found = list_pictures(tmp_path)  # beside others, it is told of
    assert "one.png" in found.names
    assert any("unpack it to a folder first" in note for note in found.notes)


def test_pictures_are_read_however_much_was_unpacked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar_bytes({f"{number}.png": png(number) for number in range(9)})))
    monkeypatch.setattr(unpacking_budget, "MOST_UNPACKED", 200_000)
    assert len(list_pictures(tmp_path / "a.tar.gz")) == 9
    reader = ArchiveReader()
    for number in [8, 0] * 20:
        assert reader.read(str(tmp_path / "a.tar.gz"), f"{number}.png") == png(number)
