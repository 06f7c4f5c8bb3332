"""Builds the atlas: looks every layer up, writes its pictures, and then the pages that lead to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deepvis_toolbox.atlas.contents import Contents, LayerContents
from deepvis_toolbox.atlas.live_page import write_live
from deepvis_toolbox.atlas.other_network import KINDS, OtherNetwork
from deepvis_toolbox.atlas.pages import LayerPage, assets, index_page, layer_page, quiz_page
from deepvis_toolbox.atlas.sheets import NAMES, TILE, sheet_of, write_montage, write_sheet
from deepvis_toolbox.atlas.site import Site
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.scan.top_images import TopImages
    from deepvis_toolbox.unit_images.store import UnitImageStore

MOST_FEEDS = 12


class Atlas:
    """An atlas of a network. `longest`: pixels of a unit's nine pictures together; `command`: opens the live window;
    `other`: a network that it is compared with."""

    def __init__(
        self,
        network: Network,
        store: UnitImageStore,
        scan: TopImages | None,
        longest: int,
        command: str,
        other: OtherNetwork | None = None,
    ) -> None:
        self._contents, self._other = Contents(network, store, scan, other), other
        self._network, self._store, self._longest, self._command = network, store, longest, command
        self._scanned = scan.pictures_read if scan else 0

    def layers(self, wanted: Sequence[str] = ()) -> list[str]:
        """Return the layers that get a page. `ToolboxError` where none would."""
        found = self._contents.layers(wanted)
        if not found:
            raise ToolboxError(
                f'"{self._store.folder}" holds no pictures of {self._network.name}, and there is no scan: nothing to '
                "show; name a store with --store or a scan with --maxes"
            )
        return found

    def build(
        self, site: Site, layers: Sequence[str], progress: Progress, runtime: Mapping[str, bytes] | None = None
    ) -> None:
        """Write all pages; `progress` advances by 1 for each layer. `runtime`: the files of what computes in the
        visitor's browser, for a page that does; None: without it."""
        pages: dict[str, LayerPage] = {}
        for name in layers:
            contents = self._contents.of(name)
            pages[name] = self._pictures(site, contents)
            self._partners_pictures(site, contents)
            progress.advance(1)
        feeds = _feeds(pages)
        for page in pages.values():
            self._data(site, page, feeds)
            site.text(f"layers/{page.file}.html", layer_page(self._network.name, page, pages, self._scanned))
        every = list(self._network.layers.values())
        first = index_page(self._network.name, every, self._contents.graph, pages, self._scanned, bool(runtime))
        site.text("index.html", first)
        if runtime:
            write_live(site, self._network, pages, runtime)
        site.data("data/index.js", "atlasIndex", _index(pages))
        site.text("quiz.html", quiz_page(self._network.name))
        site.data("data/quiz.js", "atlasQuiz", _quiz(self._network.name, pages))
        for name, text in assets().items():
            site.text(name, text)

    def _pictures(self, site: Site, contents: LayerContents) -> LayerPage:
        sheets = {}
        for kind, units in contents.pictured.items():
            folder = f"pictures/{file_name_of(contents.name)}"
            if kind != "max_deconv":
                sheets[kind] = sheet_of(units)
                if units:
                    self._sheet(site, f"{folder}/{NAMES[kind]}.jpg", kind, contents.name, sorted(units))
            for number in sorted(units):
                path = f"{folder}/{number:04d}_{NAMES[kind]}.jpg"
                self._montage(site, path, self._store, kind, Unit(contents.name, number))
                contents.units[number][NAMES[kind]] = quote(path)
        return LayerPage(contents, sheets["regularized_opt"], sheets["max_im"])

    def _partners_pictures(self, site: Site, contents: LayerContents) -> None:
        """Write the pictures of the units that stand for the layer's own in the other network."""
        if self._other is None or self._other.store is None:
            return
        for kind in KINDS:
            pictured = self._other.pictured(kind, contents.name)
            for number, unit in enumerate(contents.units):
                if unit.get("other", {}).get("unit") in pictured:
                    path = f"pictures/{file_name_of(contents.name)}/{number:04d}_other_{NAMES[kind]}.jpg"
                    self._montage(site, path, self._other.store, kind, Unit(contents.name, unit["other"]["unit"]))
                    unit["other"][NAMES[kind]] = quote(path)

    def _montage(self, site: Site, path: str, store: UnitImageStore, kind: UnitImageKind, unit: Unit) -> None:
        write = partial(write_montage, store=store, kind=kind, unit=unit, longest=self._longest)
        site.made(path, store.files(kind, unit), self._longest, write)

    def _sheet(self, site: Site, path: str, kind: UnitImageKind, layer: str, units: list[int]) -> None:
        files = [file for number in units for file in self._store.files(kind, Unit(layer, number))]
        write = partial(write_sheet, store=self._store, kind=kind, layer=layer, units=units)
        site.made(path, files, (TILE, units), write)

    def _data(self, site: Site, page: LayerPage, feeds: Mapping[tuple[str, int], list[Any]]) -> None:
        name, units = page.contents.name, {}
        for number, unit in enumerate(page.contents.units):
            said = dict(unit)
            if (name, number) in feeds:
                said["feeds"] = feeds[name, number][:MOST_FEEDS]
            if said:
                units[str(number)] = said
        record = {
            "name": name,
            "units": units,
            "command": self._command,
            "without_weights": page.contents.without_weights,
        }
        if (partners := page.contents.partners) is not None:
            record["other"] = {"name": partners.network, "why_none": partners.why_none}
        site.data(f"data/{page.file}.js", "atlasLayer", record)


def _feeds(pages: Mapping[str, LayerPage]) -> dict[tuple[str, int], list[Any]]:
    """Return {(layer, unit): [[layer above, unit, its label, weight], …]}, the largest weights first, as far as the
    units above say what feeds them."""
    found: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for name, page in pages.items():
        for number, unit in enumerate(page.contents.units):
            for layer, other, total, _ in unit.get("fed", ()):
                found[layer, other].append([name, number, unit.get("label", ""), total])
    for rows in found.values():
        rows.sort(key=lambda row: -abs(row[3]))
    return found


def _index(pages: Mapping[str, LayerPage]) -> dict[str, Any]:
    layers = [{"name": name, "href": page.href, "units": len(page.contents.units)} for name, page in pages.items()]
    classes = [
        [unit["label"], name, number]
        for name, page in pages.items()
        for number, unit in enumerate(page.contents.units)
        if unit.get("label")
    ]
    return {"layers": layers, "classes": classes}


def _quiz(network: str, pages: Mapping[str, LayerPage]) -> dict[str, Any]:
    units = [
        {"label": unit["label"], "layer": name, "unit": number, "picture": unit["preferred"]}
        for name, page in pages.items()
        for number, unit in enumerate(page.contents.units)
        if unit.get("label") and unit.get("preferred")
    ]
    return {"key": f"deepvis-quiz {network}", "units": units}
