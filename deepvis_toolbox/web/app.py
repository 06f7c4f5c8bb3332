"""The pages and the socket of the server. Every request is checked before anything is done with it."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from deepvis_toolbox.web.access import Access, Role
from deepvis_toolbox.web.link import Link
from deepvis_toolbox.web.messages import BadMessage, parse_message
from deepvis_toolbox.web.page_source import CameraPicture, Upload
from deepvis_toolbox.web.viewers import Full, Viewer, Viewers

_log = logging.getLogger(__name__)

ASSETS = Path(__file__).parent / "assets"
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
LONGEST_TOKEN = 512
SECONDS_FOR_A_PIECE = 20.0
"""Of what somebody sends."""
SUBPROTOCOL, TOKEN_PREFIX = "deepvis", "token."
"""What a page inside another site's page asks for: there the browser sends no cookie, so the token comes with the
handshake."""
GOING, REFUSED, TRY_LATER = 1001, 1008, 1013
"""Codes that a socket is closed with."""


class Site:
    """The routes, and what they share."""

    def __init__(self, access: Access, viewers: Viewers, frames_from: str = "") -> None:
        """Take `frames_from`: the origins whose pages may hold this one in a frame, as CSP writes them; empty: none."""
        self.access, self.viewers = access, viewers
        self._files = {path.name: (path.read_bytes(), _KINDS[path.suffix]) for path in ASSETS.iterdir()}
        self._headers = _headers(frames_from)
        self._uploads = asyncio.Semaphore(2)

    def app(self) -> ASGIApp:
        """Return the whole as an ASGI application."""
        routes = [
            Route("/", self._page),
            Route("/assets/{name}", self._asset),
            Route("/session", self._session, methods=["POST"]),
            Route("/upload", self._upload, methods=["POST"]),
            WebSocketRoute("/window", self._window),
        ]
        return Doorman(Starlette(routes=routes), self.access, self._headers)

    async def _page(self, request: Request) -> Response:  # noqa: ARG002
        return Response(self._files["index.html"][0], media_type="text/html", headers={"Cache-Control": "no-store"})

    async def _asset(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("there is no such file", 404)
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "no-cache"})

    async def _session(self, request: Request) -> Response:
        """Exchange a token for a cookie."""
        if not self._is_from_own_page(request):
            return PlainTextResponse("asked from another site's page", 403)
        token = await _body(request, LONGEST_TOKEN)
        role = None if token is None else self.access.role_of_token(token.decode(errors="replace"))
        if role is None:
            return PlainTextResponse("no such token", 403)
        response = PlainTextResponse(role)
        secret, is_encrypted = self.access.session_of(role), self.access.is_encrypted
        response.headers["Set-Cookie"] = f"{self.access.cookie}={secret}; HttpOnly; SameSite=Strict" + (
            "; Secure" if is_encrypted else ""
        )  # without a path: that of this request, also below another server's
        return response

    async def _upload(self, request: Request) -> Response:
        """Take a picture or a video file of somebody who is connected."""
        if not self._is_from_own_page(request) or self._role(request) != "control":
            return PlainTextResponse("this needs the address that the program printed", 403)
        viewer = self.viewers.by_name(request.headers.get("x-viewer", ""))
        if viewer is None:
            return PlainTextResponse("the window is not connected", 409)
        most = self.viewers.stage.options.settings.web.upload_megabytes << 20
        async with self._uploads:
            path = await _received(request, most)
        if path is None:
            return PlainTextResponse(f"the file is larger than {most >> 20} MiB, or came incomplete", 413)
        viewer.give(Upload(path, unquote(request.headers.get("x-name", "a file"))))
        return PlainTextResponse("taken")

    async def _window(self, socket: WebSocket) -> None:
        role = self._role(socket)
        if role is None or not self._is_from_own_page(socket):
            await socket.close(REFUSED)  # before it is accepted: the handshake is answered with 403
            return
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
        link = Link(asyncio.get_running_loop(), role)
        try:
            viewer = self.viewers.join(link)
        except Full as full:
            await _end(socket, TRY_LATER, str(full))
            return
        try:
            await _converse(socket, link, viewer)
        finally:
            self.viewers.leave(viewer)

    def _role(self, connection: HTTPConnection) -> Role | None:
        by_cookie = self.access.role_of_cookies(connection.cookies)
        offered = [each for each in connection.scope.get("subprotocols", ()) if each.startswith(TOKEN_PREFIX)]
        token = offered[0].removeprefix(TOKEN_PREFIX) if offered else connection.headers.get("x-token", "")
        return self.access.role_of_token(token) or by_cookie

    def _is_from_own_page(self, connection: HTTPConnection) -> bool:
        return self.access.allows_origin(connection.headers.get("origin"), connection.headers.get("host"))


async def _converse(socket: WebSocket, link: Link, viewer: Viewer) -> None:
    """Send and receive until either side ends it."""
    tasks = [asyncio.create_task(_send(socket, link)), asyncio.create_task(_receive(socket, link, viewer))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        if (error := task.exception()) and not isinstance(error, (WebSocketDisconnect, RuntimeError)):
            _log.error("a connection has failed", exc_info=error)
            link.end("the connection has failed; reload the page")
    if link.closed_because is not None:
        await _end(socket, GOING, link.closed_because)


async def _send(socket: WebSocket, link: Link) -> None:
    while (message := await link.next_message()) is not None:
        await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))


async def _receive(socket: WebSocket, link: Link, viewer: Viewer) -> None:
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if not viewer.may_speak():
                raise BadMessage("more messages than a page of this program sends")
            if message.get("text") is not None:
                viewer.take(parse_message(message["text"]))
            elif viewer.is_in_control:
                viewer.give(CameraPicture(message["bytes"]))
    except BadMessage as bad:
        _log.warning("a page is shut out: %s", bad)
        link.end(str(bad))
        await asyncio.Event().wait()  # until what waits has been sent, which ends the connection


async def _end(socket: WebSocket, code: int, why: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect, OSError):  # it has gone already
        async with asyncio.timeout(1):
            await socket.send_text(json.dumps({"kind": "end", "why": why}))
            await socket.close(code)


async def _body(request: Request, most: int) -> bytes | None:
    """Return what a request holds; None where it is more than `most` bytes."""
    body = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_FOR_A_PIECE):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    return None
            return body
    return None


async def _received(request: Request, most: int) -> Path | None:
    """Write what a request holds to a file of its own; None where it is too much, or does not come whole."""
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal() or int(announced) > most:
        return None
    with tempfile.NamedTemporaryFile(prefix="deepvis-web-", delete=False) as file:
        path, received = Path(file.name), 0
        try:
            async with asyncio.timeout(SECONDS_FOR_A_PIECE) as limit:
                async for piece in request.stream():
                    limit.reschedule(asyncio.get_running_loop().time() + SECONDS_FOR_A_PIECE)
                    received += len(piece)
                    if received > int(announced):
                        break
                    file.write(piece)
        except TimeoutError:
            received = 0
        except BaseException:
            path.unlink()
            raise
    if received == int(announced) and received:
        return path
    path.unlink()
    return None


class Doorman:
    """Lets in only who names this server rightly, and gives every answer the headers that keep a page to itself."""

    def __init__(self, inside: ASGIApp, access: Access, headers: Mapping[str, str]) -> None:
        self._inside, self._access = inside, access
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._inside(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        if self._access.allows_host(HTTPConnection(scope).headers.get("host")):
            await self._inside(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close(REFUSED)
        else:
            told = "this server is not known by that name; it is started with --web-host NAME to be reached by another"
            await PlainTextResponse(told, 421)(scope, receive, send_with_headers)


def _headers(frames_from: str) -> dict[str, str]:
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "media-src": "'self' blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": frames_from or "'none'",
    }
    held = {} if frames_from else {"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin"}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        **held,
    }
