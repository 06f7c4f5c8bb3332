"""A stream from the network: any URL that OpenCV opens."""

from __future__ import annotations

import socket
from functools import partial
from urllib.parse import urlsplit

from deepvis_toolbox.errors import ToolboxError, nearest_name, os_reason_of, reason_of
from deepvis_toolbox.shown_text import host_is_certain, is_url, without_secrets
from deepvis_toolbox.sources.certificates import TLS_PORTS, certificate_problem, open_stream
from deepvis_toolbox.sources.film_process import FilmError
from deepvis_toolbox.sources.kinds.video_file import VideoSource
from deepvis_toolbox.sources.live_source import LiveSource
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.playlists import is_playlist
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS

PORTS = {
    "http": 80,
    "https": TLS_PORTS["https"],
    "rtsp": 554,
    "rtsps": TLS_PORTS["rtsps"],
    "rtmp": 1935,
    "rtmps": TLS_PORTS["rtmps"],
}
"""The schemes that connect to a server, and where it listens unless the URL says otherwise."""
SCHEMES = (*PORTS, "rtp", "udp", "tcp", "srt", "mms")


@register_source
class StreamSource(LiveSource):
    """A live stream, newest frame first; a video on a web server plays at its own rate."""

    form = "URL"
    meaning = f"{INPUT_FORMS.meaning('URL')} ({', '.join(SCHEMES)})"
    noun = "stream"

    @classmethod
    def claims(cls, text: str) -> bool:
        return is_url(text)

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Source:
        _check_scheme(text)
        name = f"stream {without_secrets(text)}"
        if not options.realtime:  # every frame in order: a stream is then read like a file
            return _opened_as_file(text, name, options)
        source = cls(name, partial(open_stream, text, options.check_certificates), options)
        if not source.is_open:
            raise ToolboxError(source.fault or _why_closed(text, options))
        return source


def _opened_as_file(url: str, name: str, options: SourceOptions) -> VideoSource:
    opener = partial(open_stream, url, options.check_certificates)
    try:
        capture = opener()
    except FilmError as error:
        raise ToolboxError(f"{name} cannot be decoded: {error}") from error
    if capture is None:
        raise ToolboxError(_why_closed(url, options))
    return VideoSource(name, capture, opener, options)


def _check_scheme(url: str) -> None:
    scheme, _, rest = url.partition("://")
    if scheme.lower() == "file":
        raise ToolboxError(f"{without_secrets(url)}: give a file by its path, without file://")
    if scheme.lower() not in SCHEMES:
        hint = nearest_name(scheme, SCHEMES)
        shown = without_secrets(f"{scheme}://")
        raise ToolboxError(f'"{shown}" is no kind of stream that is known{hint}; known: {", ".join(SCHEMES)}')
    try:
        host, _ = urlsplit(url).hostname, urlsplit(url).port
    except ValueError as error:
        raise ToolboxError(f"{without_secrets(url)} is not a valid URL: {reason_of(error)}") from error
    if not rest or (scheme.lower() in PORTS and not host):
        raise ToolboxError(f"{without_secrets(url)} is not a valid URL: it names no host")
    if "@" in rest and not host_is_certain(url):
        raise ToolboxError(
            f"{without_secrets(url)} is not a valid URL: in a password, write / as %2F, ? as %3F, # as %23 and @ as %40"
        )


def _why_closed(url: str, options: SourceOptions) -> str:
    shown = without_secrets(url)
    parts = urlsplit(url)
    port = parts.port or PORTS.get(parts.scheme)
    if parts.scheme in PORTS and parts.hostname and port:
        try:
            socket.create_connection((parts.hostname, port), timeout=2.0).close()
        except OSError as error:
            return f"{shown} cannot be opened: {parts.hostname} port {port}: {os_reason_of(error)}"
    if options.check_certificates and (problem := certificate_problem(url)):
        return (
            f"{shown} cannot be opened: its certificate is not valid ({problem}); name its authority in SSL_CERT_FILE, "
            "or take any with --set sources.check_certificates=false"
        )
    if options.check_certificates and is_playlist(url):
        return (
            f"{shown} cannot be opened: it is a playlist, and FFmpeg checks no certificates of the addresses in it; "
            "to play it without any check: --set sources.check_certificates=false"
        )
    return f"{shown} cannot be opened: it sends nothing that OpenCV can read as video; try it with ffplay or VLC"
