"""What `--web` and the flags beside it say: where the window is served to browsers, and to whom."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.errors import ToolboxError, shown_path, user_path

LOCAL = "127.0.0.1"
_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9a-fA-F:.%]+\]|[^:\[\]\s/]+):)?(?P<port>\d{1,5})")


@dataclass(frozen=True)
class WebOptions:
    """Where and how the window is served."""

    host: str = LOCAL
    port: int = 0
    is_shared: bool = False
    """All see one window."""
    names: tuple[str, ...] = ()
    """Others under which browsers reach the server."""
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def read_address(text: str, flag: str) -> tuple[str, int]:
    """Return (host, port) of `[HOST:]PORT`: `8000`, `0.0.0.0:8000`, `[::1]:8000`. `ToolboxError` for anything else."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65535:
        raise ToolboxError(f'{flag} "{text}" must be a port, or host:port: 8000, 0.0.0.0:8000, [::1]:8000')
    return (found["host"] or LOCAL).strip("[]"), int(found["port"])


def add_web_flags(parser: CommandParser) -> None:
    """Add the flags, to the window's own."""
    group = parser.group("method")
    add_flag(group, "--web", reader=read_address, metavar="[HOST:]PORT",
             help="show the window in browsers (deepvis demo --web 8000); without HOST only this machine "
             "reaches it")  # fmt: skip
    group.add_argument("--shared", action="store_true", help="with --web: one window for all, and one at its controls")
    group.add_argument("--web-host", action="append", default=[], metavar="NAME",
                       help="with --web: another name under which browsers reach it; may be given again")  # fmt: skip
    group.add_argument("--web-token", metavar="FILE",
                       help="with --web: keep its secret in a file, which is made, for the next start")  # fmt: skip
    group.add_argument("--tls-cert", metavar="FILE", help="with --web: serve https with this certificate (PEM)")
    group.add_argument("--tls-key", metavar="FILE", help="with --web: the certificate's private key (PEM)")


def web_options(given: argparse.Namespace) -> WebOptions | None:
    """Return what the flags say; None without `--web`. `ToolboxError` where they contradict each other or others."""
    beside = {"--shared": given.shared, "--web-host": given.web_host, "--web-token": given.web_token}
    beside |= {"--tls-cert": given.tls_cert, "--tls-key": given.tls_key}
    if given.web is None:
        for flag, value in beside.items():
            if value:
                raise ToolboxError(f"{flag} needs --web")
        return None
    refused = {"--headless": given.headless, "--record": given.record, "--script": given.script}
    refused |= {"--frames": given.frames}
    for flag, value in refused.items():
        if value:
            raise ToolboxError(f"{flag} does not go with --web")
    if given.watch and not given.shared:
        raise ToolboxError("--watch with --web needs --shared: the network that changes has one window, which all see")
    if bool(given.tls_cert) != bool(given.tls_key):
        raise ToolboxError("--tls-cert and --tls-key go together: a certificate and its private key")
    files = [user_path(each) for each in (given.tls_cert, given.tls_key) if each]
    for flag, path in zip(("--tls-cert", "--tls-key"), files, strict=False):
        if not path.is_file():
            raise ToolboxError(f"{flag} {shown_path(path)}: there is no such file")
    token_file = user_path(given.web_token) if given.web_token else None
    host, port = given.web
    return WebOptions(host, port, given.shared, tuple(given.web_host), token_file, *(files or (None, None)))
