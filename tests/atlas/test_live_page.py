"""The page that computes in the visitor's browser: what it computes is what the program does, and nothing is asked of
others."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.atlas import live_runtime
from deepvis_toolbox.atlas.atlas_command import parser
from deepvis_toolbox.atlas.live_network import PIXELS, live_network, onnx_bytes
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.opened_module import network_of_module
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.opening.model_file import FetchItem
from deepvis_toolbox.sources.decode import decode_picture
from tests.conftest import missing
from tests.kinds_of_networks import KINDS, flags_of

from .conftest import build, files_of
from .test_atlas import data_of

FAKE = {name: name.encode() for name in live_runtime.FILES}
SECONDS = 60_000


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_runtime, "runtime_files", lambda _: FAKE)


@pytest.fixture(scope="module")
def runtime() -> Mapping[str, bytes]:
    """The real one, as it is kept here or fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_CACHE_HOME", raising=False)
        try:
            return live_runtime.runtime_files(print)
        except ToolboxError as error:
            pytest.skip(str(error))


class Mixed(nn.Module):
    """Rectifiers in place, a branch that is read later, and classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.last = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = torch.relu_(self.second(x) + x)
        return self.last(nn.functional.max_pool2d(x, 2).mean((2, 3)))


@pytest.mark.parametrize("how", ["default network", "gray", "BGR+1", "mean image"])
def test_the_exported_network_gives_the_values_of_ours(how: str) -> None:
    channels, mean, size = "RGB", np.float32(100), (20, 24)
    if how == "gray":
        channels = how
    elif how == "mean image":
        channels, mean = "gray", np.random.default_rng(1).uniform(0, 255, (1, *size)).astype(np.float32)
    elif how == "BGR+1":
        channels = how
    module = Mixed().eval()
    if channels == "BGR+1":
        module.first[0] = nn.Conv2d(4, 6, 3, padding=1)
    preprocessing = Preprocessing(size, channels, mean=mean, std=50)
    described = ModelDescription("mixed", preprocessing, labels=tuple("abcde"))
    net = load_network() if how == "default network" else network_of_module(module, described, torch.device("cpu"))
    with net:
        assert set(exported(net)) == set(net.layers) - {net.input_name}


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_every_kind_are_exported(kind: str, tmp_path: Path) -> None:
    given = parser().parse_args(
        [*flags_of(kind, tmp_path), "--out", "site", "--device", "cpu", "--trust", str(tmp_path)]
    )
    with opened_network(given) as net:
        assert exported(net)


def exported(net: Network) -> tuple[str, ...]:
    """The layers that the file gives out, once ONNX Runtime has found the network's values for them."""
    onnxruntime = pytest.importorskip("onnxruntime")
    live = live_network(net)
    frame = np.random.default_rng(0).integers(0, 256, (*net.preprocessing.size, 3)).astype(np.uint8)
    right = net.forward(torch.from_numpy(net.preprocessing.values_of(frame).copy())[None], live.layers)
    session = onnxruntime.InferenceSession(onnx_bytes(live, net.preprocessing.size))
    found = session.run(live.outputs, {PIXELS: frame.astype(np.float32)})
    for name, value in zip(live.layers, found, strict=False):
        np.testing.assert_allclose(value, right[name].numpy(), rtol=1e-3, atol=1e-4 * float(right[name].abs().max()))
    if net.probability_layer:
        wanted = net.probabilities(right[net.probability_layer]).numpy()
        np.testing.assert_allclose(found[-1], wanted, atol=1e-5)
    return live.layers


@pytest.mark.usefixtures("fake_runtime")
def test_what_is_built_is_whole_written_once_and_goes_without_the_flag(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(made, tmp_path / "site", "--live") == 0
    first = files_of(tmp_path / "site")
    assert {f"live/runtime/{name}" for name in FAKE} < first.keys()
    assert {"live.html", "live/network.onnx", "live/network.js", "live/worker.js", "live/fit.js"} < first.keys()
    assert '<a href="live.html">' in first["index.html"].decode()
    data = data_of(tmp_path / "site" / "live" / "network.js")
    assert {layer["name"]: layer["preferred"].keys() for layer in data["layers"]}["4"] == {"0", "1"}
    capsys.readouterr()
    assert build(made, tmp_path / "site", "--live", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0
    assert build(made, tmp_path / "other", "--live") == 0
    assert files_of(tmp_path / "other") == first
    assert build(made, tmp_path / "site") == 0
    assert not (tmp_path / "site" / "live").exists()
    assert not (tmp_path / "site" / "live.html").exists()
    assert "live.html" not in (tmp_path / "site" / "index.html").read_text("utf-8")


# -- the runtime ------------------------------------------------------------------------------------------------------


def package_of(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@contextmanager
def site_server(folder: Path, **headers: str) -> Iterator[str]:
    """As `python -m http.server` in a folder, with these headers; its address."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def published(monkeypatch: pytest.MonkeyPatch, address: str, content: bytes) -> None:
    item = FetchItem(url=address, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    monkeypatch.setattr(live_runtime, "PACKAGE", item)


def test_the_runtime_is_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = package_of({**FAKE, "ort.min.js": b"not wanted"})
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "package.tgz").write_bytes(content)
    with site_server(tmp_path / "served") as address:
        published(monkeypatch, f"{address}package.tgz", content)
        assert live_runtime.runtime_files(print) == FAKE
    assert live_runtime.runtime_files(print) == FAKE, "the server is gone"
    (kept,) = (tmp_path / "cache" / "deepvis-toolbox" / "npm").glob("*.tgz")
    kept.write_bytes(content[:-1] + b"x")
    with pytest.raises(ToolboxError, match="not the published file"):
        live_runtime.runtime_files(print)


def test_another_file_than_the_published_one_is_refused_and_not_kept(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = package_of(FAKE), package_of(dict.fromkeys(FAKE, b"evil"))
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "package.tgz").write_bytes(wrong + bytes(max(0, len(right) - len(wrong))))
    with site_server(tmp_path / "served") as address:
        published(monkeypatch, f"{address}package.tgz", right)
        assert build(made, tmp_path / "site", "--live") == 2
    told = capsys.readouterr().err
    assert "could not be fetched" in told
    assert "get it by hand, and put it at" in told
    assert not list((tmp_path / "cache").rglob("*.tgz"))
    assert not (tmp_path / "site").exists()


# -- in the browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium (Debian's package chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def live_site(made: Path, runtime: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("live") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPVIS_MODELS", str(made))
        patch.setattr(live_runtime, "runtime_files", lambda _: runtime)
        assert build(made, out, "--live") == 0
    return out


@contextmanager
def live_tab(browser: Any, address: str) -> Iterator[Any]:
    page, problems, asked = browser.new_page(), [], []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script("document.addEventListener('deepvis-live', (event) => { window.answer = event.detail; });")
    page.goto(f"{address}live.html")
    page.wait_for_selector("#camera:enabled", timeout=SECONDS)
    yield page
    assert problems == []
    assert all(url.startswith((address, "blob:", "data:")) for url in asked), "nothing is asked of anybody else"
    page.close()


def wait(page: Any, holds: str) -> None:
    """Wait until something holds in the page, whose policy lets it evaluate no text itself."""
    deadline = time.monotonic() + SECONDS / 1000
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, f"{holds}; {page.inner_text('#told')}"
        page.wait_for_timeout(20)


def answer_of(page: Any, layer: str) -> Any:
    wait(page, f"window.answer?.layer === '{layer}'")
    return page.evaluate(
        "() => ({ values: [...answer.values], seen: [...answer.seen], probabilities: [...answer.probabilities] })"
    )


def test_the_values_of_a_chosen_picture_are_the_programs(
    browser: Any, live_site: Path, made: Path, tmp_path: Path
) -> None:
    frame = cv2.resize(np.random.default_rng(3).integers(0, 256, (6, 9, 3)).astype(np.uint8), (90, 60))
    cv2.imwrite(str(tmp_path / "chosen.png"), frame[..., ::-1])
    with load_network(str(made / "model"), device="cpu") as net, site_server(live_site) as address:
        fitted = net.preprocessing.fit(decode_picture(tmp_path / "chosen.png"))
        with live_tab(browser, address) as page:
            assert "The values of a test picture are those of the program" in page.inner_text("#told")
            page.set_input_files("#file", str(tmp_path / "chosen.png"))
            for layer in ("0", "4", "6"):
                page.select_option("#layer", layer)
                found = answer_of(page, layer)
                seen = np.reshape(np.array(found["seen"], np.float32), fitted.shape)
                assert np.abs(seen - fitted).max() <= 1, "rounding apart, the same pixels"
                right = net.forward(
                    torch.from_numpy(net.preprocessing.values_of(seen.astype(np.uint8)).copy())[None], [layer, "6"]
                )
                np.testing.assert_allclose(found["values"], right[layer].numpy().ravel(), rtol=1e-4, atol=1e-4)
                np.testing.assert_allclose(found["probabilities"], right["6"].softmax(1).numpy().ravel(), atol=1e-4)
            page.keyboard.press("Escape")
            page.locator("#maps").focus()
            page.keyboard.press("u")
            assert answer_of(page, "5")
            page.select_option("#layer", "4")
            answer_of(page, "4")
            page.locator("#maps").click(position={"x": 5, "y": 5})
            assert page.locator("#selected a").get_attribute("href") == "layers/4.html#0"
            assert page.locator("#selected img").get_attribute("src") == "pictures/4/0000_preferred.jpg"


def test_the_camera_is_seen_frame_by_frame(browser: Any, live_site: Path) -> None:
    with site_server(live_site) as address, live_tab(browser, address) as page:
        page.click("#camera")
        wait(page, "window.answer?.number >= 5")
        first = page.evaluate("() => [...answer.seen]")
        wait(page, "window.answer?.number >= 25")
        assert page.evaluate("() => [...answer.seen]") != first
        assert "frames a second" in page.inner_text("#rate")
        page.click("#camera")
        assert page.inner_text("#camera") == "Camera"


def test_with_the_headers_of_isolation_it_computes_too(browser: Any, live_site: Path) -> None:
    headers = {"Cross_Origin_Opener_Policy": "same-origin", "Cross_Origin_Embedder_Policy": "require-corp"}
    with site_server(live_site, **headers) as address, live_tab(browser, address) as page:
        assert page.evaluate("self.crossOriginIsolated")
        assert "are those of the program" in page.inner_text("#told")


def test_a_browser_that_computes_something_else_says_so(browser: Any, live_site: Path, tmp_path: Path) -> None:
    shutil.copytree(live_site, tmp_path / "site")
    data = data_of(live_site / "live" / "network.js")
    next(layer for layer in data["layers"] if layer["name"] == "4")["mean"] *= 1.1
    (tmp_path / "site" / "live" / "network.js").write_text(f"window.atlasLive = {json.dumps(data)};")
    with site_server(tmp_path / "site") as address, live_tab(browser, address) as page:
        assert "something else than the program, in 4 by 9.1 %" in page.inner_text("#told")


def test_from_the_disk_it_says_what_it_needs(browser: Any, live_site: Path) -> None:
    page = browser.new_page()
    page.goto((live_site / "live.html").as_uri())
    assert "python -m http.server" in page.inner_text("#told")
    assert page.locator("#camera").is_disabled()
    page.close()


@pytest.mark.parametrize("shape", [(16, 16), (10, 13), (30, 25), (64, 48), (101, 77), (1, 40)])
def test_pictures_are_fitted_as_by_the_program(browser: Any, live_site: Path, shape: tuple[int, int]) -> None:
    """By cubic, linear and area interpolation, and as they are."""
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    given = np.concatenate([frame, np.full((*shape, 1), 255, np.uint8)], 2)
    with site_server(live_site) as address:
        page = browser.new_page()
        page.goto(f"{address}index.html")
        for size, crop in (((16, 16), 1.0), ((11, 17), 0.875)):
            found = page.evaluate(
                """async ([pixels, width, height, size, fraction]) => {
                    const { centreCrop, fitted } = await import("./live/fit.js");
                    const crop = centreCrop(width, height, size, fraction), cut = [];
                    for (let y = crop.y; y < crop.y + crop.height; y++)
                        cut.push(...pixels.slice((y * width + crop.x) * 4, (y * width + crop.x + crop.width) * 4));
                    return [...fitted(cut, crop.width, crop.height, size)];
                }""",
                [given.ravel().tolist(), shape[1], shape[0], size, crop],
            )
            wanted = Preprocessing(size, crop=crop).fit(frame)
            assert np.abs(np.reshape(found, wanted.shape) - wanted).max() <= 1
        page.close()


def test_another_engine_and_what_torch_cannot_write_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolboxError, match='the engine "caffe" exports nothing; use --engine torch'):
        live_network(cast(Network, SimpleNamespace(engine="caffe")))

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand much more")

    with opened_network(parser().parse_args(["--out", "site", "--device", "cpu"])) as net:
        live = live_network(net)
        monkeypatch.setattr(torch.onnx, "export", fails)
        with pytest.raises(ToolboxError, match="torch cannot write the network as ONNX: no such operator"):
            onnx_bytes(live, net.preprocessing.size)
