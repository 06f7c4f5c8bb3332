"""The live window in a notebook's cell."""

from __future__ import annotations

import atexit
import html
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.actions import go_to
from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
from deepvis_toolbox.live.pictures.picture_shelf import open_shelf
from deepvis_toolbox.live.start import StartOptions
from deepvis_toolbox.live.web_flags import WebOptions
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.notebook import Picture, pixels_of
from deepvis_toolbox.opening.loading import load_network
from deepvis_toolbox.settings.sections import Settings
from deepvis_toolbox.web.access import Access
from deepvis_toolbox.web.one_network import OneNetwork
from deepvis_toolbox.web.server_sources import GivenPicture, Lendable
from deepvis_toolbox.web.start import opened_server, opened_sources
from deepvis_toolbox.web.viewing import Stage
from deepvis_toolbox.web.window_command import check_installed
from deepvis_toolbox.words.unit import Unit, parse_unit

FRAMES_FROM = "'self' http://localhost:* http://127.0.0.1:* vscode-webview:"
"""Whose pages may hold the window: this machine's notebooks, and those of the server that it is reached through."""
HUB_PREFIX = "JUPYTERHUB_SERVICE_PREFIX"
SECONDS_FOR_A_PICTURE = 60.0


class LiveWindow:
    """A window that runs until `close`; shown by every cell whose last line it is. A context manager."""

    def __init__(self, network: Network, is_own: bool, source: Lendable | str, at: str, height: int) -> None:
        """`is_own`: `close` releases the network. See `window` for the rest."""
        self._network, self._height = network, height
        self._stack = ExitStack()
        try:
            self._open(network, is_own, source, at)
        except BaseException:
            self._stack.close()
            raise
        atexit.register(self.close)

    def _open(self, network: Network, is_own: bool, source: Lendable | str, at: str) -> None:
        settings = Settings()
        shelf = partial(open_shelf, commands=PictureCommands(network.name), folder=None, byte_limit=64 << 20)
        inputs = (source,) if isinstance(source, str) else ()
        options = StartOptions(lambda: network, settings, inputs, open_shelf=shelf)
        shared = OneNetwork(options.load, is_own=is_own)
        self._stack.callback(shared.close)
        sources = opened_sources(options, self._stack) if isinstance(source, str) else [source]
        where = at or _hub_address()
        name = urlsplit(where).hostname
        access = Access("127.0.0.1", [name] if name else [], any_name=bool(where and not name))
        stage = Stage(options, shared, sources)
        server = opened_server(stage, WebOptions(is_shared=True), self._stack, access, FRAMES_FROM)
        here = server.address(access.token)
        self.address = where.replace("{port}", str(server.port)) + f"#{access.token}" if where else here
        """What the cell's frame opens. Whoever has it can use the window."""
        self._viewing = server.viewers.viewing()

    def goto(self, unit: str | Unit) -> Self:
        """Select a unit by its address, such as `fc:9` or `fc:tabby`. `ToolboxError` where there is no such unit."""
        asked = parse_unit(str(unit), self._network.layers, self._network.class_names)
        self._viewing.order(partial(go_to, unit=asked))
        return self

    def snapshot(self) -> Image.Image:
        """Return what the window shows, in RGB, once what it asks of the network is answered.

        `ToolboxError` where it is closed, or no answer comes within a minute.
        """
        if not self._viewing.is_alive():
            raise ToolboxError("the window is closed")
        try:
            return Image.fromarray(self._viewing.picture().result(SECONDS_FOR_A_PICTURE))
        except TimeoutError:
            raise ToolboxError(f"the window has shown no answer in {SECONDS_FOR_A_PICTURE:.0f} s") from None

    def close(self) -> None:
        """End the window; the network stays open where it was given."""
        self._stack.close()
        atexit.unregister(self.close)

    def _repr_html_(self) -> str:
        if not self._viewing.is_alive():
            return "<p>the window is closed</p>"
        allowed = "camera; clipboard-read; fullscreen"
        return (
            f'<iframe src="{html.escape(self.address)}" width="100%" height="{self._height}" allow="{allowed}" '
            'style="border: 0" title="Deep Visualization Toolbox"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<live window of {self._network.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def window(model: str | Network = "", source: Picture = "demo", *, at: str = "", height: int = 700) -> LiveWindow:
    """Show the live window in a notebook's cell, and return a handle for it.

    `model`: a network, or what names one, as after `--model`; empty: the default one. `source`: as after `--input`, a
    PIL picture, or RGB uint8 H×W×3. `at`: how a browser reaches a port of this machine, where that is not directly,
    such as `https://hub.example.org/user/me/proxy/{port}/`; on JupyterHub that is known. `height`: of the cell, in
    pixels. Needs the extra `web`. `ToolboxError` where something cannot be opened.
    """
    check_installed("window")
    if isinstance(source, (str, Path)):
        given: Lendable | str = str(source)
    else:
        given = GivenPicture("picture", np.array(pixels_of(source)))
    is_own = isinstance(model, str)
    network = (load_network(model) if model else load_network()) if isinstance(model, str) else model
    return LiveWindow(network, is_own, given, at, height)


def _hub_address() -> str:
    """Return how JupyterHub's proxy (jupyter-server-proxy) leads to a port; empty elsewhere."""
    prefix = os.environ.get(HUB_PREFIX, "")
    return f"{prefix}proxy/{{port}}/" if prefix.startswith("/") else ""
