"""A local server that answers as a test says, and `--fetch` from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from deepvis_toolbox.opening.downloads import fetch_connection, fetch_download
from deepvis_toolbox.opening.downloads.fetch import fetch_model

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
    monkeypatch.setattr(fetch_connection, "SECONDS_WITHOUT_DATA", 0.4)
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
