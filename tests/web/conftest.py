"""A server with a small network, and clients that say to it what they like."""

from __future__ import annotations

import json
import shutil
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from deepvis_toolbox.live.start import StartOptions
from deepvis_toolbox.live.web_flags import WebOptions
from deepvis_toolbox.settings.sections import Settings
from deepvis_toolbox.web.access import Access
from deepvis_toolbox.web.link import FRAME
from deepvis_toolbox.web.one_network import OneNetwork
from deepvis_toolbox.web.server import Server
from deepvis_toolbox.web.start import opened_server, opened_sources
from deepvis_toolbox.web.viewing import Stage, Viewing
from tests.conftest import missing
from tests.nets import opened

SECONDS = 20.0
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
LABELS = ("apple", "bread", "cat", "dog", "egg", "fish", "goat", "house", "ink", "jug")


class SmallNet(nn.Module):
    """Two convolutions and classes, 32×32 in; unit 0 of the first sees red, unit 1 blue."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.fc = nn.Linear(12, 10)
        with torch.no_grad():
            self.conv1.weight[:2] = 0
            self.conv1.bias[:2] = 0
            self.conv1.weight[0, 0, 1, 1] = 1
            self.conv1.weight[1, 2, 1, 1] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return self.fc(x.mean((2, 3))).softmax(1)


def load() -> Any:
    """The network, as a server loads it."""
    return opened(SmallNet(), labels=LABELS)


@dataclass
class Served:
    """A server that runs, and what its tests look at."""

    server: Server
    access: Access
    network: OneNetwork | None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/"

    @property
    def origin(self) -> str:
        return self.base.rstrip("/")

    @property
    def cookie(self) -> str:
        return f"{self.access.cookie}={self.access.session_of('control')}"

    @property
    def viewings(self) -> tuple[Viewing, ...]:
        return tuple(self.server.viewers._viewings)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
        """Status, body and headers of an answer."""
        request = urllib.request.Request(
            self.base + path, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def connect(self, **options: Any) -> ClientConnection:
        """A socket, by default as a page of the server opens it."""
        headers = options.pop("headers", {"Cookie": self.cookie})
        options.setdefault("origin", self.origin)
        return connect(
            f"ws://127.0.0.1:{self.server.port}/window",
            additional_headers=headers,
            compression=None,
            max_size=None,
            open_timeout=SECONDS,
            **options,
        )

    @contextmanager
    def page(self, size: tuple[int, int] = (640, 480), **options: Any) -> Iterator[Page]:
        with self.connect(**options) as socket:
            page = Page(socket)
            page.hello = page.until("hello")
            page.say("size", width=size[0], height=size[1], ratio=1.0)
            yield page


def drawn(message: bytes, before: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """What a page shows once it has drawn the parts in a frame's message over what it shows."""
    width, height = struct.unpack_from("<HH", message, 9)
    is_new = before is None or before.shape != (height, width, 3)
    shown = np.zeros((height, width, 3), np.uint8) if is_new else before.copy()
    at = 13
    while at < len(message):
        left, top, length = struct.unpack_from("<HHI", message, at)
        part = cv2.imdecode(np.frombuffer(message, np.uint8, length, at + 8), cv2.IMREAD_COLOR)[:, :, ::-1]
        shown[top : top + len(part), left : left + part.shape[1]] = part
        at += 8 + length
    return shown


@dataclass
class Page:
    """What a page in a browser does, without a browser."""

    socket: ClientConnection
    hello: dict[str, Any] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    frame: NDArray[np.uint8] | None = None
    number = source = -1
    acknowledges = True

    def say(self, kind: str, **content: Any) -> None:
        self.socket.send(json.dumps({"kind": kind, **content}))

    def press(self, name: str) -> None:
        self.say("press", name=name)

    def take(self, timeout: float = SECONDS) -> str:
        """Take one message; its kind."""
        message = self.socket.recv(timeout)
        if isinstance(message, str):
            content = json.loads(message)
            self.told[content["kind"]] = content
            return content["kind"]
        kind, number, length = struct.unpack("<BII", message[:9])
        if kind != FRAME:
            self.files[message[9 : 9 + length].decode()] = message[9 + length :]
            return "file"
        self.frame = drawn(message, self.frame)
        self.number, self.source = number, length
        if self.acknowledges:
            with suppress(ConnectionClosed):  # what the server said last can still be read
                self.say("shown", frame=number)
        return "frame"

    def until(self, what: str | Callable[[], bool], seconds: float = SECONDS) -> Any:
        """Take messages until one of a kind has come, or something holds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            kind = self.take(max(0.1, deadline - time.monotonic()))
            if kind == what or (callable(what) and what()):
                return self.told.get(kind)
        raise AssertionError(f"{what} did not come; {self.told.get('text')} {self.told.get('end')}")

    def unit(self) -> str:
        return self.told.get("text", {}).get("unit", "")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a red, a green and a blue picture."""
    folder = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(("a-red", "b-green", "c-blue")):
        picture = np.zeros((60, 60, 3), np.uint8)
        picture[:, :, 2 - number] = 255
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, with its own made-up camera."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium (Debian's package chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def serving(*inputs: str, **options: Any) -> Iterator[Served]:
    """A server of the small network with these inputs. `shared`, `settings`, `access`, `load`, `host`."""
    settings = Settings(**options.pop("settings", {}))
    web = WebOptions(is_shared=options.pop("shared", False))
    access = options.pop("access", None) or Access("127.0.0.1")
    with ExitStack() as stack:
        network = None if "training" in options else OneNetwork(options.pop("load", load))
        if network:
            stack.callback(network.close)
        start = StartOptions(load=load, settings=settings, inputs=inputs, **options)
        stage = Stage(start, network, opened_sources(start, stack))
        yield Served(opened_server(stage, web, stack, access), access, network)


@pytest.fixture(scope="module")
def served(photos: Path) -> Iterator[Served]:
    with serving(str(photos), "demo") as served:
        yield served


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (48, 64)) -> bytes:
    """A picture of one colour (RGB) as a camera sends it."""
    picture = np.full((*size, 3), colour[::-1], np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()
