"""Who may come in: tokens, cookies, the names under which the server is reached, and where requests come from."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from deepvis_toolbox.errors import ToolboxError, os_reason_of, shown_path
from deepvis_toolbox.regular_file import read_regular

Role = Literal["control", "watch"]
"""What a token allows: to use a window, or to watch one that somebody else uses."""

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_TOKEN = 24
_TOKEN_BYTES = 32
_LONGEST_HEADER = 8192


class Access:
    """Checks every request. All comparisons of secrets take the same time, right or wrong."""

    def __init__(
        self,
        host: str,
        names: Collection[str] = (),
        token: str | None = None,
        any_name: bool = False,
        is_encrypted: bool = False,
    ) -> None:
        """Take `host`: the address that the server is bound to; `names`: others under which browsers reach it.

        `token`: the secret of those who use a window, None: a random one. `any_name`: whatever a browser calls the
        server is right, as behind a proxy whose name nobody knows here; tokens and origins are checked all the same.
        """
        self.token = token or secrets.token_urlsafe(_TOKEN_BYTES)
        self.watch_token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.is_encrypted = is_encrypted
        self.cookie = f"deepvis-{hashlib.sha256(self.token.encode()).hexdigest()[:12]}"
        """Its name: servers on other ports of the machine have others."""
        self._sessions: dict[Role, str] = {
            "control": secrets.token_urlsafe(_TOKEN_BYTES),
            "watch": secrets.token_urlsafe(_TOKEN_BYTES),
        }
        self._any_name = any_name
        self._takes_numbers = host not in LOOPBACK_NAMES
        own = {socket.gethostname(), socket.getfqdn()} if self._takes_numbers else set()
        self._names = {name.lower().strip("[]") for name in {*LOOPBACK_NAMES, host, *own, *names}}

    def allows_host(self, header: str | None) -> bool:
        """Return whether a request's `Host` names this server. A number cannot be a name that somebody let lead here
        (DNS rebinding), so any is right where the server is bound to more than this machine."""
        name = host_name(header)
        if name is None:
            return False
        return self._any_name or name in self._names or (self._takes_numbers and _is_number(name))

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Return whether a request comes from a page of this server, as its `Origin` and `Host` say."""
        if not origin or not host or len(origin) > _LONGEST_HEADER:
            return False
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def role_of_token(self, token: str) -> Role | None:
        """Return what a token allows; None: nothing."""
        return _role({"control": self.token, "watch": self.watch_token}, token)

    def session_of(self, role: Role) -> str:
        """Return the value of the cookie that a token is exchanged for."""
        return self._sessions[role]

    def role_of_cookies(self, cookies: Mapping[str, str]) -> Role | None:
        """Return what the cookies of a request allow; None: nothing."""
        return _role(self._sessions, cookies.get(self.cookie, ""))


def _role(secrets_by_role: Mapping[Role, str], given: str) -> Role | None:
    """Compare with every secret, also behind the right one."""
    found: Role | None = None
    shown = given[:_LONGEST_HEADER].encode(errors="replace")
    for role, secret in secrets_by_role.items():
        if secrets.compare_digest(secret.encode(), shown):
            found = role
    return found


def host_name(header: str | None) -> str | None:
    """Return the name or number in a `Host` header, lower case, without port and brackets; None where it is none."""
    if not header or len(header) > 255 or any(sign in header for sign in "@/\\?# ,"):
        return None
    try:
        parts = urlsplit(f"//{header}")
        name, _ = parts.hostname, parts.port  # a port that is no number raises
    except ValueError:
        return None
    return name.rstrip(".") if name else None


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def token_of_file(path: Path) -> str:
    """Return the token in a file, which is made where it is not there, readable by its owner alone.

    `ToolboxError` where it is too short to be a secret, or others may read it.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise ToolboxError(f"{shown_path(path)} cannot be written: {os_reason_of(error)}") from None
    else:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
    try:
        token = read_regular(path, 4096).decode("ascii").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise ToolboxError(f"{shown_path(path)} cannot be read as a token: {os_reason_of(error)}") from None
    if os.name == "posix" and mode & 0o077:
        raise ToolboxError(f"{shown_path(path)} holds a secret and others may read it; run: chmod 600 {path}")
    if len(token) < SHORTEST_TOKEN or not token.replace("-", "").replace("_", "").isalnum():
        raise ToolboxError(
            f"{shown_path(path)}: a token has at least {SHORTEST_TOKEN} letters, digits, - and _; remove the file, and "
            "a random one is written"
        )
    return token
