"""What a user writes after --input opens the right kind of source, or is answered with one sentence."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import picture_process
from deepvis_toolbox.sources.capture import open_video
from deepvis_toolbox.sources.kinds import camera as camera_module
from deepvis_toolbox.sources.kinds import clipboard as clipboard_module
from deepvis_toolbox.sources.kinds import screen as screen_module
from deepvis_toolbox.sources.kinds import standard_input as standard_input_module
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.registry import SOURCES
from deepvis_toolbox.sources.source import Source

KINDS = tuple(SOURCES.values())


@pytest.fixture
def examples(tmp_path: Path, pictures: Path, video: Path, motion_jpeg, camera, monkeypatch) -> dict[str, str]:
    """What is written for each kind, by the kind's form. A new kind needs a line here."""
    monkeypatch.setattr(camera_module, "open_camera", camera.open)
    shown = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    monkeypatch.setattr(screen_module, "_grabbed", lambda box: shown if box is None else shown[:40, :50].copy())
    monkeypatch.setattr(clipboard_module, "copied_picture", lambda: shown)
    monkeypatch.setattr(standard_input_module, "_check_there_is_something", lambda: None)
    monkeypatch.setattr(standard_input_module, "open_standard_input", lambda: open_video(str(video)))
    (tmp_path / "list.txt").write_text("pictures/img2.png 7\npictures/img1.png 3\n")
    return {
        "camera:0": "camera:0",
        "demo": "demo",
        "FOLDER": str(pictures),
        "LIST.txt": str(tmp_path / "list.txt"),
        "PICTURE": str(pictures / "img1.png"),
        "VIDEO": str(video),
        "URL": motion_jpeg.url,
        "screen:X,Y,WIDTH,HEIGHT": "screen:0,0,50,40",
        "clipboard": "clipboard",
        "-": "-",
        "pair:FIRST+SECOND": f"pair:{pictures}+{video}",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_says_how_it_is_written(kind: type[Source]) -> None:
    assert kind.form
    assert kind.meaning
    assert "\n" not in kind.form + kind.meaning
    assert f"{kind.form}: {kind.meaning}" in SOURCES.listed()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_is_opened_by_its_form_and_claimed_by_no_other(kind: type[Source], examples: dict[str, str]) -> None:
    text = examples[kind.form]
    assert [other for other in KINDS if other.claims(text)] == [kind]
    with open_source(text) as source:
        assert isinstance(source, kind)


@pytest.mark.parametrize("realtime", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_delivers_rgb_frames_that_count_from_zero(
    kind: type[Source], realtime: bool, examples: dict[str, str]
) -> None:
    with open_source(examples[kind.form], SourceOptions(realtime=realtime)) as source:
        frames = [source.read() for _ in range(3)]
        assert source.name
        assert source.note == ""
        assert not source.ended
    for number, frame in enumerate(frames):
        assert frame is not None
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert frame.image.flags.c_contiguous
        assert frame.info.is_still == source.is_still
        assert frame.info.number == (0 if source.is_still else number)
        assert frame.info.source


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_moves_or_says_that_it_cannot_and_closes_twice(kind: type[Source], examples: dict[str, str]) -> None:
    source = open_source(examples[kind.form], SourceOptions(realtime=False))
    assert source.read() is not None
    for move in (source.next, source.previous, source.next):
        assert move() in (True, False)
        assert source.read() is not None
    source.close()
    source.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_can_be_interrupted_from_another_thread(kind: type[Source], examples: dict[str, str]) -> None:
    with open_source(examples[kind.form]) as source:
        source.read()
        reader = threading.Thread(target=source.read)
        reader.start()
        source.interrupt()
        reader.join(2)
        assert not reader.is_alive()


def test_the_words_win_over_a_folder_of_the_same_name(tmp_path: Path, monkeypatch, pictures: Path) -> None:
    monkeypatch.chdir(tmp_path)
    pictures.rename(tmp_path / "demo")
    assert type(open_source("demo")).__name__ == "DemoSource"
    assert type(open_source("./demo")).__name__ == "FolderSource"


def test_the_home_folder_may_be_written_short(pictures: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(pictures.parent))
    assert open_source("~/pictures").name == "folder pictures"


def test_a_picture_is_known_by_its_content_where_its_name_says_nothing(pictures: Path) -> None:
    unnamed = pictures / "download"
    unnamed.write_bytes((pictures / "img10.png").read_bytes())
    frame = open_source(str(unnamed)).read()
    assert frame is not None
    assert frame.image[0, 0, 0] == 10


def refuse(text: str) -> str:
    begin = time.monotonic()
    with pytest.raises(ToolboxError) as caught:
        open_source(text)
    assert time.monotonic() - begin < 3
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("dmeo", 'did you mean "demo"'),
        ("0", "camera:0"),
        ("camera:first", "with the camera's number"),
        ("camera:/dev/no-such-video", "there is no /dev/no-such-video"),
        ("htp://host/x", 'did you mean "http"'),
        ("gopher://host/x", "known: http, https, rtsp"),
        ("file:///tmp/x.png", "without file://"),
        ("http://", "names no host"),
        ("http://[::1/x", "not a valid URL"),
        ("http://host:99999/", "not a valid URL"),
        ("/no/such/folder/x.png", 'there is no folder "/no/such/folder"'),
        ("/dev/null", "neither a file nor a folder"),
        ("a\0b", "there is no file"),
        ("x" * 5000, "there is no file"),
    ],
)
def test_wrong_inputs_get_one_sentence(text: str, says: str) -> None:
    assert says in refuse(text)


def test_a_missing_file_is_answered_with_the_nearest_name(pictures: Path) -> None:
    assert 'did you mean "img10.png"' in refuse(str(pictures / "im10.png"))


def test_a_broken_picture_is_an_error_when_it_was_asked_for_by_name(pictures: Path) -> None:
    (pictures / "broken.png").write_bytes((pictures / "img1.png").read_bytes()[:30])
    assert "broken.png cannot be read as a picture" in refuse(str(pictures / "broken.png"))


@pytest.mark.parametrize("content", [b"", b"no video at all", os.urandom(5000)])
@pytest.mark.parametrize("name", ["clip.mp4", "clip", "clip.avi"])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert str(tmp_path / name) in refuse(str(tmp_path / name))


def test_a_folder_without_pictures_points_to_the_folders_in_it(tmp_path: Path) -> None:
    assert "holds no pictures" in refuse(str(tmp_path))
    (tmp_path / "n01440764").mkdir()
    assert str(tmp_path / "n01440764") in refuse(str(tmp_path))


LISTS: dict[str, tuple[bytes, str]] = {
    "names nothing": (b"# only a remark\n\n", "names no pictures"),
    "binary": (bytes(range(128, 256)), "not a text file"),
    "zero byte": (b"a.png\0\n", "line 1"),
    "negative class": (b"# list\npictures/img1.png -4\n", "line 2: the class index -4"),
    "wrong folder": (b"img1.png\nimg2.png 3\n", "relative to the list's own folder"),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_wrong_list_is_refused_with_its_line(tmp_path: Path, pictures: Path, case: str) -> None:  # noqa: ARG001
    content, says = LISTS[case]
    (tmp_path / "list.txt").write_bytes(content)
    assert says in refuse(str(tmp_path / "list.txt"))


def test_what_may_not_be_read_says_so(tmp_path: Path, video: Path, pictures: Path, monkeypatch) -> None:
    """As root every file can be read, so the operating system's answer is put in by hand."""

    def denied(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(picture_process, "IS_POSSIBLE", False)  # another process would not get this answer
    (tmp_path / "list.txt").write_text("x.png")
    for place, text in ((Path, video), (os, tmp_path / "list.txt"), (os, pictures / "img1.png")):
        with monkeypatch.context() as patch:
            patch.setattr(place, "open", denied)
            assert "ermission" in refuse(str(text))


def test_no_two_kinds_share_a_form() -> None:
    assert all(a.form != b.form for a, b in itertools.combinations(KINDS, 2))
