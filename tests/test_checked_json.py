"""Small files of JSON that stand beside what the program makes: whatever is in them, each reader says what it says of
none at all, or ends with one sentence."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from pydantic import TypeAdapter

from deepvis_toolbox.atlas.site import BUILT, Site
from deepvis_toolbox.checked_json import checked, read_checked
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.pictures.restoring import restored
from deepvis_toolbox.live.pictures.screenshot import METADATA_KEY
from deepvis_toolbox.live.state import View
from deepvis_toolbox.live.view_record import view_record
from deepvis_toolbox.opening.downloads import fetched_files
from deepvis_toolbox.opening.downloads.fetch_download import Download
from deepvis_toolbox.opening.trust import is_trusted, trusted_folders
from deepvis_toolbox.paper.figure import Piece
from deepvis_toolbox.paper.kept_pieces import KeptPieces
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.claim import CLAIM, NetworkIdentity, check_claim, claim_of, is_of
from deepvis_toolbox.words.unit import Unit

ADDRESS = "http://127.0.0.1/a.bin"
IDENTITY = NetworkIdentity("net", "torch", "ab" * 32, {"fc": [1.0, 2.0]})
PIECE = Piece("one", {"seed": 1}, 1.0, lambda _: {})


def _claim(folder: Path) -> object:
    check_claim(folder, lambda: IDENTITY)
    assert is_of(folder, lambda: IDENTITY)
    found = claim_of(folder)
    return found and found.name


def _packed(folder: Path) -> object:
    source, target = UnitImageStore(folder / "source"), UnitImageStore(folder / "target")
    source.write_single("regularized_opt", Unit("fc", 0), "s0000_best_Xpm", np.zeros((8, 8, 3), np.uint8), ".png")
    (folder / "target").mkdir()
    (folder / CLAIM).replace(folder / "target" / CLAIM)
    (folder / "source" / CLAIM).write_text(json.dumps({"name": "n", "engine": "torch", "weights_sha256": "cd"}))
    with pytest.raises(ToolboxError, match="another network"):
        pack(source, target, 8)
    return None


def _trusted(folder: Path) -> object:
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    assert not is_trusted(folder)
    return [str(each.folder) for each in trusted_folders()] or None


def _built(folder: Path) -> object:
    (folder / "kept.txt").write_text("kept")
    site = Site(folder)
    site.finish()
    assert (folder / "kept.txt").exists()
    return None


def _seen(folder: Path) -> object:
    return fetched_files._read(folder / "seen.json") or None


def _resumed(folder: Path) -> object:
    (folder / ".a.bin.partial").write_bytes(b"12345")
    return Download(ADDRESS, folder / "a.bin")._resumable()[0] or None


def _piece(folder: Path) -> object:
    found = KeptPieces(folder, "1", {"name": "net"}).read(PIECE)
    return found and sorted(found)


def _restored(folder: Path) -> object:
    view, _ = restored(folder / "shot.png")
    return view.gamma_index


def _write_shot(path: Path, content: bytes) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(METADATA_KEY, content.decode("utf-8", "replace"))
    Image.new("RGB", (4, 4)).save(path, pnginfo=info)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@dataclass(frozen=True)
class Reader:
    """A file, what is sound in it, who reads it, and what it then says; `None` is said of a file that is not there."""

    file: str
    sound: Any
    read: Callable[[Path], object]
    says: object
    write: Callable[[Path, bytes], None] = _write


READERS = {
    "claim": Reader(CLAIM, {**vars(IDENTITY)}, _claim, "net"),
    "claim of a packed store": Reader(CLAIM, {**vars(IDENTITY)}, _packed, None),
    "trusted folders": Reader("deepvis-toolbox/trusted.json", {"/a": "ab" * 32}, _trusted, ["/a"]),
    "atlas": Reader(BUILT, {"pages/a.html": "ab"}, _built, None),
    "files that were compared": Reader(
        "seen.json", {"a.bin": ["ab" * 32, 5, 6, 7]}, _seen, {"a.bin": ("ab" * 32, 5, 6, 7)}
    ),
    "download": Reader(
        ".a.bin.partial.json",
        {"address": hashlib.sha256(ADDRESS.encode()).hexdigest(), "validator": '"tag"'},
        _resumed,
        5,
    ),
    "piece of a figure": Reader("pieces/figure-1/one.json", None, _piece, ["values"]),
    "screenshot": Reader(
        "shot.png", {"view": view_record(View()), "unit": ""}, _restored, View().gamma_index, _write_shot
    ),
}
NO_JSON = {
    "nothing": b"", "a list": b"[]", "null": b"null", "a word": b'"x"', "cut off": b'{"a": ', "no text": b"\xff\xfe\0",
    "nested deeply": b"[" * 100_000, "nested deeply, whole": b'{"name":' * 5000 + b"1" + b"}" * 5000,
    "nested, a little": b'{"name":' * 90 + b"1" + b"}" * 90, "no number": b'{"name": NaN, "a": NaN}',
    "many digits": b'{"a": ' + b"9" * 10_000 + b"}", "larger than any": b'{"a": 1e999}',
}  # fmt: skip
WRONG = [None, True, -1, 1 << 80, 1.5, "", "../../x", "/x", "\ud800", "x" * 70_000, [], [[]], {}, {"": {}}, [None] * 4]


@pytest.fixture(autouse=True)
def own_configuration_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def _sound(reader: Reader, folder: Path) -> Any:
    """Return what is sound in the file, with what else belongs to it in the folder."""
    if reader.sound is not None:
        return reader.sound
    KeptPieces(folder, "1", {"name": "net"}).keep(PIECE, {"values": np.arange(3.0)})
    return json.loads((folder / reader.file).read_text())


def _said(reader: Reader, folder: Path, content: bytes) -> object:
    """Return what a reader says, None also where it ends with a sentence."""
    reader.write(folder / reader.file, content)
    try:
        return reader.read(folder)
    except ToolboxError:
        return None


@pytest.mark.parametrize("what", READERS)
def test_what_is_sound_is_read(what: str, tmp_path: Path) -> None:
    reader = READERS[what]
    assert _said(reader, tmp_path, json.dumps(_sound(reader, tmp_path)).encode()) == reader.says


@pytest.mark.parametrize("how", NO_JSON)
@pytest.mark.parametrize("what", READERS)
def test_what_is_no_record_counts_as_none(what: str, how: str, tmp_path: Path) -> None:
    _sound(READERS[what], tmp_path)
    assert _said(READERS[what], tmp_path, NO_JSON[how]) is None


@pytest.mark.parametrize("what", [what for what in READERS if what != "screenshot"])
def test_a_wrong_value_anywhere_is_never_taken_for_a_sound_one(what: str, tmp_path: Path) -> None:
    """At each key, and in each list: what is not of its type and range must not be half believed."""
    reader = READERS[what]
    for number, (place, value) in enumerate(
        (place, value) for place in _places(_sound(reader, tmp_path)) for value in WRONG
    ):
        folder = tmp_path / str(number)
        changed = _with(json.loads(json.dumps(_sound(reader, folder))), place, value)
        said = _said(reader, folder, json.dumps(changed).encode())
        assert said in (None, reader.says) or isinstance(value, type(_at(_sound(reader, folder), place))), place


def _places(value: Any) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, each in items for rest in _places(each))]


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _with(value: Any, place: tuple[str | int, ...], new: Any) -> Any:
    if not place:
        return new
    _at(value, place[:-1])[place[-1]] = new
    return value


def test_an_entry_of_an_atlas_that_leads_out_of_it_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    for name in ("../precious", str(tmp_path / "precious"), "a/../../precious", "..\\precious"):
        _write(tmp_path / "site" / BUILT, json.dumps({name: "ab"}).encode())
        with pytest.raises(ToolboxError, match=r"is damaged .*outside of the atlas"):
            Site(tmp_path / "site")
    assert (tmp_path / "precious").exists()


def test_an_answer_that_is_none_leaves_the_names_of_a_claim_in_force(tmp_path: Path) -> None:
    for answer in (3, [1], {"fc": 3}, {"fc": ["a"]}, {"fc": [None]}):
        claim = {"name": "other", "engine": "torch", "weights_sha256": "cd" * 32, "answer": answer}
        (tmp_path / CLAIM).write_text(json.dumps(claim))
        assert not is_of(tmp_path, lambda: IDENTITY)


@pytest.mark.parametrize("validator", [None, 5, ["tag"], "t" * 201, "tag\r\nHost: elsewhere", "täg"])
def test_a_download_does_not_go_on_by_what_no_server_has_said(tmp_path: Path, validator: object) -> None:
    note = {**READERS["download"].sound, "validator": validator}
    assert _said(READERS["download"], tmp_path, json.dumps(note).encode()) is None


def test_a_damaged_claim_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / CLAIM).write_text('{"name": 3, "engine": "torch", "weights_sha256": "ab"}')
    assert claim_of(tmp_path) is None
    assert "is damaged (name: Input should be a valid string): nothing says whose pictures these are" in caplog.text


def test_a_screenshots_metadata_names_what_is_wrong(tmp_path: Path) -> None:
    for content, wanted in ((b"[]", "should be an object"), (b"[" * 90 + b"]" * 90, "nested too deeply")):
        _write_shot(tmp_path / "shot.png", content)
        with pytest.raises(ToolboxError, match=rf"its metadata is damaged: .*{wanted}"):
            restored(tmp_path / "shot.png")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_checked(tmp_path / "large.json", 1 << 20, TypeAdapter(dict[str, str]))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a": true}', '["a"]', '{"a": null}'])
def test_types_are_not_converted(text: str) -> None:
    with pytest.raises(ValueError, match="Input should be"):
        checked(text, TypeAdapter(dict[str, str]))
