"""`--fetch` from servers that mean harm: every phase ends, nothing but http and https is followed, passwords stay."""

from __future__ import annotations

import base64
import hashlib
import itertools
import socket
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.opening.downloads import fetch_connection, fetch_download
from tests.opening.fetch_server import CONTENT, SHA1, Handler, serve_with_ranges
from tests.sources.certificates import TlsServer

Fetched = Callable[..., tuple[Path, list[str]]]
SHORT = 0.3


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECONDS_TO_CONNECT", "SECONDS_TO_ANSWER", "SECONDS_FOR_A_PIECE"):
        monkeypatch.setattr(fetch_connection, name, SHORT)
    monkeypatch.setattr(fetch_download, "TRIES", 2)


def _drip(handler: Handler, pieces: bytes) -> None:
    """Sends one byte after the other, over and over, each long before a server counts as stalled."""
    pause = threading.Event()
    try:
        for byte in itertools.cycle(pieces):
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            pause.wait(0.02)
    except OSError:
        handler.close_connection = True


def _begin_chunks(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def _endless_header_line(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    _drip(handler, b"x")


def _endless_headers(handler: Handler) -> None:
    _drip(handler, b"HTTP/1.1 100 Continue\r\n\r\n")


def _endless_status_line(handler: Handler) -> None:
    _drip(handler, b"H")


def _endless_chunk_line(handler: Handler) -> None:
    _begin_chunks(handler)
    handler.wfile.write(b"1000;")
    _drip(handler, b"x")


def _endless_trailers(handler: Handler) -> None:
    _begin_chunks(handler)
    handler.wfile.write(b"4\r\nabcd\r\n0\r\n")
    _drip(handler, b"X: y\r\n")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_endless_status_line, "the server's answer took longer than 0 seconds"),
        (_endless_header_line, "the server's answer took longer than 0 seconds"),
        (_endless_headers, "the server's answer took longer than 0 seconds"),
        (_endless_chunk_line, "a piece of the file took longer than 0 seconds"),
        (_endless_trailers, "a piece of the file took longer than 0 seconds"),
    ],
)
def test_no_phase_of_a_connection_goes_on_for_ever(fetched: Fetched, answer: object, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        fetched([{"url": "SERVER/weights"}], weights=answer)


def test_all_of_a_download_has_an_end_too(fetched: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_download, "SECONDS_IN_ALL", SHORT)

    def drips(handler: Handler) -> None:
        handler.reply(b"", length=len(CONTENT), ETag='"1"')
        _drip(handler, b"x")

    with pytest.raises(ToolboxError, match="took longer than 0 seconds in all"):
        fetched([{"url": "SERVER/weights"}], weights=drips)


def test_a_name_that_is_never_found_is_given_up(fetched: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found.wait(20))
    with pytest.raises(ToolboxError, match="sent nothing"):
        fetched([{"url": "http://nowhere.test/weights"}])
    found.set()


def test_a_server_that_never_begins_tls_is_given_up(fetched: Fetched) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ToolboxError, match="sent nothing"),
    ):
        fetched([{"url": f"https://127.0.0.1:{silent.getsockname()[1]}/weights"}])


def test_a_body_without_end_is_given_up_and_leaves_nothing(
    fetched: Fetched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_download, "LARGEST_BYTES", 1 << 20)

    def endless(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        try:
            while True:
                handler.wfile.write(CONTENT)
        except OSError:
            handler.close_connection = True

    with pytest.raises(ToolboxError, match="sends more than 1048576 bytes"):
        fetched([{"url": "SERVER/weights"}], weights=endless)
    with pytest.raises(ToolboxError, match="sends more than 1000 bytes"):
        fetched([{"url": "SERVER/weights", "bytes": 1000}], weights=endless)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.yaml"]


def test_the_body_of_a_redirect_is_not_read(fetched: Fetched) -> None:
    def endless(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: /weights\r\n\r\n")
        try:
            while True:
                handler.wfile.write(CONTENT)
        except OSError:
            handler.close_connection = True

    folder, _ = fetched(
        [{"url": "SERVER/endless", "file": "w", "sha1": SHA1}], endless=endless, weights=serve_with_ranges
    )
    assert (folder / "w").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("file:///etc/passwd", "Redirection to url 'file:///etc/passwd' is not allowed"),
        ("ftp://127.0.0.1/weights", "neither http nor https"),
        ("data:text/plain,hello", "is not allowed"),
        ("http://anna:geheim@127.0.0.1/w", "leads to an address with a password"),
        ("/weights", "infinite loop"),
        ("/weights/\x1b[31m", "answers 404"),
    ],
)
def test_redirects_lead_to_http_and_https_alone(
    fetched: Fetched, server: ThreadingHTTPServer, location: str, told: str
) -> None:
    with pytest.raises(ToolboxError, match=told) as caught:
        fetched([{"url": "SERVER/weights"}], weights=lambda handler: handler.reply(b"", 302, Location=location))
    assert str(caught.value).isprintable()
    assert "geheim" not in str(caught.value)
    assert len(server.asked) < 15  # type: ignore[attr-defined]


def test_what_is_packed_for_the_way_is_refused(fetched: Fetched) -> None:
    packed = {"Content_Encoding": "gzip"}
    with pytest.raises(ToolboxError, match=r"sends it packed \(gzip\)"):
        fetched([{"url": "SERVER/weights"}], weights=lambda handler: handler.reply(CONTENT, **packed))
    # Some servers say so of each .gz, and send it as it is.
    folder, _ = fetched([{"url": "SERVER/a.gz"}], **{"a.gz": lambda handler: handler.reply(CONTENT, **packed)})
    assert (folder / "a.gz").read_bytes() == CONTENT


def _half(handler: Handler) -> None:
    handler.reply(CONTENT[:1000], 206, Content_Range=f"bytes 0-999/{len(CONTENT)}")


def _half_when_asked(handler: Handler) -> None:
    """Breaks off first, and then sends less than it was asked for as if it were all."""
    start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
    if not start:
        handler.reply(CONTENT[:1000], length=len(CONTENT), ETag='"1"')
    else:
        end = min(start + 400_000, len(CONTENT))
        handler.reply(CONTENT[start:end], 206, Content_Range=f"bytes {start}-{end - 1}/{len(CONTENT)}")


def test_a_part_is_never_taken_for_the_file(fetched: Fetched, server: ThreadingHTTPServer) -> None:
    with pytest.raises(ToolboxError, match=r"answer \(206\) is not the file"):
        fetched([{"url": "SERVER/half"}], half=_half)
    with pytest.raises(ToolboxError, match=r"answer \(204\) is not the file"):
        fetched([{"url": "SERVER/none"}], none=lambda handler: handler.reply(b"", 204))
    folder, _ = fetched([{"url": "SERVER/weights"}], weights=_half_when_asked)
    assert (folder / "weights").read_bytes() == CONTENT
    assert [place for path, place in server.asked if path == "/weights"] == [  # type: ignore[attr-defined]
        None,
        "bytes=1000-",
        "bytes=401000-",
    ]


@pytest.mark.parametrize("told", ["-5", "²", "9" * 5000, "12x"])
def test_a_length_that_is_none_is_no_length(fetched: Fetched, told: str) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: " + told.encode() + b"\r\n\r\n" + CONTENT)

    folder, said = fetched([{"url": "SERVER/weights"}], weights=answer)
    assert (folder / "weights").read_bytes() == CONTENT
    assert "does not tell how much" in said[0]


@pytest.mark.parametrize("mark", ['"' + "x" * 5000 + '"', '"\x01"', '"ü"'])
def test_a_strange_mark_of_a_version_is_not_sent_back(fetched: Fetched, server: ThreadingHTTPServer, mark: str) -> None:
    def breaks_off(handler: Handler) -> None:
        handler.wfile.write(
            b"HTTP/1.0 200 OK\r\nContent-Length: 768000\r\nETag: " + mark.encode("latin-1") + b"\r\n\r\nabc"
        )
        server.answers["/weights"] = serve_with_ranges  # type: ignore[attr-defined]

    folder, _ = fetched([{"url": "SERVER/weights"}], weights=breaks_off)
    assert (folder / "weights").read_bytes() == CONTENT


def test_what_a_server_says_is_shown_escaped(fetched: Fetched) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 404 \x1b[31mred\x9b1m\x07\r\n\r\n")

    with pytest.raises(ToolboxError, match=r"answers 404 \\x1b\[31mred\\x9b1m\\x07"):
        fetched([{"url": "SERVER/weights"}], weights=answer)


def test_a_password_goes_to_its_host_and_nowhere_else(
    fetched: Fetched, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    seen: dict[str, str | None] = {}

    def leads_on(handler: Handler) -> None:
        seen["first"] = handler.headers.get("Authorization")
        port = server.server_address[1]
        handler.reply(b"", 302, Location=f"http://localhost:{port}/other")

    def breaks_off(handler: Handler) -> None:
        seen["second"] = handler.headers.get("Authorization")
        handler.reply(CONTENT[:1000], length=len(CONTENT), ETag='"1"')
        handler.close_connection = True

    secret = f"http://anna:ge%2Fheim@127.0.0.1:{server.server_address[1]}/weights?key=geheim"
    with pytest.raises(ToolboxError) as caught:
        fetched([{"url": secret}], **{"weights?key=geheim": leads_on, "other": breaks_off})
    assert base64.b64decode((seen["first"] or "").removeprefix("Basic ")) == b"anna:ge/heim"
    assert seen["second"] is None
    written = [path.read_text(errors="replace") for path in tmp_path.rglob(".*.json")]
    assert written
    assert "geheim" not in str(caught.value) + "".join(written)
    assert "ge%2Fheim" not in str(caught.value) + "".join(written)


@pytest.mark.parametrize(
    "url", ["http://anna:geheim@[::1/x", "http://anna:12/geheim@host/x", "ftp://anna:geheim@host/x"]
)
def test_a_password_is_in_no_sentence_about_its_address(fetched: Fetched, url: str) -> None:
    with pytest.raises(ToolboxError) as caught:
        fetched([{"url": url}])
    assert "geheim" not in str(caught.value)
    assert "anna" not in str(caught.value)


def _secure_files(certificate: Path) -> TlsServer:
    server = TlsServer(certificate, Handler)
    server.answers, server.asked = {}, []  # type: ignore[attr-defined, assignment]
    return server


@pytest.mark.parametrize(("certificate", "problem"), [("here", "self.signed certificate"), ("elsewhere", "mismatch")])
def test_https_is_checked(
    fetched: Fetched,
    certificates: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    certificate: str,
    problem: str,
) -> None:
    if certificate == "elsewhere":  # signed by somebody who is known, but for another host
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates[certificate]))
    secure = _secure_files(certificates[certificate])
    with pytest.raises(ToolboxError, match=rf"certificate is not valid \(.*{problem}"):
        fetched([{"url": f"https://127.0.0.1:{secure.server_port}/weights"}])
    assert secure.asked == []
    secure.stop()


def test_https_leads_to_https_alone(
    fetched: Fetched, server: ThreadingHTTPServer, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["here"]))
    secure = _secure_files(certificates["here"])
    address = f"https://127.0.0.1:{secure.server_port}"
    plain = f"http://127.0.0.1:{server.server_address[1]}/weights"
    secure.answers["/away"] = lambda handler: handler.reply(b"", 302, Location=plain)  # type: ignore[attr-defined]
    secure.answers["/weights"] = serve_with_ranges  # type: ignore[attr-defined]
    with pytest.raises(ToolboxError, match="leads from https to http://"):
        fetched([{"url": f"{address}/away"}], weights=serve_with_ranges)
    folder, said = fetched([{"url": f"{address}/weights"}])
    assert hashlib.sha256(CONTENT).hexdigest() in said[0]
    assert (folder / "weights").exists()
    secure.stop()
