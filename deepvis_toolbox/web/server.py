"""The server: a socket, uvicorn in a thread of its own, and an end within two seconds."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from deepvis_toolbox.errors import ToolboxError, os_reason_of, shown_path
from deepvis_toolbox.web.access import LOOPBACK_NAMES, Access
from deepvis_toolbox.web.app import Site
from deepvis_toolbox.web.page_source import LARGEST_CAMERA_BYTES
from deepvis_toolbox.web.viewers import Viewers

_log = logging.getLogger(__name__)

MOST_CONNECTIONS = 400
SECONDS_FOR_A_REQUEST = 10.0
"""For its first line and headers, and for all that is no socket and no upload."""
_SECONDS_TO_START = 10.0


@dataclass(frozen=True)
class Address:
    """Where the server listens, and how."""

    host: str
    port: int
    """0: any that is free."""
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK_NAMES

    def bound(self) -> socket.socket:
        """Return a socket that listens there. `ToolboxError` where that is not possible."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, self.port))
            listening.listen(128)
        except (OSError, OverflowError) as error:
            listening.close()
            raise ToolboxError(f"--web {self.host}:{self.port}: {os_reason_of(error)}; choose another port") from None
        return listening


class Server:
    """Serves from `start` to `close`."""

    def __init__(self, address: Address, access: Access, viewers: Viewers, frames_from: str = "") -> None:
        """`frames_from`: see `Site`. `ToolboxError` where the port is taken, or the certificate cannot be used."""
        self.access, self.viewers = access, viewers
        self._address = address
        self._socket = address.bound()
        self.port: int = self._socket.getsockname()[1]
        config = _config(Site(access, viewers, frames_from).app(), address)
        try:
            config.load()
        except (OSError, ValueError) as error:
            self._socket.close()
            files = f"{shown_path(address.certificate)} and {address.key}" if address.certificate else "the server"
            raise ToolboxError(f"--tls-cert, --tls-key: {files} cannot be used: {os_reason_of(error)}") from None
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web server", daemon=True)

    def start(self) -> None:
        """Begin to serve; returns when it does."""
        self._thread.start()
        self._started.wait(_SECONDS_TO_START)

    def wait(self) -> None:
        """Wait while it serves. `ToolboxError` where it ends by itself."""
        self._thread.join()
        raise ToolboxError("the web server has ended; the log says why")

    def address(self, token: str, name: str = "") -> str:
        """Return what to open in a browser. `name`: by which others reach this machine; empty: its own."""
        scheme = "https" if self._address.certificate else "http"
        host = self._address.host
        host = name or socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{self.port}/#{token}"

    def close(self) -> bool:
        """End all connections and the server; False where something is still busy after two seconds."""
        is_quiet = self.viewers.close(0.5)
        self._server.should_exit = True
        self._thread.join(1.5)
        if not self._thread.is_alive():  # else it still reads there, and closes it itself
            self._socket.close()
        return is_quiet and not self._thread.is_alive()

    def _run(self) -> None:
        async def serve() -> None:
            asyncio.get_running_loop().call_soon(self._started.set)
            await self._server.serve([self._socket])

        try:
            asyncio.run(serve())
        except Exception:
            _log.exception("the web server has ended")
        finally:
            self._socket.close()
            self._started.set()


class BoundedH11(H11Protocol):
    """HTTP of uvicorn, with at most so many connections, which have to ask for something within so many seconds."""

    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or end it at once."""
        if len(self.connections) >= MOST_CONNECTIONS:
            transport.abort()
            return
        super().connection_made(transport)
        self._hurry = self.loop.call_later(SECONDS_FOR_A_REQUEST, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None and self in self.connections:  # one that became a socket is there no longer
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._hurry is not None:
            self._hurry.cancel()
            super().connection_lost(exc)


def _config(app: Callable[..., Any], address: Address) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedH11,
        ws="websockets-sansio",
        ws_max_size=LARGEST_CAMERA_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=15,
        ws_ping_timeout=15,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=10,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
