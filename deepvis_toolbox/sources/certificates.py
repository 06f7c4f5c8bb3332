"""Streams over TLS: their servers' certificates are checked, which FFmpeg does not do by itself."""

from __future__ import annotations

import atexit
import ipaddress
import os
import socket
import ssl
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from deepvis_toolbox.errors import os_reason_of
from deepvis_toolbox.sources.capture import CAPTURE_OPTIONS, Capture
from deepvis_toolbox.sources.film_capture import open_film
from deepvis_toolbox.sources.film_process import Film
from deepvis_toolbox.sources.playlists import FORMATS_OF_ONE_ADDRESS

TLS_PORTS = {"https": 443, "rtsps": 322, "rtmps": 443}
"""The schemes over TLS, and where their servers listen unless the URL says otherwise."""
CONNECT_SECONDS = 3.0
_USUAL_OPTIONS = os.environ.get(CAPTURE_OPTIONS) or "rtsp_flags;prefer_tcp"
"""The user's, else those that OpenCV has where the variable is not set."""
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem")  # fmt: skip
"""Where systems keep the authorities in one file, which OpenSSL itself need not know of."""


def open_stream(url: str, check_certificate: bool) -> Capture | None:
    """Return the stream, or None: it does not open, is a playlist, or its certificate is not valid for its host.

    FFmpeg compares no certificate with a host that is written as a number, and OpenCV tells no reasons. So Python
    connects first.
    """
    if check_certificate and certificate_problem(url):
        return None
    return open_film(Film(url, _checking_options(url) if check_certificate else _USUAL_OPTIONS))


def certificate_problem(url: str) -> str:
    """Return why the server's certificate is not taken; empty where it is, and where the URL is none over TLS."""
    parts = urlsplit(url)
    port = parts.port or TLS_PORTS.get(parts.scheme)
    if parts.scheme not in TLS_PORTS or not parts.hostname or not port:
        return ""
    try:
        with (
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return os_reason_of(error)
    except (OSError, ValueError) as error:  # behind a proxy only FFmpeg gets there; it knows names, but no numbers
        return os_reason_of(error) if _is_number(parts.hostname) else ""


def _checking_options(url: str) -> str:
    options = [_USUAL_OPTIONS, "tls_verify;1"]
    if "ca_file;" not in _USUAL_OPTIONS and (authorities := _authorities()):
        options.append(f"ca_file;{authorities}")
    if urlsplit(url).scheme == "https":
        options.append(f"format_whitelist;{FORMATS_OF_ONE_ADDRESS}")
    return "|".join(options)


def _authorities() -> str:
    """Return the file of those who may sign certificates: `SSL_CERT_FILE`, else the system's; empty where none is."""
    known = ssl.get_default_verify_paths().cafile
    return known or next((path for path in _BUNDLES if Path(path).is_file()), "") or _written_authorities()


@cache
def _written_authorities() -> str:
    """Return a file with what the system's own store holds (Windows), for as long as the process lives."""
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not certificates:
        return ""
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(map(ssl.DER_cert_to_PEM_cert, certificates))
    atexit.register(Path(path).unlink, missing_ok=True)
    return path


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
