"""The live window in a notebook: its handle, its frame, and the example."""

from __future__ import annotations

import ast
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox import ToolboxError, window
from deepvis_toolbox.web import notebook_window
from deepvis_toolbox.web.notebook_window import LiveWindow
from tests.conftest import ROOT, missing

from .conftest import load


def red() -> np.ndarray:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, :, 0] = 255
    return picture


@pytest.fixture(scope="module")
def net() -> Any:
    return load()


@pytest.mark.parametrize("as_what", ["array", "PIL", "file"])
def test_a_window_goes_to_a_unit_and_gives_its_picture(net: Any, tmp_path: Path, as_what: str) -> None:
    path = tmp_path / "red.png"
    Image.fromarray(red()).save(path)
    given = {"array": red(), "PIL": Image.open(path), "file": path}[as_what]
    with window(net, given) as view:
        first = np.asarray(view.snapshot())
        assert first.shape == (930, 1500, 3)
        assert first[60:200, 20:200].reshape(-1, 3).mean(0).argmax() == 0, "the input is red"
        view.goto("fc:dog")
        second = np.asarray(view.snapshot())
        assert view._viewing.state is not None
        assert view._viewing.state.address == "fc:3"
        assert not np.array_equal(first, second)
    assert net.layers, "a network that was given stays open"
    with pytest.raises(ToolboxError, match="the window is closed"):
        view.snapshot()
    assert view._repr_html_() == "<p>the window is closed</p>"


def test_a_unit_that_does_not_exist_is_refused_at_once(net: Any) -> None:
    with window(net, red()) as view, pytest.raises(ToolboxError, match="nothing"):
        view.goto("nothing:1")


def test_a_source_that_does_not_exist_is_refused(net: Any) -> None:
    with pytest.raises(ToolboxError, match="no-such"):
        window(net, "no-such-file.png")
    with pytest.raises(ToolboxError, match="a picture is RGB"):
        window(net, np.zeros((4, 4)))


def test_below_a_hub_the_frame_goes_through_its_proxy(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notebook_window.HUB_PREFIX, "/user/me/")
    with window(net, red()) as view:
        assert view.address.startswith("/user/me/proxy/")
        assert 'src="/user/me/proxy/' in view._repr_html_()
    monkeypatch.delenv(notebook_window.HUB_PREFIX)
    with window(net, red(), at="https://hub.example.org/p/{port}/") as view:
        assert view.address.startswith("https://hub.example.org/p/")
        assert "{port}" not in view.address


def test_a_cell_of_another_sites_page_shows_it(net: Any) -> None:
    """A notebook at `localhost` holds a frame of `127.0.0.1`: another site, whose cookies the browser keeps back."""
    program = shutil.which("chromium")
    if program is None:
        missing("Chromium (Debian's package chromium)")
    from playwright.sync_api import sync_playwright

    with window(net, red()) as view, notebook_server(view._repr_html_()) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://localhost:{port}/")
        frame = page.frame_locator("iframe")
        frame.locator("#unit", has_text="conv1:0").wait_for(timeout=20_000)
        frame.locator("#stage").press("o")
        frame.locator("#unit", has_text="relu:0").wait_for(timeout=20_000)
        browser.close()


@contextmanager
def notebook_server(cell: str) -> Iterator[int]:
    """A server of one page that holds a cell; its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>notebook</title>{cell}".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_example_notebook_runs() -> None:
    notebook = json.loads((ROOT / "docs" / "examples" / "window.ipynb").read_text("utf-8"))
    names: dict[str, Any] = {}
    shown: list[Any] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            shown.append(run_cell("".join(cell["source"]), names))
    assert isinstance(shown[0], LiveWindow)
    assert isinstance(shown[1], Image.Image)
    assert isinstance(shown[2], Image.Image)
    assert not shown[0]._viewing.is_alive()


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell's code; what its last line is, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - the repository's own file
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
