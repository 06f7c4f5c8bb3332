"""Servers over TLS, with certificates that are made for the test: one for this machine, one for another."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sources.real_parts import MotionJpeg, Server


def make_certificate(folder: Path, name: str, hosts: str) -> Path:
    """A file with a key and a certificate that it signed itself, for `hosts` as OpenSSL writes them."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make certificates with")
    key, certificate, both = (folder / f"{name}.{ending}" for ending in ("key", "crt", "pem"))
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={hosts}", "-keyout", key, "-out", certificate]
    command += ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both


class TlsServer(Server):
    """A `Server` over TLS; `asked`: how many requests came through."""

    def __init__(self, certificate: Path, handler: Callable[..., Any]) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self.asked = 0
        super().__init__(handler)

    def get_request(self) -> tuple[Any, Any]:
        plain, address = self.socket.accept()
        return self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *_: object) -> None:
        """Whoever does not trust it breaks off."""


class CountedMotionJpeg(MotionJpeg):
    def do_GET(self) -> None:  # noqa: N802 - the server's name
        self.server.asked += 1  # type: ignore[attr-defined]
        super().do_GET()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "here": make_certificate(folder, "here", "IP:127.0.0.1,DNS:localhost"),
        "elsewhere": make_certificate(folder, "elsewhere", "IP:192.0.2.1,DNS:elsewhere.test"),
    }


@pytest.fixture
def secure_stream(certificates: dict[str, Path]) -> Iterator[Callable[[str], TlsServer]]:
    """secure_stream("here") serves the test video over TLS with that certificate."""
    servers = []

    def serve(name: str) -> TlsServer:
        servers.append(TlsServer(certificates[name], CountedMotionJpeg))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()
