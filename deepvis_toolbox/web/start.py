"""Starts the server from what the command line and the settings say, and ends it."""

from __future__ import annotations

from concurrent.futures import TimeoutError as StillLoadingError
from contextlib import ExitStack

import cv2

from deepvis_toolbox.live.start import StartOptions, default_input
from deepvis_toolbox.live.web_flags import WebOptions
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.web.access import Access, token_of_file
from deepvis_toolbox.web.one_network import OneNetwork
from deepvis_toolbox.web.server import Address, Server
from deepvis_toolbox.web.server_sources import ServerSource
from deepvis_toolbox.web.viewers import Viewers
from deepvis_toolbox.web.viewing import Stage

SECONDS_BETWEEN_LOOKS = 0.5
"""At whether the network is loaded; signals are answered meanwhile."""


def opened_server(stage: Stage, web: WebOptions, stack: ExitStack, access: Access, frames_from: str = "") -> Server:
    """Return a server that has been started, and that the stack closes. `frames_from`: whose pages may hold its page,
    as CSP writes it."""
    cv2.setNumThreads(1)  # the network has the other processors; small pictures gain nothing from more
    viewers = Viewers(stage, web.is_shared)
    address = Address(web.host, web.port, web.certificate, web.key)
    server = Server(address, access, viewers, frames_from)
    stack.callback(server.close)
    server.start()
    return server


def run_web(options: StartOptions, web: WebOptions) -> None:
    """Serve until a signal comes, which is raised. `ToolboxError` where there is no network to show."""
    with ExitStack() as stack:
        token = token_of_file(web.token_file) if web.token_file else None
        access = Access(web.host, web.names, token, is_encrypted=web.certificate is not None)
        network = None if options.training else OneNetwork(options.load, options.open_counterpart)
        if network:
            stack.callback(network.close)
        stage = Stage(options, network, opened_sources(options, stack))
        server = opened_server(stage, web, stack, access)
        for line in _greeting(server, web, access):
            print(line, flush=True)
        if network:
            _await(network)
        server.wait()


def _await(network: OneNetwork) -> None:
    """Return once the network is loaded; what kept it from that is raised."""
    while not network.loading.done():
        try:
            network.loading.exception(SECONDS_BETWEEN_LOOKS)
        except StillLoadingError:
            continue
    network.network()


def opened_sources(options: StartOptions, stack: ExitStack) -> list[ServerSource]:
    """Return the server's inputs, closed by the stack. `ToolboxError` for one that cannot be opened."""
    source_options = SourceOptions(**dict(options.settings.sources), realtime=True)
    opened = []
    for text in options.inputs or options.settings.sources.input or [default_input()]:
        source = ServerSource(text, source_options)
        stack.callback(source.close)
        opened.append(source)
    return opened


def _greeting(server: Server, web: WebOptions, access: Access) -> list[str]:
    """Return what a person has to know, secrets among it: they go to standard output, not into the log."""
    name = next(iter(web.names), "")
    lines = [f"open in a browser: {server.address(access.token, name)}"]
    if web.is_shared:
        lines += [f"to watch only:     {server.address(access.watch_token, name)}"]
    lines += ["whoever has this address can use the window; Ctrl-C ends it"]
    if not Address(web.host, web.port).is_local and web.certificate is None:
        lines += ["the connection is not encrypted: others on the network can read along; see --tls-cert, or ssh -L"]
    return lines
