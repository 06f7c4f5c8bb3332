"""Connections of `--fetch`: http and https alone, with a time limit for every phase, whatever a server does."""

from __future__ import annotations

import base64
import http.client
import queue
import socket
import ssl
import string
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.shown_text import host_is_certain

SECONDS_WITHOUT_DATA = 20.0
"""After which a server has stalled."""
SECONDS_TO_CONNECT = 30.0
"""For its name, all its numbers, a proxy and TLS together."""
SECONDS_TO_ANSWER = 60.0
"""Until the last line of an answer's header."""
SECONDS_FOR_A_PIECE = 60.0
"""Until the next bytes of the file itself: the lines between them are not the file."""


class TooSlowError(OSError):
    """The server sends, but so little that the file would never be whole."""


class RefusedError(OSError):
    """What the server asks for is not done; trying again is no use."""


class TimeLimit:
    """What one address may take: each phase of a connection, and all of it."""

    def __init__(self, seconds_in_all: float) -> None:
        self._last = time.monotonic() + seconds_in_all
        self._in_all = seconds_in_all
        self.begin("the connection", SECONDS_TO_CONNECT)

    def begin(self, phase: str, seconds: float) -> None:
        """Begin a phase that may take so many seconds, called `phase` in the sentence when it takes longer."""
        self._phase, self._seconds, self._end = phase, seconds, time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds the next wait may take; `TooSlowError` when the phase is over its time."""
        now = time.monotonic()
        if now >= self._last:
            raise RefusedError(f"it took longer than {self._in_all:.0f} seconds in all")
        if now >= self._end:
            raise TooSlowError(f"{self._phase} took longer than {self._seconds:.0f} seconds")
        return min(SECONDS_WITHOUT_DATA, self._end - now, self._last - now)

    @contextmanager
    def waiting(self, sock: socket.socket) -> Iterator[None]:
        """Limit how long the socket's calls in the block wait."""
        sock.settimeout(self.left())
        try:
            yield
        except TimeoutError:
            self.left()  # says so where it was the phase that ended
            raise


def open_url(address: str, headers: dict[str, str], limit: TimeLimit) -> Any:
    """Return the answer to a GET of `address`, an `http.client.HTTPResponse` whose every wait keeps to `limit`.

    Names and passwords in the address go to its own host alone. Raises as `urllib.request.urlopen` does.
    """
    address, authorization = _without_password(address)
    request = urllib.request.Request(address, headers={"User-Agent": "deepvis-toolbox", **headers})
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    opener = urllib.request.OpenerDirector()  # the usual one knows ftp, file and data as well
    for handler in (
        urllib.request.ProxyHandler(),
        _Handler(limit),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener.open(request)


def check_address(address: str) -> None:
    """Refuse what is no http or https address of a host."""
    if not _is_http(address):
        raise ToolboxError("the address does not begin with http:// or https://")
    if not urlsplit(address).hostname or not host_is_certain(address):
        raise ToolboxError("the address names no host; in a password, write / as %2F, ? as %3F, # as %23 and @ as %40")


def _is_http(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))


def _without_password(address: str) -> tuple[str, str]:
    """Return the address as a request takes it, and the header that its name and password are."""
    parts = urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")
    bare = quote(urlunsplit(parts._replace(netloc=host)), safe=string.punctuation)
    return bare, f"Basic {base64.b64encode(unquote(login).encode()).decode()}" if login else ""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other http and https addresses, from https to https alone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        fp.close()  # its body would be read to the end, and need not have one
        if not _is_http(newurl):
            raise RefusedError(f"the server leads to {newurl}, which is neither http nor https")
        if "@" in urlsplit(newurl).netloc:
            raise RefusedError("the server leads to an address with a password")
        if req.full_url.lower().startswith("https:") and newurl.lower().startswith("http:"):
            raise RefusedError(f"the server leads from https to {newurl}, where nobody can be sure of the file")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections that keep to a time limit, and check certificates."""

    def __init__(self, limit: TimeLimit) -> None:
        urllib.request.HTTPHandler.__init__(self)
        self._limit = limit

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_Connection, limit=self._limit), req)  # type: ignore[arg-type]

    def https_open(self, req: urllib.request.Request) -> Any:
        context = ssl.create_default_context()
        context.sslsocket_class = _TlsSocket
        return self.do_open(partial(_TlsConnection, limit=self._limit, context=context), req)  # type: ignore[arg-type]


class _LimitedReads:
    """Of a socket: every read waits no longer than its limit says."""

    limit: TimeLimit | None = None

    def recv_into(self, *given: Any) -> int:
        read: Callable[..., int] = super().recv_into  # type: ignore[misc]
        if self.limit is None:
            return read(*given)
        with self.limit.waiting(cast(socket.socket, self)):
            return read(*given)


class _Socket(_LimitedReads, socket.socket):
    """One without TLS."""


class _TlsSocket(_LimitedReads, ssl.SSLSocket):
    """One over TLS."""


class _Connection(http.client.HTTPConnection):
    """A connection that was made in time and is answered in time."""

    def __init__(self, host: str, *, limit: TimeLimit, **given: Any) -> None:
        super().__init__(host, **given)
        self._limit = limit
        self._create_connection = partial(_connected, limit=limit)

    def getresponse(self) -> http.client.HTTPResponse:
        self._limit.begin("the server's answer", SECONDS_TO_ANSWER)
        return super().getresponse()


class _TlsConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS, whose handshake waits as long as the socket below it."""

    def connect(self) -> None:
        super().connect()
        cast(_TlsSocket, self.sock).limit = self._limit


def _connected(address: tuple[str, int], *_: Any, limit: TimeLimit) -> _Socket:
    """Return a socket that is connected to one of the host's numbers."""
    limit.begin("the connection", SECONDS_TO_CONNECT)
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _name, number in _numbers(*address, limit.left()):
        sock = _Socket(family, kind, protocol)
        sock.limit = limit
        try:
            with limit.waiting(sock):
                sock.connect(number)
            sock.settimeout(limit.left())  # for TLS, and what is sent
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _numbers(host: str, port: int, seconds: float) -> list[Any]:
    """Return what `getaddrinfo` says; asked in a thread, since nothing else ends its waiting."""
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except Exception as error:  # whatever it is, it is told in the thread that waits
            answers.put(error)

    threading.Thread(target=ask, name="host name", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer
