"""Behind nginx, below a path, and as a service: as docs/web.md says that they are set up."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox import window
from deepvis_toolbox.web import notebook_window
from deepvis_toolbox.web.access import Access
from tests.conftest import ROOT

from .conftest import Served, load, serving
from .test_browser import Tab

SECONDS = 20.0
NAME = "deepvis.localhost"
"""Chromium takes it for this machine; the server knows it by `--web-host` alone."""
Proxy = Callable[[str, dict[str, str]], int]
"""Starts nginx with these locations and pages, {path: what it says}; its port."""


def documented(begins: str = "location ") -> str:
    """The block in the documentation that begins so; nginx's by default."""
    text = (ROOT / "docs" / "web.md").read_text("utf-8")
    return re.findall(rf"```text\n({re.escape(begins)}.*?)```", text, re.DOTALL)[0]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.skip("nginx is missing")
    with ExitStack() as stack:
        yield lambda locations, pages: started(program, tmp_path, locations, pages, stack)


def started(program: str, folder: Path, locations: str, pages: dict[str, str], stack: ExitStack) -> int:
    port, paths = free_port(), ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "site").mkdir()
    for name, text in pages.items():
        (folder / "site" / name).write_text(text)
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in paths)
    user = "user root; " if os.getuid() == 0 else ""  # its worker else cannot write into the test's folder
    (folder / "nginx.conf").write_text(
        f"{user}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors.log;\n"
        f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off; default_type text/html;\n{temporary}"
        f"server {{\nlisten 127.0.0.1:{port};\nroot {folder}/site;\n{locations}\n}}\n}}\n"
    )
    given = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors.log")]
    running = subprocess.Popen(given)
    stack.callback(running.wait, SECONDS)
    stack.callback(running.terminate)
    deadline = time.monotonic() + SECONDS
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return port
        assert running.poll() is None, (folder / "errors.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def behind(photos: Path) -> Iterator[Served]:
    with serving("demo", str(photos), access=Access("127.0.0.1", [NAME])) as served:
        yield served


def test_the_documented_block_leads_to_the_window_below_a_path(
    browser: Any, behind: Served, proxy: Proxy, tmp_path: Path
) -> None:
    port = proxy(documented().replace("127.0.0.1:8000", f"127.0.0.1:{behind.server.port}"), {})
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    tab = Tab(context, behind, f"http://{NAME}:{port}/deepvis/#{behind.access.token}")
    tab.next_frames(5)
    tab.page.locator("#stage").press("o")
    tab.wait(lambda: tab.unit == "relu:0")
    tab.page.locator("#camera").click()
    tab.wait(lambda: tab.page.evaluate("window.camera_taken.length") >= 3)
    taken = tab.page.evaluate("window.camera_taken")
    tab.wait(lambda: tab.page.evaluate("window.frames_seen.at(-1).source") >= taken[0])
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "two-megabytes.png")
    assert (tmp_path / "two-megabytes.png").stat().st_size > 2 << 20, "more than nginx lets through by itself"
    tab.page.locator("#chosen").set_input_files(str(tmp_path / "two-megabytes.png"))
    tab.wait(lambda: "two-megabytes.png" in str(tab.page.locator("#status").text_content()))
    with tab.page.expect_download() as download:
        tab.page.locator("#stage").press("p")
    assert download.value.suggested_filename.endswith(".png")
    tab.page.reload()
    tab.wait(lambda: tab.frames > 0)
    assert tab.problems == []
    assert all(url.startswith((f"http://{NAME}:{port}/deepvis/", "blob:")) for url in tab.asked)
    context.close()


def test_without_the_slash_the_page_is_found_and_another_host_is_refused(
    browser: Any, behind: Served, proxy: Proxy
) -> None:
    port = proxy(documented().replace("127.0.0.1:8000", f"127.0.0.1:{behind.server.port}"), {})
    context = browser.new_context()
    tab = Tab(context, behind, f"http://{NAME}:{port}/deepvis#{behind.access.token}")
    assert tab.page.url == f"http://{NAME}:{port}/deepvis/"
    context.close()
    page = browser.new_page()
    answer = page.goto(f"http://other.localhost:{port}/deepvis/")
    assert answer.status in (403, 421)
    page.close()


def test_a_cell_on_a_hub_shows_the_window_through_its_proxy(
    browser: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """jupyter-server-proxy takes `/user/NAME/proxy/PORT` off the path, passes the `Host`, and adds no slash."""
    monkeypatch.setenv(notebook_window.HUB_PREFIX, "/user/me/")
    locations = (
        "location ~ ^/user/me/proxy/(?<port>[0-9]+)(?<rest>/.*)$ {\nproxy_pass http://127.0.0.1:$port$rest$is_args$args;"
        "\nproxy_http_version 1.1;\nproxy_set_header Host $http_host;\nproxy_set_header Upgrade $http_upgrade;\n"
        'proxy_set_header Connection "upgrade";\nproxy_buffering off;\n}'
    )
    with load() as net, window(net, np.full((40, 40, 3), (255, 0, 0), np.uint8)) as view:
        port = proxy(locations, {"lab.html": f"<!doctype html><title>hub</title>{view._repr_html_()}"})
        page, problems = browser.new_page(), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"http://{NAME}:{port}/lab.html")
        frame = page.frame_locator("iframe")
        frame.locator("#unit", has_text="conv1:0").wait_for(timeout=1000 * SECONDS)
        frame.locator("#stage").press("o")
        frame.locator("#unit", has_text="relu:0").wait_for(timeout=1000 * SECONDS)
        assert problems == []
        page.close()


def test_the_unit_for_systemd_is_valid_and_takes_an_end_by_sigterm_as_a_success(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is missing")
    unit = documented("[Unit]")
    assert "SuccessExitStatus=143" in unit.splitlines(), (
        "this is what SIGTERM ends it with (tests/faults/test_signals.py)"
    )
    (tmp_path / "deepvis.service").write_text(unit.replace("/opt/deepvis/bin/deepvis", sys.executable))
    done = subprocess.run([program, "verify", str(tmp_path / "deepvis.service")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
