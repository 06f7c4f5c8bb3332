"""Playlists: over https they are refused, whose addresses FFmpeg does not check; in files they bring no host in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from tests.sources.certificates import TlsServer
from tests.sources.real_parts import Server, write_video

PICTURE = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


class Listed(BaseHTTPRequestHandler):
    """Answers with `server.files`, by path."""

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.partition("?")[0])  # type: ignore[attr-defined]
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(200 if content else 404)
        if (content or b"").startswith(b"#EXTM3U"):
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """serve(certificate) serves a video and numbered pictures, with a certificate over TLS; `files` takes more."""
    video = write_video(tmp_path / "video.avi").read_bytes()
    servers: list[Server] = []

    def one(certificate: Path | None = None) -> Server:
        server = TlsServer(certificate, Listed) if certificate else Server(Listed)
        server.asked = 0  # type: ignore[attr-defined]
        pictures = {f"/{number:03d}.jpg": PICTURE for number in range(4)}
        server.files = {"/video.avi": video, **pictures}  # type: ignore[attr-defined]
        servers.append(server)
        return server

    yield one
    for server in servers:
        server.stop()


def playlist(address: str) -> bytes:
    """A playlist of HLS with one piece."""
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{address}\n#EXT-X-ENDLIST\n".encode()


@pytest.mark.parametrize("name", ["/live.m3u8", "/live"])
@pytest.mark.parametrize("realtime", [True, False])
def test_a_playlist_over_https_is_refused_before_its_pieces_are_fetched(
    serve: Callable[..., Server], certificates: dict[str, Path], monkeypatch, name: str, realtime: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["here"]))
    here, elsewhere = serve(certificates["here"]), serve(certificates["elsewhere"])
    here.files[name] = playlist(f"https://localhost:{elsewhere.server_port}/video.avi")
    url = f"https://localhost:{here.server_port}{name}"
    with pytest.raises(ToolboxError, match=r"is a playlist, .*check_certificates=false"):
        open_source(url, SourceOptions(realtime=realtime))
    assert elsewhere.asked == 0
    taken = SourceOptions.model_validate({"check_certificates": False, "realtime": realtime})
    with open_source(url, taken) as source:
        assert source.read() is not None
    assert elsewhere.asked > 0


def test_numbered_pictures_over_https_are_not_fetched_unchecked(
    serve: Callable[..., Server], certificates: dict[str, Path], monkeypatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["here"]))
    monkeypatch.setattr(
        "deepvis_toolbox.sources.certificates.certificate_problem", lambda _: ""
    )  # as in a swap behind it
    server = serve(certificates["elsewhere"])
    with pytest.raises(ToolboxError, match="cannot be opened"):
        open_source(f"https://localhost:{server.server_port}/%03d.jpg")
    assert server.asked == 0


@pytest.mark.parametrize("name", ["video.avi", "001.jpg"])
def test_what_is_no_playlist_is_played_over_https(
    serve: Callable[..., Server], certificates: dict[str, Path], monkeypatch, name: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["here"]))
    server = serve(certificates["here"])
    with open_source(f"https://localhost:{server.server_port}/{name}", SourceOptions(realtime=False)) as source:
        assert source.read() is not None


SESSION = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video PORT RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
FILES = {
    "pieces.m3u8": playlist("URL/video.avi").decode(),
    "variants.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nURL/pieces.m3u8\n",
    "key.m3u8": playlist("video.avi").decode().replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="URL/key"\n#EXTINF'),
    "bare.m3u8": playlist("tcp://HOST/x").decode(),
    "crypto.m3u8": playlist("crypto+URL/video.avi").decode(),
    "parts.ffconcat": "ffconcat version 1.0\nfile 'URL/video.avi'\n",
    "session.sdp": SESSION,
    "named.avi": playlist("URL/video.avi").decode(),
}
"""Files whose text names a server: each is a kind that FFmpeg tells by how it begins."""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("over_tls", [True, False])
def test_a_file_that_names_addresses_contacts_nobody(
    serve: Callable[..., Server], certificates: dict[str, Path], tmp_path: Path, monkeypatch, name: str, over_tls: bool
) -> None:
    server = serve(certificates["here"] if over_tls else None)
    accepted: list[object] = []
    monkeypatch.setattr(server, "verify_request", lambda *given: accepted.append(given))
    host = f"127.0.0.1:{server.server_port}"
    text = FILES[name].replace("URL", f"{'https' if over_tls else 'http'}://{host}").replace("HOST", host)
    (tmp_path / name).write_text(text.replace("PORT", str(server.server_port)))
    with pytest.raises(ToolboxError, match="neither a picture nor a video"):
        open_source(str(tmp_path / name), SourceOptions(realtime=False))
    assert accepted == []
