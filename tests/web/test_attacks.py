"""Nobody else gets in, and whoever is in can do no harm."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.web.access import Access, host_name, token_of_file
from deepvis_toolbox.web.messages import LARGEST_AREA
from deepvis_toolbox.web.page_source import LARGEST_CAMERA_BYTES
from deepvis_toolbox.web.server import MOST_CONNECTIONS
from tests.conftest import ROOT

from .conftest import Page, Served, jpeg, serving

# -- tokens and cookies --------------------------------------------------------------------------------------------


def test_a_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(served: Served) -> None:
    status, body, headers = served.ask("session", served.access.token.encode(), Origin=served.origin)
    assert (status, body) == (200, b"control")
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(served.cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert served.access.token not in cookie


@pytest.mark.parametrize("token", [b"", b"x", b"\xff" * 40, b"A" * 43, b"A" * 100_000])
def test_a_wrong_token_gets_nothing(served: Served, token: bytes) -> None:
    status, _, headers = served.ask("session", token, Origin=served.origin)
    assert status == 403
    assert headers["Set-Cookie"] is None


def test_a_token_of_watchers_does_not_control() -> None:
    access = Access("127.0.0.1")
    assert access.role_of_token(access.watch_token) == "watch"
    assert access.role_of_cookies({access.cookie: access.session_of("watch")}) == "watch"
    assert access.role_of_cookies({access.cookie: access.token}) is None, "the token is no cookie"
    assert access.role_of_token(access.session_of("control")) is None, "the cookie is no token"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Cookie": "deepvis-0=1"}, {"Cookie": "{name}="}, {"Cookie": "{name}=" + "A" * 43}, {"Cookie": "{name}=ä"}],
)
def test_a_socket_without_the_cookie_is_refused(served: Served, headers: dict[str, str]) -> None:
    named = {key: value.format(name=served.access.cookie).encode().decode("latin-1") for key, value in headers.items()}
    with pytest.raises(InvalidStatus) as refused, served.connect(headers=named):
        pass
    assert refused.value.response.status_code == 403


def test_inside_another_sites_frame_the_token_comes_with_the_handshake(served: Served) -> None:
    with served.connect(headers={}, subprotocols=["deepvis", f"token.{served.access.token}"]) as socket:
        assert socket.subprotocol == "deepvis", "the token is not said back"
        assert Page(socket).take() == "hello"
    with (
        pytest.raises(InvalidStatus),
        served.connect(headers={}, subprotocols=["deepvis", "token.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]),
    ):
        pass


def test_an_upload_without_cookie_or_viewer_is_refused(served: Served) -> None:
    assert served.ask("upload", b"x", Origin=served.origin)[0] == 403
    assert served.ask("upload", b"x", Cookie=served.cookie)[0] == 403, "no origin"
    for name in ("", "nobody"):
        assert served.ask("upload", b"x", Origin=served.origin, Cookie=served.cookie, x_viewer=name)[0] == 409


def test_a_token_file_is_made_secret_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    first = token_of_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token_of_file(path) == first
    path.chmod(0o644)
    with pytest.raises(ToolboxError, match="others may read it"):
        token_of_file(path)
    path.chmod(0o600)
    for bad in ("short", "a" * 30 + " b", ""):
        path.write_text(bad)
        with pytest.raises(ToolboxError, match="a token has at least 24"):
            token_of_file(path)
    with pytest.raises(ToolboxError, match="cannot be written"):
        token_of_file(tmp_path / "no" / "token")


# -- names and origins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "10.0.0.1", "localhost.evil", "[::2]", "", "a b"],
)
def test_another_host_is_refused_before_anything_else(served: Served, host: str) -> None:
    for path, body in (("", None), ("assets/main.js", None), ("session", served.access.token.encode())):
        status, _, headers = served.ask(path, body, Host=host, Origin=f"http://{host}")
        assert status in (400, 421), "400: uvicorn itself refuses what is no host at all"
        assert headers["Set-Cookie"] is None
    with (
        pytest.raises((InvalidStatus, ConnectionClosed, ValueError)),
        served.connect(headers={"Cookie": served.cookie, "Host": host}, origin=f"http://{host}"),
    ):
        pass


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost."])
def test_this_machines_own_names_are_right(served: Served, host: str) -> None:
    assert served.ask("", None, Host=f"{host}:{served.server.port}")[0] == 200


def test_bound_to_the_network_numbers_are_right_and_names_have_to_be_given() -> None:
    access = Access("0.0.0.0", ["gpu.example.org"])
    for right in ("192.168.1.7:8000", "[fe80::1]:8000", "gpu.example.org", "GPU.example.org:443", "localhost:8000"):
        assert access.allows_host(right), right
    for wrong in ("evil.example", "xgpu.example.org", "gpu.example.org@evil.example", "1.2.3.4.evil.example", None):
        assert not access.allows_host(wrong), wrong
    assert not Access("127.0.0.1").allows_host("192.168.1.7")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://", ""]
)
def test_another_origin_is_refused(served: Served, origin: str) -> None:
    assert served.ask("session", served.access.token.encode(), Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus) as refused, served.connect(origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_a_socket_without_an_origin_is_refused(served: Served) -> None:
    with pytest.raises(InvalidStatus), served.connect(origin=None):
        pass


@pytest.mark.parametrize("header", ["a@b", "a/b", "a?b", "a#b", "a\\b", "a,b", "a:b", "[::1", "x" * 300, ":80"])
def test_what_is_no_host_has_no_name(header: str) -> None:
    assert host_name(header) is None


# -- pages and paths -----------------------------------------------------------------------------------------------


def test_every_answer_keeps_the_page_to_itself(served: Served) -> None:
    for path in ("", "assets/main.js", "nothing"):
        _, _, headers = served.ask(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] is None


def test_the_page_has_no_script_or_style_inside_and_no_address_outside() -> None:
    assets = ROOT / "deepvis_toolbox" / "web" / "assets"
    page = (assets / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\bon\w+=|\bstyle=|<style", page)
    for path in assets.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), path.name
        assert not re.search(r"""(?:src|href)=["']/|fetch\(["'`]/|innerHTML|\beval\b|document\.write""", text), (
            path.name
        )


@pytest.mark.parametrize(
    "path",
    ["assets/../access.py", "assets/..%2faccess.py", "assets/%2e%2e/app.py", "assets//etc/passwd", "..%5c..%5cetc",
     "assets/", "assets/index.html/../../app.py", "assets/main.js%00.html", "etc/passwd", "%2fetc%2fpasswd",
     "assets/__init__.py"],
)  # fmt: skip
def test_paths_lead_nowhere_else(served: Served, path: str) -> None:
    status, body, _ = raw(served, f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert status == 404
    assert b"import" not in body
    assert b"root:" not in body


def raw(served: Served, request: str) -> tuple[int, bytes, bytes]:
    """Status, body and the rest of an answer to what no client would ask."""
    with socket.create_connection(("127.0.0.1", served.server.port), 10) as connection:
        connection.sendall(request.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body, head


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/9.9", "\x00\x01\x02", "POST /session HTTP/1.1\r\nContent-Length: x"]
)
def test_broken_requests_get_an_answer_without_a_traceback(served: Served, request_line: str) -> None:
    status, body, _ = raw(served, f"{request_line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert status in (200, 400, 403)
    assert b"Traceback" not in body
    assert b".py" not in body


# -- sockets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "[]", "null", "7", '"size"', "{}", '{"kind": "nothing"}', '{"kind": "size"}', "\ud800", "[" * 2000,
        '{"kind": "size", "width": 1e9, "height": 10, "ratio": 1}',
        json.dumps({"kind": "size", "width": 8000, "height": LARGEST_AREA // 8000 + 1, "ratio": 1}),
        '{"kind": "size", "width": "640", "height": 480, "ratio": 1}',
        '{"kind": "size", "width": 640, "height": 480, "ratio": NaN}',
        '{"kind": "key", "key": "a", "code": "KeyA", "shift": 1}',
        '{"kind": "press", "name": "a", "more": 1}',
        '{"kind": "press", "name": "' + "a" * 41 + '"}',
        '{"kind": "pointer", "what": "eat", "x": 1, "y": 1}',
        '{"kind": "pointer", "what": "click", "x": 1e400, "y": 1}',
        '{"kind": "source", "place": -1}',
        "x" * 5000,
    ],
)  # fmt: skip
def test_a_page_that_says_what_no_page_says_is_shut_out_with_a_sentence(served: Served, message: str) -> None:
    with served.page() as page:
        page.until("frame")
        page.socket.send(message.encode(errors="replace"), text=True)
        page.until("end")
        assert page.told["end"]["why"]
        assert "Traceback" not in page.told["end"]["why"]


def test_what_is_no_picture_is_told_in_the_status_line_and_the_page_goes_on(served: Served) -> None:
    with served.page() as page:
        page.until("frame")
        for junk in (b"", b"x", b"\xff\xd8\xff" + b"\0" * 1000, jpeg((255, 0, 0))[:200]):
            page.socket.send(junk)
            page.until("camera")
        page.until(lambda: "cannot be read" in str(page.told.get("status")))
        page.socket.send(jpeg((0, 255, 0)))
        page.until("camera")
        number = page.told["camera"]["number"]
        page.until(lambda: page.source == number)


def test_a_picture_of_too_many_pixels_is_not_decoded(served: Served) -> None:
    from io import BytesIO

    from PIL import Image

    bomb = BytesIO()
    Image.new("RGB", (4000, 2000)).save(bomb, "JPEG")
    with served.page() as page:
        page.until("frame")
        page.socket.send(bomb.getvalue())
        page.until(lambda: "4000×2000 pixels are more than cameras have" in str(page.told.get("status")))


def read_to_the_end(page: Page) -> None:
    while True:
        page.take()


def test_a_message_that_is_too_large_ends_the_connection(served: Served) -> None:
    with served.page() as page:
        page.until("frame")
        with suppress(ConnectionClosed):
            page.socket.send(b"\xff" * (LARGEST_CAMERA_BYTES + 1))
        with pytest.raises(ConnectionClosed):
            read_to_the_end(page)
    with served.page() as again:
        again.until("frame")


def test_an_upload_that_is_too_large_or_incomplete_is_refused(photos: Path) -> None:
    with serving(str(photos), settings={"web": {"upload_megabytes": 1}}) as served, served.page() as page:
        headers = {"Cookie": served.cookie, "Origin": served.origin, "x_viewer": page.hello["viewer"]}
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        request = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{served.server.port}\r\n{told}Connection: close\r\n"
        assert raw(served, f"{request}Content-Length: {(1 << 20) + 1}\r\n\r\n")[0] == 413, "before any of it is read"
        assert raw(served, f"{request}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")[0] == 413


def test_a_page_that_talks_without_end_is_shut_out(served: Served) -> None:
    with served.page() as page:
        page.acknowledges = False
        page.until("frame")
        with suppress(ConnectionClosed):
            for _ in range(20_000):
                page.say("pointer", what="move", x=1, y=1)
        with pytest.raises(ConnectionClosed):
            read_to_the_end(page)
        assert "more messages" in page.told.get("end", {"why": "more messages"})["why"]


def test_a_thousand_sockets_that_say_nothing_do_not_end_the_server(photos: Path) -> None:
    with serving(str(photos)) as served, served.page() as page:
        page.until("frame")
        with ExitStack() as stack:
            for _ in range(1000):
                stack.enter_context(socket.create_connection(("127.0.0.1", served.server.port), 10))
            assert len(served.server._server.server_state.connections) <= MOST_CONNECTIONS + 1
            page.press("o")  # who is in, goes on
            page.until(lambda: page.unit() == "relu:0")
        deadline = time.monotonic() + 10
        while True:  # and once they are gone, others come in again
            try:
                assert served.ask("")[0] == 200
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


# -- the program ---------------------------------------------------------------------------------------------------


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The program as a user starts it, and its address."""
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "run_toolbox.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert program.stdout is not None
    line = program.stdout.readline()
    found = re.search(r"https?://\S+", line)
    if found is None:
        program.kill()
        pytest.fail(f"no address: {line} {program.communicate()[1]}")
    return program, found[0]


def test_the_program_prints_the_name_that_it_was_given() -> None:
    program, address = start("demo", "--web", "0.0.0.0:0", "--web-host", "gpu.example.org")
    program.terminate()
    program.communicate()
    assert address.startswith("http://gpu.example.org:")


def test_the_program_serves_over_tls_and_ctrl_c_ends_it_within_two_seconds(tmp_path: Path) -> None:
    if subprocess.run(["which", "openssl"], capture_output=True).returncode:
        pytest.skip("openssl is missing")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate), *names], check=True, capture_output=True)
    program, address = start("demo", "--web", "0", "--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        base, token = address.split("#")
        context = ssl.create_default_context(cafile=str(certificate))
        with connect(
            base.replace("https", "wss") + "window",
            ssl=context,
            origin=base.rstrip("/"),
            subprotocols=["deepvis", f"token.{token}"],
            compression=None,
        ) as socket:
            page = Page(socket)
            page.until("hello")
            page.say("size", width=640, height=480, ratio=1.0)
            page.until("frame", 60)
            began = time.monotonic()
            program.send_signal(signal.SIGINT)
            assert program.wait(10) == 130
            assert time.monotonic() - began < 2
    finally:
        program.kill()
    output, errors = program.communicate()
    assert "Traceback" not in output + errors
    assert token not in errors, "the token is not in the log"
    assert errors.splitlines()[-1] == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--web", "http://x"], '--web "http://x" must be a port, or host:port'),
        (["--web", "70000"], "must be a port"),
        (["--web", "8000", "--headless"], "--headless does not go with --web"),
        (["--web", "8000", "--watch", "."], "--watch with --web needs --shared"),
        (["--web", "8000", "--record", "x.mp4"], "--record does not go with --web"),
        (["--web", "8000", "--tls-cert", "x.pem"], "--tls-cert and --tls-key go together"),
        (["--web", "8000", "--tls-cert", "x.pem", "--tls-key", "x.pem"], "x.pem: there is no such file"),
        (["--shared"], "--shared needs --web"),
        (["--web", "192.0.2.1:8000"], "choose another port"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_sentence(arguments: list[str], sentence: str) -> None:
    from deepvis_toolbox.web.window_command import main

    with pytest.raises(ToolboxError, match=re.escape(sentence)):
        main(["demo", *arguments])


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ImportError('No module named uvicorn', name='uvicorn')")
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_toolbox.py"), "demo", "--web", "0"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --web needs uvicorn, which is not installed; run: ")
    assert "pip install starlette uvicorn websockets" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    from deepvis_toolbox.web.window_command import main

    path = tmp_path / "x.pem"
    path.write_text("nothing")
    with pytest.raises(ToolboxError, match="cannot be used"):
        main(["demo", "--web", "0", "--tls-cert", str(path), "--tls-key", str(path)])


def test_a_network_that_cannot_be_loaded_ends_the_program(tmp_path: Path) -> None:
    from deepvis_toolbox.web.window_command import main

    with pytest.raises(ToolboxError, match="no-such"):
        main(["demo", "--web", "0", "--weights", str(tmp_path / "no-such.pt")])
