"""`--fetch` against a local server that stalls, breaks off, lies about the length, serves wrong and hostile files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.caffe import fetch_archive, fetch_download
from deepvis_toolbox.caffe.fetch import fetch_model

CONTENT = bytes(range(256)) * 3000
SHA1 = hashlib.sha1(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves what the test put into `server.answers`: {path: function(handler)}; notes what was asked."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))  # type: ignore[attr-defined]
        answer = self.server.answers.get(self.path)  # type: ignore[attr-defined]
        if answer is None:
            self.send_error(404)
        else:
            answer(self)

    def reply(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def serve_with_ranges(handler: Handler) -> None:
    start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
    if start >= len(CONTENT):
        handler.reply(b"", 416)
    elif start:
        handler.reply(CONTENT[start:], 206, Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    else:
        handler.reply(CONTENT, ETag='"1"')


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(fetch_download, "SECONDS_WITHOUT_DATA", 0.4)
    monkeypatch.setattr(fetch_download, "SECONDS_BETWEEN_TRIES", 0.01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.answers, server.asked = {}, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetched(server: ThreadingHTTPServer, tmp_path: Path) -> Callable[..., tuple[Path, list[str]]]:
    """fetched(path=answer, …, items=[…]) runs --fetch; gives the model's folder and what was said."""
    folder = tmp_path / "model"
    folder.mkdir()

    def run(items: list[dict[str, object]], **answers: object) -> tuple[Path, list[str]]:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        server.answers.update({f"/{name}": answer for name, answer in answers.items()})  # type: ignore[attr-defined]
        listed = [{name: _placed(value, address) for name, value in item.items()} for item in items]
        description = {"framework": "caffe", "prototxt": "deploy.prototxt", "fetch": listed}
        (folder / "model.yaml").write_text(yaml.safe_dump(description))
        said: list[str] = []
        fetch_model(str(folder / "model.yaml"), said.append)
        return folder, said

    return run


def _placed(value: object, address: str) -> object:
    if isinstance(value, list):
        return [_placed(one, address) for one in value]
    return value.replace("SERVER", address) if isinstance(value, str) else value


def _no_leftovers(folder: Path) -> None:
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not any("partial" in name for name in names), names


def test_a_file_is_fetched_checked_and_not_fetched_again(fetched: Callable, server: ThreadingHTTPServer) -> None:
    items = [{"url": "SERVER/weights", "file": "a.caffemodel", "sha1": SHA1, "bytes": len(CONTENT)}]
    folder, said = fetched(items, weights=serve_with_ranges)
    assert (folder / "a.caffemodel").read_bytes() == CONTENT
    assert said == [f"a.caffemodel: fetched, SHA-256 {hashlib.sha256(CONTENT).hexdigest()}"]
    assert fetched(items)[1] == ["a.caffemodel: already here"]
    assert len(server.asked) == 1  # type: ignore[attr-defined]
    _no_leftovers(folder)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(fetched: Callable, server: ThreadingHTTPServer) -> None:
    def breaks_off_once(handler: Handler) -> None:
        if handler.headers.get("Range"):
            serve_with_ranges(handler)
        else:
            handler.reply(CONTENT[:500_000], length=len(CONTENT), ETag='"1"')

    folder, said = fetched([{"url": "SERVER/weights", "sha1": SHA1}], weights=breaks_off_once)
    assert (folder / "weights").read_bytes() == CONTENT
    assert server.asked == [("/weights", None), ("/weights", "bytes=500000-")]  # type: ignore[attr-defined]
    assert "broke off after 500000 of 768000 bytes; trying again" in said[0]
    _no_leftovers(folder)


def test_a_server_that_stalls_is_given_up_and_what_came_is_kept(fetched: Callable, tmp_path: Path) -> None:
    hold = threading.Event()

    def stalls(handler: Handler) -> None:
        handler.reply(CONTENT[:1000], length=len(CONTENT))
        handler.wfile.flush()
        hold.wait(20)

    with pytest.raises(ToolboxError, match="sent nothing for 0 seconds") as caught:
        fetched([{"url": "SERVER/weights", "sha1": SHA1}], weights=stalls)
    hold.set()
    assert f"put it at {tmp_path / 'model' / 'weights'}" in str(caught.value)
    folder, _ = fetched([{"url": "SERVER/weights", "sha1": SHA1}], weights=serve_with_ranges)
    assert (folder / "weights").read_bytes() == CONTENT


def test_a_server_that_lies_about_the_length_is_found_out(fetched: Callable) -> None:
    def says_more(handler: Handler) -> None:
        handler.reply(CONTENT, length=len(CONTENT) + 5)

    with pytest.raises(ToolboxError, match="broke off after 768000 of 768005 bytes"):
        fetched([{"url": "SERVER/weights"}], weights=says_more)
    with pytest.raises(ToolboxError, match="has 768000 bytes, the published one 77"):
        fetched([{"url": "SERVER/other", "bytes": 77}], other=serve_with_ranges)


def test_a_wrong_file_is_refused_and_the_next_mirror_tried(fetched: Callable) -> None:
    item = {"url": "SERVER/wrong", "mirrors": ["SERVER/dead", "SERVER/weights"], "file": "w", "sha1": SHA1}
    folder, _ = fetched([item], wrong=lambda handler: handler.reply(b"something else"), weights=serve_with_ranges)
    assert (folder / "w").read_bytes() == CONTENT
    with pytest.raises(ToolboxError, match="not the published file"):
        fetched([{**item, "file": "v", "mirrors": []}])
    with pytest.raises(ToolboxError, match="web page"):
        fetched([{"url": "SERVER/page", "file": "p"}], page=lambda handler: handler.reply(b"<!DOCTYPE html><p>sign in"))
    assert not (folder / "v").exists()
    assert not (folder / "p").exists()
    _no_leftovers(folder)


def test_a_dead_address_is_told_with_what_to_do_and_the_others_are_fetched(fetched: Callable, tmp_path: Path) -> None:
    items = [{"url": "http://127.0.0.1:1/weights"}, {"url": "SERVER/missing"}, {"url": "SERVER/mean.npy"}]
    with pytest.raises(ToolboxError) as caught:
        fetched(items, **{"mean.npy": serve_with_ranges})
    message = str(caught.value)
    assert "http://127.0.0.1:1/weights: the address cannot be reached (Connection refused)" in message
    assert "answers 404" in message
    assert message.count("get it by hand, put it at") == 2
    assert (tmp_path / "model" / "mean.npy").read_bytes() == CONTENT


def test_without_a_published_hash_the_first_one_is_remembered(fetched: Callable) -> None:
    items = [{"url": "SERVER/weights"}]
    folder, _ = fetched(items, weights=serve_with_ranges)
    recorded = json.loads((folder / "fetched" / "hashes.json").read_text())
    assert recorded["weights"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    (folder / "weights").write_bytes(b"changed")
    with pytest.raises(ToolboxError, match="not the file that was fetched the first time"):
        fetched(items)
    (folder / "weights").unlink()
    with pytest.raises(ToolboxError, match="not the file that was fetched the first time"):
        fetched(items, weights=lambda handler: handler.reply(b"another file"))
    assert not (folder / "weights").exists()


def test_a_file_that_a_user_put_there_is_checked_and_never_overwritten(fetched: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "model" / "weights"
    mine.write_bytes(b"mine")
    with pytest.raises(ToolboxError, match="move it away"):
        fetched([{"url": "SERVER/weights", "sha1": SHA1}], weights=serve_with_ranges)
    assert mine.read_bytes() == b"mine"


def test_files_are_copied_from_a_file_address(fetched: Callable, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(CONTENT)
    folder, _ = fetched([{"url": (tmp_path / "here").as_uri(), "sha1": SHA1}])
    assert (folder / "here").read_bytes() == CONTENT
    with pytest.raises(ToolboxError, match="cannot be reached"):
        fetched([{"url": (tmp_path / "nowhere").as_uri()}])
    with pytest.raises(ToolboxError, match="does not begin with"):
        fetched([{"url": "ftp://127.0.0.1/weights"}])


def test_a_model_yaml_cannot_write_outside_its_folder(fetched: Callable, tmp_path: Path) -> None:
    for item in ({"url": "SERVER/w", "file": "../../w"}, {"url": "SERVER/w", "unpack": "/tmp/w"}):
        with pytest.raises(ToolboxError, match="outside its folder"):
            fetched([item], w=serve_with_ranges)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


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
        ([], "empty"),
    ],
)
def test_a_hostile_archive_is_refused_whole(fetched: Callable, tmp_path: Path, members: list, told: str) -> None:
    archive = _archive(*members)
    item = {"url": "SERVER/units.tar.gz", "unpack": "fetched/unit_images"}
    with pytest.raises(ToolboxError, match=told):
        fetched([item], **{"units.tar.gz": lambda handler: handler.reply(archive)})
    assert not list((tmp_path / "model/fetched/unit_images").iterdir())
    assert not list(tmp_path.rglob("*evil*"))


def test_an_archive_that_grows_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar.gz").write_bytes(_archive(*((f"{i}", b"12345") for i in range(30))))
    monkeypatch.setattr(fetch_archive, "LARGEST_BYTES", 100)
    with pytest.raises(ToolboxError, match="holds more than"):
        fetch_archive.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 6 << 30  # a header of 6 GiB
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    with pytest.raises(ToolboxError, match=r"not an honest archive|broken one"):
        fetch_archive.unpack(tmp_path / "b.tar.gz", tmp_path / "out")


@pytest.mark.parametrize("kept", [10, 60, -30])
def test_a_broken_archive_is_an_error_of_one_sentence(tmp_path: Path, kept: int) -> None:
    (tmp_path / "a.tar.gz").write_bytes(_archive(*((f"{i}", bytes([i])) for i in range(30)))[:kept])
    with pytest.raises(ToolboxError, match=r"a\.tar\.gz"):
        fetch_archive.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_model_without_files_to_fetch_says_so() -> None:
    with pytest.raises(ToolboxError, match="no files to fetch"):
        fetch_model("efficientnet-lite0")
    with pytest.raises(ToolboxError, match='did you mean "squeezenet"'):
        fetch_model("squeezenett")
