"""A file that was fetched and is another one when it is opened is refused; its hash is compared once for each state."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.opening.downloads import fetched_files
from deepvis_toolbox.opening.downloads.fetch import fetch_model
from tests.caffe.random_weights import write_random_weights
from tests.opening.fetch_server import Handler

PROTOTXT = """
name: "tiny"
input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }
"""


@pytest.fixture
def model(fetched: Callable, tmp_path: Path) -> Path:
    """The folder of a tiny network whose three files were fetched an hour ago."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "deploy.prototxt").write_text(PROTOTXT)
    write_random_weights(source / "deploy.prototxt", source / "w.caffemodel")
    (source / "labels.txt").write_text("one\ntwo\n")

    def serving(path: Path) -> Callable[[Handler], None]:
        return lambda handler: handler.reply(path.read_bytes())

    names = [path.name for path in source.iterdir()]
    folder, _ = fetched(
        [{"url": f"SERVER/{name}"} for name in names], **{name: serving(source / name) for name in names}
    )
    description = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(
        yaml.safe_dump({**description, "weights": "w.caffemodel", "labels": "labels.txt"})
    )
    for name in names:
        make_older(folder / name)
    return folder


def make_older(path: Path) -> None:
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - 3600 * 10**9))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were hashed."""
    found: list[str] = []
    hashes_of = fetched_files.hashes_of
    monkeypatch.setattr(fetched_files, "hashes_of", lambda path: (found.append(path.name), hashes_of(path))[1])
    return found


def opens(model: Path) -> None:
    assert "conv" in load_network(str(model)).layers


def test_what_was_fetched_opens_and_is_hashed_once(model: Path, hashed: list[str]) -> None:
    opens(model)
    assert sorted(hashed) == ["deploy.prototxt", "labels.txt", "w.caffemodel"]
    opens(model)
    assert len(hashed) == 3
    os.utime(model / "w.caffemodel", (1, 1))
    opens(model)
    assert hashed[3:] == ["w.caffemodel"]
    opens(model)
    assert len(hashed) == 4


@pytest.mark.parametrize("name", ["w.caffemodel", "deploy.prototxt", "labels.txt"])
@pytest.mark.parametrize("was_opened", [True, False])
def test_a_file_with_another_content_is_refused(model: Path, name: str, was_opened: bool) -> None:
    if was_opened:
        opens(model)
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(ToolboxError, match=rf"{name} is not the file that was fetched .*run --fetch again") as told:
        load_network(str(model))
    assert "\n" not in str(told.value)
    with pytest.raises(ToolboxError, match="move it away"):
        fetch_model(str(model))
    content[-1] ^= 1
    (model / name).write_bytes(content)
    opens(model)


def test_a_file_that_is_put_in_its_place_is_refused(model: Path) -> None:
    opens(model)
    state = (model / "labels.txt").stat()
    other = model / "other"
    other.write_text("two\none\n")
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(model / "labels.txt")
    with pytest.raises(ToolboxError, match=r"labels\.txt is not the file that was fetched"):
        load_network(str(model))


def test_what_was_changed_just_now_is_hashed_again(model: Path, hashed: list[str]) -> None:
    os.utime(model / "labels.txt")
    opens(model)
    opens(model)
    assert hashed.count("labels.txt") == 2


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"w.caffemodel": 5, "labels.txt": ["x"]}', "[" * 9999, None, "link"]
)
def test_a_broken_note_is_as_good_as_none(model: Path, content: str | None, hashed: list[str]) -> None:
    seen = model / "fetched" / "seen.json"
    if content is None:
        seen.mkdir()
    elif content == "link":
        seen.symlink_to(model.parent / "elsewhere")
    else:
        seen.write_text(content)
    opens(model)
    assert len(hashed) == 3
    assert not (model.parent / "elsewhere").exists()


def test_without_the_record_a_file_is_taken_as_it_is(model: Path, hashed: list[str]) -> None:
    (model / "fetched" / "hashes.json").unlink()
    (model / "labels.txt").write_text("three\nfour\n")
    opens(model)
    assert not hashed


def test_a_broken_record_is_told(model: Path) -> None:
    (model / "fetched" / "hashes.json").write_text("{")
    with pytest.raises(ToolboxError, match=r"hashes\.json is broken; remove it"):
        load_network(str(model))


def test_other_files_of_the_folder_are_not_looked_at(model: Path, hashed: list[str]) -> None:
    (model / "labels.txt").rename(model / "mine.txt")
    description = yaml.safe_load((model / "model.yaml").read_text())
    (model / "model.yaml").write_text(yaml.safe_dump({**description, "labels": "mine.txt"}))
    opens(model)
    assert "mine.txt" not in hashed


def test_a_model_yaml_cannot_fetch_the_note(fetched: Callable) -> None:
    with pytest.raises(ToolboxError, match="where the hashes are kept"):
        fetched([{"url": "SERVER/w", "file": "fetched/seen.json"}], w=lambda handler: handler.reply(b"{}"))
