"""`--fetch` against a local server that stalls, breaks off, lies about the length, serves wrong and hostile files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.folder_lock import LOCK
from deepvis_toolbox.opening.downloads import fetch_download
from deepvis_toolbox.opening.downloads.fetch import fetch_model
from tests.opening.fetch_server import CONTENT, SHA1, Handler, serve_with_ranges


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


def test_the_lock_of_a_run_killed_behind_its_download_goes_with_the_next_one(fetched: Callable) -> None:
    items = [{"url": "SERVER/weights", "sha1": SHA1}]
    folder, _ = fetched(items, weights=serve_with_ranges)
    (folder / LOCK).write_text("process 1")
    assert fetched(items)[1] == ["weights: already here"]
    assert not (folder / LOCK).exists()


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


def test_a_server_that_stalls_is_given_up_and_what_came_is_kept(
    fetched: Callable, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
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
    assert server.asked[-1] == ("/weights", "bytes=1000-")  # type: ignore[attr-defined]


def test_pieces_of_a_length_that_was_not_told_are_kept_too(fetched: Callable, server: ThreadingHTTPServer) -> None:
    def breaks_off(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"1000\r\n" + CONTENT[:0x1000] + b"\r\n1000\r\n" + CONTENT[0x1000:5000])
        handler.close_connection = True
        server.answers["/weights"] = serve_with_ranges  # type: ignore[attr-defined]

    folder, said = fetched([{"url": "SERVER/weights", "sha1": SHA1}], weights=breaks_off)
    assert (folder / "weights").read_bytes() == CONTENT
    assert "weights: the connection broke off; trying again" in said
    assert server.asked[-1] == ("/weights", "bytes=5000-")  # type: ignore[attr-defined]


def test_a_server_that_drips_is_given_up_for_a_mirror(fetched: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_download, "SLOWEST", (20_000, 0.2))
    over = threading.Event()

    def drips(handler: Handler) -> None:
        handler.reply(b"", length=len(CONTENT), ETag='"1"')
        for _ in range(500):
            handler.wfile.write(b"\0")
            if over.wait(0.02):
                return

    item = {"url": "SERVER/drips", "mirrors": ["SERVER/weights"], "file": "w"}
    folder, said = fetched([item], drips=drips, weights=serve_with_ranges)
    over.set()
    assert (folder / "w").read_bytes() == CONTENT
    assert 0 < sum("bytes in 0 seconds; trying again" in line for line in said) < 3 * fetch_download.TRIES


def test_two_versions_of_a_file_are_never_put_together(fetched: Callable, server: ThreadingHTTPServer) -> None:
    def changes(handler: Handler) -> None:  # and gives nothing to know its versions by
        handler.reply(bytes(1000), length=len(CONTENT))
        server.answers["/weights"] = serve_with_ranges  # type: ignore[attr-defined]

    folder, _ = fetched([{"url": "SERVER/weights"}], weights=changes)
    assert (folder / "weights").read_bytes() == CONTENT
    assert server.asked == [("/weights", None), ("/weights", None)]  # type: ignore[attr-defined]


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


def _leads_in_a_circle(handler: Handler) -> None:
    handler.reply(b"", 302, Location="/weights")


def _talks_nonsense(handler: Handler) -> None:
    handler.wfile.write(b"NONSENSE \x1b[31m\r\n" * 50)


@pytest.mark.parametrize("answer", [_leads_in_a_circle, _talks_nonsense])
def test_what_a_strange_server_says_is_told_in_one_line(fetched: Callable, answer: object) -> None:
    with pytest.raises(ToolboxError, match="could not be fetched") as caught:
        fetched([{"url": "SERVER/weights"}], weights=answer)
    assert str(caught.value).isprintable()


def test_an_address_that_is_none_is_named(fetched: Callable) -> None:
    with pytest.raises(ToolboxError, match=r'the address "http://\[::1/w" in the model.yaml is none'):
        fetched([{"url": "http://[::1/w"}])


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


@pytest.mark.parametrize(
    "address", ["file://{}", "FILE://{}", "ftp://127.0.0.1/{}", "data:text/plain,{}", "{}", "//h/{}"]
)
def test_no_other_addresses_are_read_than_http_and_https(fetched: Callable, tmp_path: Path, address: str) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    with pytest.raises(ToolboxError, match="does not begin with http:// or https://"):
        fetched([{"url": address.format(tmp_path / "secret"), "file": "copy"}])
    assert not (tmp_path / "model" / "copy").exists()


def test_a_model_yaml_cannot_write_outside_its_folder(fetched: Callable, tmp_path: Path) -> None:
    for item in ({"url": "SERVER/w", "file": "../../w"}, {"url": "SERVER/w", "unpack": "/tmp/w"}):
        with pytest.raises(ToolboxError, match="outside its folder"):
            fetched([item], w=serve_with_ranges)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_a_model_without_files_to_fetch_says_so() -> None:
    with pytest.raises(ToolboxError, match="no files to fetch"):
        fetch_model("efficientnet-lite0")
    with pytest.raises(ToolboxError, match='did you mean "squeezenet"'):
        fetch_model("squeezenett")
