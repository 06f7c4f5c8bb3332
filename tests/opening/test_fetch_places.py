"""Where `--fetch` writes: through no link, over nothing of the user's, and never twice at a time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.folder_lock import LOCK, FolderLock
from deepvis_toolbox.opening.downloads.fetch import fetch_model
from tests.opening.fetch_server import CONTENT, Handler, serve_with_ranges

Fetched = Callable[..., tuple[Path, list[str]]]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user's, with a file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    return folder


def _is_untouched(outside: Path) -> bool:
    return [path.name for path in outside.iterdir()] == ["mine"] and (outside / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("link", "target", "item"),
    [
        ("weights", "nowhere", {}),
        (".weights.partial", "mine", {}),
        (".weights.partial.json", "mine", {}),
        (".weights.partial", "nowhere", {}),
        ("fetched", ".", {}),
        ("fetched/hashes.json", "mine", {}),
        ("fetched/hashes.json", "nowhere", {}),
        (LOCK, "mine", {}),
        (LOCK, "nowhere", {}),
        ("folder", ".", {"file": "folder/weights"}),
        ("folder", ".", {"file": "folder/deeper/weights"}),
        ("folder", ".", {"file": "a.tar", "unpack": "folder"}),
        ("folder", ".", {"file": "a.tar", "unpack": "folder/deeper"}),
    ],
)
def test_nothing_is_written_through_a_link(
    fetched: Fetched, tmp_path: Path, outside: Path, link: str, target: str, item: dict[str, str]
) -> None:
    place = tmp_path / "model" / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside / target)
    with pytest.raises(ToolboxError, match=r"link|in the way|cannot be read|broken"):
        fetched([{"url": "SERVER/weights", **item}], weights=serve_with_ranges)
    assert _is_untouched(outside)
    assert place.is_symlink()


@pytest.mark.parametrize("shape", ["folder", "pipe", "hard link", "no download's"])
def test_what_lies_where_a_partial_file_goes_is_left(
    fetched: Fetched, tmp_path: Path, outside: Path, shape: str
) -> None:
    place = tmp_path / "model" / ".weights.partial"
    if shape == "folder":
        place.mkdir()
    elif shape == "pipe":
        os.mkfifo(place)
    elif shape == "hard link":
        place.with_name(".weights.partial.json").write_text("{}")
        place.hardlink_to(outside / "mine")
    else:
        place.write_text("mine")
    with pytest.raises(ToolboxError, match=r"weights.partial\" is in the way, and is no broken-off download"):
        fetched([{"url": "SERVER/weights"}], weights=serve_with_ranges)
    assert _is_untouched(outside)
    assert shape != "no download's" or place.read_text() == "mine"


@pytest.mark.parametrize("shape", ["folder", "pipe"])
def test_what_is_no_file_is_neither_read_nor_replaced(fetched: Fetched, tmp_path: Path, shape: str) -> None:
    place = tmp_path / "model" / "weights"
    place.mkdir() if shape == "folder" else os.mkfifo(place)
    with pytest.raises(ToolboxError, match=r"it cannot be read: .*; move it away"):
        fetched([{"url": "SERVER/weights"}], weights=serve_with_ranges)
    assert place.is_dir() or place.is_fifo()


def test_a_file_that_comes_while_another_is_fetched_is_left(fetched: Fetched, tmp_path: Path) -> None:
    mine = tmp_path / "model" / "weights"

    def slow(handler: Handler) -> None:
        mine.write_text("mine")
        serve_with_ranges(handler)

    with pytest.raises(ToolboxError, match=r'weights" is there by now'):
        fetched([{"url": "SERVER/weights"}], weights=slow)
    assert mine.read_text() == "mine"


def test_a_users_link_to_a_file_is_checked_and_left(fetched: Fetched, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "model" / "weights").symlink_to(outside / "mine")
    folder, said = fetched([{"url": "SERVER/weights"}])
    assert said == ["weights: already here"]
    assert (folder / "weights").is_symlink()
    assert _is_untouched(outside)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../w", "outside its folder"),
        ("a/../../w", "outside its folder"),
        ("/tmp/w", "outside its folder"),
        ("fetched/hashes.json", "where the hashes are kept"),
        (".in_use", "begins with a dot"),
        ("a\x1b[31m", r"a\\x1b\[31m\": the name holds a character"),
        ("a\u202etxt.exe", r"a\\u202etxt.exe\": the name holds a character"),
        ("a\nb", r"a\\nb\": the name holds a character"),
        ("w" * 300, "the name is too long"),
        ("a/" * 60 + "w", "folders 61 deep"),
    ],
)
def test_names_that_are_not_plain_are_refused(fetched: Fetched, tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(ToolboxError, match=told) as caught:
        fetched([{"url": "SERVER/w", "file": name}], w=serve_with_ranges)
    assert str(caught.value).isprintable()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.yaml"]


def test_a_name_in_the_address_is_held_to_the_same(fetched: Fetched, tmp_path: Path) -> None:
    for address, told in [
        ("SERVER/a%1b%5b31m", "character"),
        ("SERVER/..%2f..%2fw%00", "character"),
        ("SERVER/%2e%2e", "does not end in a file name"),
    ]:
        with pytest.raises(ToolboxError, match=told):
            fetched([{"url": address}])
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.yaml"]


def test_one_run_at_a_time_fetches_a_models_files(fetched: Fetched, tmp_path: Path) -> None:
    """The second one says so at once; what is there already is told without a lock."""
    asked, go_on = threading.Event(), threading.Event()

    def waits(handler: Handler) -> None:
        asked.set()
        go_on.wait(20)
        serve_with_ranges(handler)

    first = threading.Thread(target=lambda: fetched([{"url": "SERVER/weights"}], weights=waits))
    first.start()
    assert asked.wait(20)
    with pytest.raises(ToolboxError, match=rf"another run is writing to .*process {os.getpid()} on"):
        fetch_model(str(tmp_path / "model" / "model.yaml"), lambda _: None)
    go_on.set()
    first.join()
    assert (tmp_path / "model" / "weights").read_bytes() == CONTENT
    assert not (tmp_path / "model" / LOCK).exists()
    with FolderLock(tmp_path / "model"):
        assert fetched([{"url": "SERVER/weights"}])[1] == ["weights: already here"]


def test_a_lock_is_never_taken_through_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / LOCK).symlink_to(outside / "mine")
    with pytest.raises(ToolboxError, match="nothing is written through links"):
        FolderLock(tmp_path)
    assert _is_untouched(outside)


def test_files_of_one_name_in_two_folders_have_a_hash_each(fetched: Fetched) -> None:
    items = [{"url": "SERVER/a", "file": "a/w"}, {"url": "SERVER/b", "file": "b/w"}]
    answers = {"a": serve_with_ranges, "b": lambda handler: handler.reply(b"another")}
    folder, _ = fetched(items, **answers)
    assert set(json.loads((folder / "fetched" / "hashes.json").read_text())) == {"a/w", "b/w"}
    assert fetched(items)[1] == ["a/w: already here", "b/w: already here"]
    (folder / "b" / "w").write_bytes(CONTENT)
    with pytest.raises(ToolboxError, match="not the file that was fetched the first time"):
        fetched(items)


def test_a_record_that_is_none_is_told(fetched: Fetched, tmp_path: Path) -> None:
    place = tmp_path / "model" / "fetched" / "hashes.json"
    place.parent.mkdir()
    for text in ("[]", "{", '{"weights": 3}', '{"weights": {}}', "x" * (5 << 20)):
        place.write_text(text)
        if text == "[]":
            continue
        with pytest.raises(ToolboxError, match=r"hashes\.json is broken; remove it"):
            fetched([{"url": "SERVER/weights"}], weights=serve_with_ranges)
