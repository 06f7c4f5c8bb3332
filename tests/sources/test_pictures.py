"""Folders and lists of pictures: order, labels, moving, new files, broken files."""

from __future__ import annotations

import os
import random
import struct
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.listing import folder_pictures, natural_order, read_picture_list
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.source import Source

# As when the toolbox runs: pytest switches the filters of modules off.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def red(source: Source) -> int:
    """The number of the test picture that is shown."""
    frame = source.read()
    assert frame is not None
    return int(frame.image[0, 0, 0])


def caption(source: Source) -> str:
    frame = source.read()
    assert frame is not None
    return frame.info.source


def test_names_are_sorted_as_people_sort_them() -> None:
    expected = ["a.png", "B.png", "c1.png", "c2.png", "c10.png", "img2x3.png", "img2x20.png", "img10.png"]
    assert sorted(random.Random(0).sample(expected, len(expected)), key=natural_order) == expected


def test_names_that_mix_letters_and_numbers_in_any_way_can_be_compared() -> None:
    names = ["1", "a", "", "1a", "a1", "²", "٣", "9" * 200, "-1", "1.5", "ß1", "SS1"]
    orders = {tuple(sorted(random.Random(seed).sample(names, len(names)), key=natural_order)) for seed in range(9)}
    assert len(orders) == 1


def test_a_folder_shows_its_pictures_in_a_circle_both_ways(pictures: Path) -> None:
    with open_source(str(pictures)) as source:
        assert source.is_still
        assert [red(source), red(source)] == [1, 1]
        forwards = []
        for _ in range(5):
            assert source.next()
            forwards.append(red(source))
        assert forwards == [2, 10, 20, 1, 2]
        backwards = []
        for _ in range(3):
            assert source.previous()
            backwards.append(red(source))
        assert backwards == [1, 20, 10]
        assert caption(source) == "img10.png (3 of 4)"


def test_the_same_picture_keeps_its_number_and_another_gets_the_next(pictures: Path) -> None:
    with open_source(str(pictures)) as source:
        first, again = source.read(), source.read()
        source.next()
        second = source.read()
    assert first is again
    assert isinstance(second, SourceFrame)
    assert second.info.number == 1


def test_only_pictures_are_listed(pictures: Path) -> None:
    (pictures / "UPPER.JPG").write_bytes(b"")
    assert [item.path.name for item in folder_pictures(pictures)] == [
        "img1.png",
        "img2.png",
        "img10.png",
        "img20.png",
        "UPPER.JPG",
    ]


def test_a_file_added_later_is_seen_at_the_next_move_and_the_place_is_kept(pictures: Path) -> None:
    with open_source(str(pictures)) as source:
        source.next()
        assert red(source) == 2
        Image.new("RGB", (8, 6), (0, 0, 0)).save(pictures / "img0.png")
        Image.new("RGB", (8, 6), (3, 0, 0)).save(pictures / "img3.png")
        source.next()
        assert red(source) == 3
        assert caption(source) == "img3.png (4 of 6)"


def test_an_unchanged_folder_is_not_listed_again(pictures: Path, monkeypatch) -> None:
    old = time.time() - 100
    os.utime(pictures, (old, old))
    with open_source(str(pictures)) as source:
        calls: list[object] = []
        monkeypatch.setattr("deepvis_toolbox.sources.kinds.folder.folder_pictures", calls.append)
        for _ in range(5):
            source.next()
        assert calls == []


def test_deleting_the_picture_that_is_shown_skips_no_other(pictures: Path) -> None:
    with open_source(str(pictures)) as source:
        source.next()
        assert red(source) == 2
        (pictures / "img2.png").unlink()
        source.next()
        assert red(source) == 10
        (pictures / "img10.png").unlink()
        source.previous()
        assert red(source) == 1
        (pictures / "img1.png").unlink()
        source.previous()
        assert red(source) == 20
        (pictures / "img20.png").unlink()
        source.next()
        assert source.read() is None
        Image.new("RGB", (8, 6), (5, 0, 0)).save(pictures / "img5.png")
        source.next()
        assert red(source) == 5


def test_deleted_pictures_and_a_deleted_folder_leave_a_note_not_an_error(pictures: Path) -> None:
    with open_source(str(pictures)) as source:
        red(source)
        (pictures / "img2.png").unlink()
        source.next()
        assert red(source) == 10
        pictures.rename(pictures.parent / "away")
        source.next()
        assert source.read() is None
        assert source.ended
        assert source.note.startswith("none of the 3 pictures of folder pictures can be read; skipped")
        (pictures.parent / "away").rename(pictures)
        source.next()
        assert red(source) in (1, 10, 20)
        assert source.note == ""


def png_claiming(side: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(9))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data)
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no picture format that is known here"),
        (b"hello", "no picture format that is known here"),
        (png_claiming(10_000), "10000×10000 is more than the 89 million pixels allowed"),
        (png_claiming(50_000), "more than the 89 million pixels allowed"),
    ],
    ids=["empty", "no picture", "too large", "far too large"],
)
def test_a_broken_picture_is_skipped_in_both_directions_with_its_reason(
    pictures: Path, content: bytes, reason: str
) -> None:
    (pictures / "img5.png").write_bytes(content)
    with open_source(str(pictures)) as source:
        source.next()
        source.next()
        assert red(source) == 10
        assert source.note == f"skipped img5.png: {reason}"
        source.previous()
        assert red(source) == 2
        assert source.note == f"skipped img5.png: {reason}"
        source.previous()
        assert red(source) == 1
        assert source.note == ""


def test_a_truncated_picture_is_called_so(pictures: Path) -> None:
    Image.effect_noise((200, 200), 50).convert("RGB").save(pictures / "img0.jpg")
    data = (pictures / "img0.jpg").read_bytes()
    (pictures / "img0.jpg").write_bytes(data[: len(data) // 2])
    with open_source(str(pictures)) as source:
        assert red(source) == 1
        assert source.note == "skipped img0.jpg: truncated"


def test_a_folder_of_broken_pictures_ends_with_a_note(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"nothing")
    with open_source(str(tmp_path)) as source:
        assert source.read() is None
        assert source.ended
        assert source.note.startswith("none of the 2 pictures")


def test_a_list_gives_order_and_class_indices(tmp_path: Path, pictures: Path) -> None:
    lines = ["\ufeff# a remark", "", "pictures/img10.png 10", f"{pictures / 'img1.png'}\t1", "  pictures/img2.png  "]
    (tmp_path / "some list.txt").write_text("\r\n".join(lines), encoding="utf-8")
    with open_source(str(tmp_path / "some list.txt")) as source:
        seen = []
        for _ in range(3):
            frame = source.read()
            assert frame is not None
            seen.append((int(frame.image[0, 0, 0]), frame.info.label, frame.info.source))
            source.next()
    assert seen == [(10, 10, "img10.png (1 of 3)"), (1, 1, "img1.png (2 of 3)"), (2, None, "img2.png (3 of 3)")]


def test_file_names_with_blanks_and_numbers_are_not_mistaken_for_class_indices(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("my photo 12.jpg\nmy photo 12.jpg 7\nphoto.jpg 007\n12\n")
    listed = [(item.path.name, item.label) for item in read_picture_list(tmp_path / "list.txt")]
    assert listed == [("my photo 12.jpg", None), ("my photo 12.jpg", 7), ("photo.jpg", 7), ("12", None)]


@pytest.mark.parametrize(
    ("content", "name", "label"),
    [
        (b'"my photo.jpg" 3\r\n', "my photo.jpg", 3),
        (b"'a b.jpg'\t4\n", "a b.jpg", 4),
        ("\ufeffа.jpg 5\r\n".encode("utf-16-le"), "а.jpg", 5),
        (b"caf\xe9.jpg 6\n", os.fsdecode(b"caf\xe9.jpg"), 6),
        ("one\u2028two\x0c\x85.jpg 7\n".encode(), "one\u2028two\x0c\x85.jpg", 7),
        ("wide\u3000.jpg\u00a0\n".encode(), "wide\u3000.jpg\u00a0", None),
        (b"old macintosh.jpg 8\r# remark\r", "old macintosh.jpg", 8),
        (b"tab\tin name.jpg 9\n", "tab\tin name.jpg", 9),
    ],
    ids=["quotes", "quotes and tab", "UTF-16", "Latin-1", "odd line ends", "odd blanks", "carriage returns", "tab"],
)
def test_lists_of_other_programs_name_the_same_files(
    tmp_path: Path, content: bytes, name: str, label: int | None
) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    listed = read_picture_list(tmp_path / "list.txt")
    assert [(item.path.name, item.label) for item in listed] == [(name, label)]


def test_pictures_under_names_of_their_kinds_and_under_names_without_an_ending_are_in_the_folder(
    tmp_path: Path,
) -> None:
    for name in ("a.jfif", "b.mpo", "c.JPE", "d.pjpeg"):
        Image.new("RGB", (8, 6), "red").save(tmp_path / name, "JPEG")
    Image.new("RGB", (8, 6), "red").save(tmp_path / "download", "PNG")
    (tmp_path / "README").write_text("P3 is a format, but this is a text")
    os.mkfifo(tmp_path / "pipe")
    assert [item.path.name for item in folder_pictures(tmp_path)] == ["a.jfif", "b.mpo", "c.JPE", "d.pjpeg", "download"]


def test_a_pipe_as_a_list_or_among_the_pictures_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    for name in ("list.txt", "a.jpg"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(ToolboxError, match="not a file but a pipe"):
        read_picture_list(tmp_path / "list.txt")
    Image.new("RGB", (8, 6), (7, 0, 0)).save(tmp_path / "b.png")
    with open_source(str(tmp_path)) as source:
        assert red(source) == 7
        assert source.note == "skipped a.jpg: it is not a file but a pipe, a socket or a device"


def test_a_missing_file_of_a_list_is_skipped_with_a_note(tmp_path: Path, pictures: Path) -> None:  # noqa: ARG001
    (tmp_path / "list.txt").write_text("gone.png 1\npictures/img2.png 2\n")
    with open_source(str(tmp_path / "list.txt")) as source:
        assert red(source) == 2
        assert source.note == "skipped gone.png: no such file"


def test_the_list_of_the_shared_pictures_reads_as_its_file_says(shared: Path) -> None:
    listed = read_picture_list(shared / "images" / "filelist.txt")
    assert len(listed) == 500
    # The file names are WordNet ids, and class indices count the sorted ids.
    assert [item.label for item in sorted(listed, key=lambda item: item.path.name)] == sorted(
        item.label for item in listed if item.label is not None
    )
    assert all(item.path.is_file() for item in listed)
