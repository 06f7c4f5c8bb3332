"""`--fetch` of archives: unpacked once, beside what is there, and broken ones refused whole."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.opening.downloads import fetch_archive, fetch_archive_entries


def _archive(*members: tuple[str, bytes | str | None]) -> bytes:
    """A .tar.gz of (name, content); content as text is a link's target, None a folder."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            else:
                info.type = tarfile.DIRTYPE if content is None else tarfile.SYMTYPE
                info.linkname = content or ""
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return target.getvalue()


def test_an_archive_is_unpacked_once_and_not_kept(fetched: Callable, server: ThreadingHTTPServer) -> None:
    archive = _archive(("max_im", None), ("max_im/conv1/conv1_0000.jpg", b"picture"), ("./max_im/a", b"more"))
    items = [{"url": "SERVER/units.tar.gz", "unpack": "fetched/unit_images"}]
    folder, said = fetched(items, **{"units.tar.gz": lambda handler: handler.reply(archive)})
    assert (folder / "fetched/unit_images/max_im/conv1/conv1_0000.jpg").read_bytes() == b"picture"
    assert "2 files unpacked" in said[-1]
    assert not (folder / "fetched/units.tar.gz").exists()
    assert "already unpacked" in fetched(items)[1][0]
    assert len(server.asked) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("ok", b"1"), ("../evil", b"2")], "leads out of its folder"),
        ([("ok", b"1"), ("/tmp/evil", b"2")], "leads out of its folder"),
        ([("ok", b"1"), ("a/../../evil", b"2")], "leads out of its folder"),
        ([("ok", b"1"), ("way", "/tmp"), ("way/evil", b"2")], "link or a device"),
        ([("ok", b"1"), ("ok/evil", b"2")], "cannot write|twice"),
        ([("a/" * 2000 + "evil", b"2")], "folders 2001 deep"),
        ([], "empty"),
    ],
)
def test_a_hostile_archive_is_refused_whole(fetched: Callable, tmp_path: Path, members: list, told: str) -> None:
    archive = _archive(*members)
    item = {"url": "SERVER/units.tar.gz", "unpack": "fetched/unit_images"}
    with pytest.raises(ToolboxError, match=told):
        fetched([item], **{"units.tar.gz": lambda handler: handler.reply(archive)})
    assert not (tmp_path / "model/fetched/unit_images").exists()
    assert not list(tmp_path.rglob("*evil*"))


def test_a_broken_archive_is_removed_and_the_next_one_taken(fetched: Callable, tmp_path: Path) -> None:
    archive = _archive(("a", b"1"), ("b", b"2"))
    items = [{"url": "SERVER/units.tar.gz", "unpack": "fetched/unit_images"}]
    with pytest.raises(ToolboxError, match=r"a broken one .*; it was removed, run --fetch again"):
        fetched(items, **{"units.tar.gz": lambda handler: handler.reply(archive[:-30])})
    assert not (tmp_path / "model/fetched/units.tar.gz").exists()
    folder, _ = fetched(items, **{"units.tar.gz": lambda handler: handler.reply(archive)})
    assert (folder / "fetched/unit_images/b").read_bytes() == b"2"


def test_a_broken_archive_that_a_user_put_there_is_left(fetched: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "model/fetched/units.tar.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(_archive(("a", b"1"))[:-30])
    with pytest.raises(ToolboxError, match=r"a broken one .*; remove it and run --fetch again"):
        fetched([{"url": "SERVER/units.tar.gz", "unpack": "fetched/unit_images"}])
    assert mine.exists()


def test_an_archive_that_grows_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar.gz").write_bytes(_archive(*((f"{i}", b"12345") for i in range(30))))
    monkeypatch.setattr(fetch_archive_entries, "LARGEST_BYTES", 100)
    with pytest.raises(ToolboxError, match="holds more than"):
        fetch_archive.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 6 << 30  # a header of 6 GiB
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    with pytest.raises(ToolboxError, match="too large a header"):
        fetch_archive.unpack(tmp_path / "b.tar.gz", tmp_path / "out")


@pytest.mark.parametrize("kept", [10, 60, -30])
def test_a_broken_archive_is_an_error_of_one_sentence(tmp_path: Path, kept: int) -> None:
    (tmp_path / "a.tar.gz").write_bytes(_archive(*((f"{i}", bytes([i])) for i in range(30)))[:kept])
    with pytest.raises(ToolboxError, match=r"a\.tar\.gz"):
        fetch_archive.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


ITEM = {"url": "SERVER/a.tar", "unpack": "fetched/unit_images"}


def _serve(archive: bytes) -> dict[str, Callable]:
    return {"a.tar": lambda handler: handler.reply(archive)}


def test_what_is_in_the_folder_already_stays_and_nothing_is_moved_beside_it(fetched: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "model/fetched/unit_images"
    (folder / "conv1").mkdir(parents=True)
    (folder / "conv1" / "b").write_bytes(b"mine")
    with pytest.raises(ToolboxError, match=r"conv1/b\" is there already, and not what the archive holds"):
        fetched([ITEM], **_serve(_archive(("a", b"1"), ("conv1/b", b"2"), ("z", b"3"))))
    assert [path.name for path in folder.iterdir()] == ["conv1"]
    assert (folder / "conv1" / "b").read_bytes() == b"mine"


def test_a_run_that_was_killed_while_it_moved_the_files_is_gone_on_with(fetched: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "model/fetched/unit_images"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"1")
    (folder.parent / ".unpacking-left" / "b").mkdir(parents=True)
    fetched([ITEM], **_serve(_archive(("a", b"1"), ("b", b"2"))))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"1", "b": b"2"}
    assert [path.name for path in folder.parent.glob(".*")] == []


def test_an_archive_that_a_user_put_there_is_unpacked_and_left(fetched: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "model/fetched/a.tar"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(_archive(("a", b"1")))
    folder, _ = fetched([ITEM])
    assert (folder / "fetched/unit_images/a").read_bytes() == b"1"
    assert mine.exists()


def test_files_are_written_through_no_link_inside_the_folder(fetched: Callable, tmp_path: Path) -> None:
    folder, outside = tmp_path / "model/fetched/unit_images", tmp_path / "outside"
    folder.mkdir(parents=True)
    outside.mkdir()
    (folder / "conv1").symlink_to(outside)
    (folder / "way").symlink_to(outside / "b")
    for members in ([("conv1/deeper/a", b"1")], [("conv1/a", b"1")], [("conv1", None)], [("way", b"2")]):
        with pytest.raises(ToolboxError, match="is there already, and not what the archive holds"):
            fetched([ITEM], **_serve(_archive(*members)))
    assert list(outside.iterdir()) == []


def test_the_last_of_two_files_of_one_name_is_taken_as_every_tar_program_does(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(_archive(("a", b"1"), ("a", b"2")))
    fetch_archive.unpack(tmp_path / "a.tar", tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"2"


def test_an_archive_that_the_disk_cannot_hold_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar").write_bytes(_archive(("a", bytes(2_000_000))))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(ToolboxError, match="lacks 1 MB"):
        fetch_archive.unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()
