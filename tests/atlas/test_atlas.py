"""The atlas: what its pages say of each unit, where they lead, and what is written anew."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np
import pytest

from deepvis_toolbox import Unit, load_network
from deepvis_toolbox.atlas.contents import Contents
from deepvis_toolbox.atlas.pages import assets
from deepvis_toolbox.optimize import AscentSettings, preferred_images
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.montage import GAP
from deepvis_toolbox.unit_images.numbers import JudgeNumbers, UnitNumbers, add_numbers, natural_of, picture_hash
from deepvis_toolbox.unit_images.store import UnitImageStore
from tests.conftest import ROOT, missing
from tests.pipeline import pipeline_convnet

from .conftest import LABELS, PICTURED, build, files_of


@pytest.fixture(scope="module")
def site(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPVIS_MODELS", str(made))
        out = tmp_path_factory.mktemp("site") / "atlas"
        assert build(made, out, "--maxes", str(made / "maxes")) == 0
    return out


def data_of(path: Path) -> Any:
    """What a script of data sets."""
    text = path.read_text("utf-8")
    assert "<" not in text, "nothing in it may end a script"
    assert "\u2028" not in text
    found = re.fullmatch(r"window\.\w+ = (.*);\n", text, re.DOTALL)
    assert found
    return json.loads(found[1])


class Page(HTMLParser):
    """The tags of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(path.read_text("utf-8"))
        assert not self.open, "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link", "input", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def places(self) -> list[str]:
        """All that the page leads to or shows."""
        styles = [part for _, found in self.tags for part in re.findall(r"url\('([^']*)'\)", found.get("style", ""))]
        return styles + [found[name] for _, found in self.tags for name in ("href", "src") if name in found]


def pages_of(site: Path) -> list[Page]:
    return [Page(path) for path in sorted(site.rglob("*.html"))]


def test_all_that_pages_lead_to_is_there_and_nothing_lies_elsewhere(site: Path) -> None:
    pages = pages_of(site)
    assert {page.path.name for page in pages} >= {"index.html", "quiz.html", "4.html", "6.html"}
    for page in pages:
        ids = Counter(found["id"] for _, found in page.tags if "id" in found)
        assert max(ids.values(), default=1) == 1
        for place in page.places():
            parts = urlsplit(place)
            assert not parts.scheme
            assert not parts.netloc
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            assert target.is_file(), place
            assert target.is_relative_to(site)


def test_every_picture_says_what_it_is(site: Path) -> None:
    for page in pages_of(site):
        shown = [found for tag, found in page.tags if "picture" in found.get("class", "").split()]
        assert all(found.get("aria-label") or found.get("aria-hidden") for found in shown)
        assert all("alt" in found for tag, found in page.tags if tag == "img")
        assert any(found.get("lang") for tag, found in page.tags if tag == "html")


def test_a_tile_for_every_unit_and_its_picture_is_that_of_the_store(made: Path, site: Path) -> None:
    for layer, pictured in PICTURED.items():
        (page,) = [page for page in pages_of(site) if page.path.name == f"{layer}.html"]
        tiles = [found for tag, found in page.tags if tag == "a" and "data-unit" in found]
        assert [int(found["data-unit"]) for found in tiles] == list(range(len(tiles)))
        bare = {int(found["data-unit"]) for found in tiles if "bare" in found["class"].split()}
        assert set(range(len(tiles))) - bare == pictured
        sheet = cv2.imread(str(site / "pictures" / layer / "preferred.jpg"))
        units = data_of(site / "data" / f"{layer}.js")["units"]
        styles = [found["style"] for tag, found in page.tags if "picture" in found.get("class", "").split()]
        for style in styles:
            assert re.fullmatch(r"background-image:url\('[^']+'\);background-position:-\d+px -\d+px", style)
        for number in sorted(pictured):
            assert units[str(number)]["preferred"] == f"pictures/{layer}/{number:04d}_preferred.jpg"
            left, top = number % round(sheet.shape[1] / 96) * 96, number // round(sheet.shape[1] / 96) * 96
            montage = cv2.imread(
                str(next((made / "store" / "regularized_opt" / layer).glob(f"{layer}_{number:04d}*.jpg")))
            )
            tile = sheet[top : top + 96, left : left + 96].astype(float)
            side = (montage.shape[0] - 2 * GAP) // 3
            first = cv2.resize(montage[:side, :side], (96, 96), interpolation=cv2.INTER_LINEAR)
            assert np.abs(tile - first).mean() < 10


def test_what_feeds_a_unit_are_the_largest_weights_and_the_other_way_round(site: Path) -> None:
    linear = pipeline_convnet.make()[-1]
    sums = linear.weight.detach().reshape(5, 3, 36).sum(2)
    sizes = linear.weight.detach().reshape(5, 3, 36).norm(dim=2)
    above, below = (data_of(site / "data" / f"{layer}.js")["units"] for layer in ("6", "4"))
    for number in PICTURED["6"]:
        fed = above[str(number)]["fed"]
        assert [channel for _, channel, _, _ in fed] == sizes[number].argsort(descending=True).tolist()
        for layer, channel, total, size in fed:
            assert layer == "4"
            assert total == pytest.approx(float(sums[number, channel]), rel=1e-3, abs=1e-5)
            assert size == pytest.approx(float(sizes[number, channel]), rel=1e-3)
    for channel in range(3):
        feeds = below[str(channel)]["feeds"]
        assert {number for _, number, _, _ in feeds} == PICTURED["6"], "as far as pages say what feeds a unit"
        assert [abs(total) for *_, total in feeds] == sorted((abs(total) for *_, total in feeds), reverse=True)
        assert {label for _, _, label, _ in feeds} == set(LABELS[:4])


def test_what_preferred_images_reach_is_the_units_value_on_them_beside_its_largest(made: Path, site: Path) -> None:
    settings = AscentSettings(max_iter=2, lr_policy="constant", lr_params={"lr": 10.0})
    top, shares = TopImages.load(made / "maxes"), 0
    with load_network(str(made / "model"), device="cpu") as net:
        for layer, pictured in PICTURED.items():
            units = data_of(site / "data" / f"{layer}.js")["units"]
            for number in sorted(pictured):
                results = preferred_images(net, [Unit(layer, number)], [0], settings)
                wanted = [float(result.objective[result.best_step]) for result in results]
                reached = units[str(number)]["reached"]
                assert [seed for seed, *_ in reached] == [0]
                assert [value for _, value, _ in reached] == pytest.approx(wanted, rel=1e-2, abs=1e-3)
                largest = float(top.values[layer][number, 0])
                if largest > 0:
                    share = reached[0][2]
                    assert share == pytest.approx(wanted[0] / largest, rel=1e-2, abs=1e-3)
                    shares += share > 0
                else:
                    assert reached[0][2] is None
        assert shares


def test_labels_that_are_hostile_stay_text(site: Path) -> None:
    text = (site / "layers" / "6.html").read_text("utf-8")
    assert "</script><b>" not in text
    assert "&lt;/script&gt;&lt;b&gt;four" in text
    units = data_of(site / "data" / "6.js")["units"]
    assert [units[str(number)]["label"] for number in range(5)] == LABELS
    assert ["</script><b>four", "6", 2] in data_of(site / "data" / "index.js")["classes"]


def test_the_scans_numbers_are_those_of_its_result(made: Path, site: Path) -> None:
    from find_maxes import TopImages

    top, units = TopImages.load(made / "maxes"), data_of(site / "data" / "4.js")["units"]
    statistics = top.statistics("4")
    for number in range(len(statistics.mean)):
        unit = units[str(number)]
        assert unit["largest"] == pytest.approx(float(top.values["4"][number, 0]), rel=1e-3)
        assert unit["mean"] == pytest.approx(statistics.mean[number], rel=1e-3, abs=1e-9)
        assert unit["silent"] == pytest.approx(statistics.silent_share[number], abs=1e-4)
        assert sum(unit["histogram"]["counts"]) == statistics.count[number]
        assert len(unit["histogram"]["edges"]) == len(unit["histogram"]["counts"]) + 1
        correlations = top.correlation("4")[number]
        for other, value in unit.get("with", ()):
            assert other != number
            assert value == pytest.approx(correlations[other], rel=1e-3)


def test_built_again_nothing_is_written_and_elsewhere_the_bytes_are_the_same(
    made: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--maxes", str(made / "maxes"), "--json")
    before = files_of(site)
    assert build(made, site, *more) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0
    assert build(made, tmp_path / "other", *more) == 0
    assert files_of(site) == before
    assert files_of(tmp_path / "other") == before


def test_what_changes_is_written_anew_and_what_goes_is_removed(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "store", made / "changed")
    out = tmp_path / "site"
    assert build(made, out, store="changed") == 0
    before = files_of(out)
    montages = sorted((made / "changed" / "regularized_opt" / "4").glob("4_0000*.jpg"))
    for path in montages:
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    for path in (made / "changed" / "regularized_opt" / "4").glob("4_0001*"):
        path.unlink()
    (made / "changed" / "max_im" / "4" / "4_0001.jpg").unlink()
    capsys.readouterr()
    assert build(made, out, "--json", store="changed") == 0
    after = files_of(out)
    assert "pictures/4/0001_preferred.jpg" in before.keys() - after.keys()
    differ = {path for path in after if before.get(path) != after[path]}
    assert "pictures/4/0000_preferred.jpg" in differ
    assert "pictures/4/preferred.jpg" in differ
    assert not [path for path in differ if path.startswith("pictures/6")]
    shutil.rmtree(made / "changed")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda out: (out / "mine.txt").write_text("x"), "holds other files than an atlas"),
        (lambda out: (out / "built.json").write_text("{"), "is damaged"),
        (lambda out: (out / "built.json").write_text('{"../../x": "1"}'), "it names a file outside of the atlas"),
        (lambda out: (out / "built.json").write_text('["x"]'), "is damaged"),
    ],
)
def test_a_folder_that_is_no_atlas_is_left_alone(
    made: Path, tmp_path: Path, prepare: Any, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    before = files_of(tmp_path)
    assert build(made, tmp_path) == 2
    assert says in capsys.readouterr().err
    assert files_of(tmp_path) == before


def test_what_a_list_of_an_atlas_names_behind_links_stays(made: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("x")
    out = tmp_path / "out"
    out.mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    (out / "former.html").write_text("x")
    names = ["link/mine.txt", "former.html", "a\0b", "n" * 300, "link"]
    (out / "built.json").write_text(json.dumps(dict.fromkeys(names, "0")))
    assert build(made, out) == 0
    assert (tmp_path / "elsewhere" / "mine.txt").read_text() == "x"
    assert not (out / "former.html").exists()


def test_a_scan_of_another_network_is_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made / "maxes", tmp_path / "maxes")
    manifest = json.loads((tmp_path / "maxes" / "manifest.json").read_text())
    manifest["identity"]["network"]["weights_hash"] = "0" * 64
    (tmp_path / "maxes" / "manifest.json").write_text(json.dumps(manifest))
    assert build(made, tmp_path / "out", "--maxes", str(tmp_path / "maxes")) == 2
    assert "the scan is of other weights" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_there_is_nothing_to_show_that_is_said(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(made, tmp_path / "out", store="nothing") == 2
    assert "holds no pictures of tiny, and there is no scan" in capsys.readouterr().err
    assert build(made, tmp_path / "out", "--layers", "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def in_the_browser(address: str, folder: Path) -> str:
    """The page as it is after its scripts ran; they have said no error."""
    if CHROMIUM is None:
        missing("Chromium (Debian's package chromium)")
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]
    command += [f"--user-data-dir={folder}", "--enable-logging=stderr", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_in_a_browser_from_the_disk(site: Path, tmp_path: Path) -> None:
    deep = in_the_browser(f"{(site / 'index.html').as_uri()}#6:2", tmp_path)
    assert "6:2 · &lt;/script&gt;&lt;b&gt;four" in deep
    assert 'src="../pictures/6/0002_preferred.jpg"' in deep
    assert "Fed by (sum of its weights)" in deep
    assert "The preferred images' values" in deep
    assert "--goto 6:2" in deep
    assert re.search(r'id="tile-2"[^>]*aria-current="true"', deep)
    quiz = in_the_browser((site / "quiz.html").as_uri(), tmp_path)
    assert quiz.count('<button type="button">') >= 4
    assert "0 of 0 right" in quiz


def test_the_atlas_in_the_repository_is_small_and_has_the_newest_style_and_script() -> None:
    atlas = ROOT / "docs" / "atlas"
    assert {name: (atlas / name).read_text("utf-8") for name in assets()} == assets()
    assert sum(path.stat().st_size for path in atlas.rglob("*") if path.is_file()) <= 10 << 20
    assert (atlas / "index.html").is_file()


def test_a_unit_says_what_judges_have_kept_of_its_picture(made: Path, tmp_path: Path) -> None:
    store = UnitImageStore(shutil.copytree(made / "store", tmp_path / "store"))
    layer, number = "6", min(PICTURED["6"])
    judged = {"lite1": JudgeNumbers(rank=2, probability=0.25, said="ant")}
    picture = picture_hash(store.files("regularized_opt", Unit(layer, number))[0])
    numbers = UnitNumbers(
        picture_sha256=picture, reached=3.0, transfer=judged, path_similarity=0.5, colour=3, contrast=50
    )
    add_numbers(store, {Unit(layer, number): numbers}, {Unit(layer, number): 2.0})
    scanned = TopImages.load(made / "maxes").largest(layer)[number]
    assert natural_of(UnitImageStore(made / "store"), Unit(layer, number)) == pytest.approx(float(scanned))
    with load_network(str(made / "model"), device="cpu") as net:
        units = Contents(net, store).of(layer).units
    assert units[number]["judged"] == [["lite1", 3, 0.25, "ant"]]
    assert units[number]["look"] == "grey"
    assert (units[number]["over_natural"], units[number]["path"]) == (1.5, 0.5)
    assert "judged" not in units[max(PICTURED["6"])]
