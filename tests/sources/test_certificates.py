"""Streams over TLS: a certificate that is not valid for the host is refused, unless a setting takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import certificates as checking
from deepvis_toolbox.sources.certificates import open_stream
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from tests.sources.certificates import TlsServer

Serve = Callable[[str], TlsServer]


@pytest.mark.parametrize("realtime", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_that_nobody_known_has_signed_is_refused(secure_stream: Serve, host: str, realtime: bool) -> None:
    server = secure_stream("here")
    url = f"https://{host}:{server.server_port}/x"
    with pytest.raises(ToolboxError, match=r"its certificate is not valid \(self.signed certificate\)"):
        open_source(url, SourceOptions(realtime=realtime))
    assert server.asked == 0
    options = SourceOptions.model_validate({"check_certificates": False, "realtime": realtime})
    with open_source(url, options) as source:
        assert source.read() is not None


@pytest.mark.parametrize(
    ("certificate", "host", "is_taken"),
    [
        ("here", "127.0.0.1", True),
        ("here", "localhost", True),
        ("elsewhere", "127.0.0.1", False),  # which FFmpeg alone takes
        ("elsewhere", "localhost", False),
    ],
)
def test_a_certificate_must_be_that_of_the_host(
    secure_stream: Serve,
    certificates: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    certificate: str,
    host: str,
    is_taken: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[certificate]))
    server = secure_stream(certificate)
    url = f"https://{host}:{server.server_port}/x"
    if is_taken:
        with open_source(url) as source:
            assert source.read() is not None
    else:
        with pytest.raises(ToolboxError, match=r"certificate is not valid \(.*mismatch"):
            open_source(url)
        assert server.asked == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_ffmpeg_checks_the_chain_too_should_another_server_answer_it(
    secure_stream: Serve, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(checking, "certificate_problem", lambda _: "")
    server = secure_stream("here")
    assert open_stream(f"https://{host}:{server.server_port}/x", check_certificate=True) is None
    assert server.asked == 0
