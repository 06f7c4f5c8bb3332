"""The pages: templates filled with what is known of the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from deepvis_toolbox.atlas.contents import LayerContents
from deepvis_toolbox.atlas.sheets import TILE, Sheet
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.words.layer import Layer

_HERE = Path(__file__).parent
STRIP = 6
"""Tiles that the first page shows of a layer."""
SORTS = (
    ("unit", "number"),
    ("label", "name"),
    ("largest", "largest value"),
    ("sparse", "sparsity (seldom active first)"),
    ("selective", "selectivity (largest over mean)"),
)
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
)


@dataclass(frozen=True)
class LayerPage:
    """A layer's page: what is on it, and where its tiles lie."""

    contents: LayerContents
    preferred: Sheet
    top: Sheet

    @property
    def file(self) -> str:
        """Its file name, without an ending."""
        return file_name_of(self.contents.name)

    @property
    def href(self) -> str:
        """Its address, from the site's folder."""
        return f"layers/{quote(self.file)}.html"

    @property
    def pictured(self) -> int:
        """How many units have a picture."""
        return len(set(self.preferred.places) | set(self.top.places))

    def style(self, unit: int, root: str) -> Markup:
        """Return the style that shows a unit's tile; empty where it has none."""
        sheet, kind = (self.preferred, "preferred") if unit in self.preferred.places else (self.top, "top")
        return self._style(sheet, kind, unit, root)

    def style_over(self, unit: int, root: str) -> Markup:
        """Return the style that shows the unit's top image over its preferred one; empty where it lacks either."""
        has_both = unit in self.preferred.places and unit in self.top.places
        return self._style(self.top, "top", unit, root) if has_both else Markup("")

    def _style(self, sheet: Sheet, kind: str, unit: int, root: str) -> Markup:
        if unit not in sheet.places:
            return Markup("")
        column, row = sheet.places[unit]
        address = f"{root}pictures/{quote(self.file, safe='')}/{kind}.jpg"
        return Markup("background-image:url('{}');background-position:-{}px -{}px").format(
            address, column * TILE, row * TILE
        )


def index_page(
    network: str,
    layers: Sequence[Layer],
    graph: Mapping[str, Sequence[str]],
    pages: Mapping[str, LayerPage],
    scanned: int,
    is_live: bool = False,
) -> str:
    """Return the first page: the network from its input on. `scanned`: pictures of the scan, 0 without one; `is_live`:
    whether there is a page that computes in the browser."""
    rows = [
        {
            "name": layer.name,
            "kind": layer.kind or "—",
            "shape": shape_of(layer),
            "below": graph[layer.name],
            "href": pages[layer.name].href if layer.name in pages else "",
            "strip": _strip(pages[layer.name]) if layer.name in pages else [],
        }
        for layer in layers
    ]
    pictured = sum(page.pictured for page in pages.values())
    return _filled(
        "index.html",
        "",
        network,
        layers=rows,
        pages=pages,
        pictured=pictured,
        pictures_scanned=scanned,
        is_live=is_live,
    )


def layer_page(network: str, page: LayerPage, pages: Mapping[str, LayerPage], scanned: int) -> str:
    """Return a layer's page."""
    contents, names = page.contents, list(pages)
    place = names.index(contents.name)
    units = [_unit(page, number, unit) for number, unit in enumerate(contents.units)]
    bare = sum(not unit["style"] for unit in units)
    return _filled(
        "layer.html",
        "../",
        network,
        layer=contents.layer,
        shape=shape_of(contents.layer),
        data=f"../data/{quote(page.file, safe='')}.js",
        below=_links(contents.below, pages),
        above=_links(contents.above, pages),
        before=_link(names[place - 1], pages) if place else None,
        after=_link(names[place + 1], pages) if place + 1 < len(names) else None,
        sorts=_sorts(contents, scanned),
        scanned=scanned,
        partners=contents.partners,
        hidden=bare if bare < len(units) else 0,
        units=units,
    )


def quiz_page(network: str) -> str:
    """Return the page of the quiz."""
    return _filled("quiz.html", "", network)


def live_page(network: str) -> str:
    """Return the page that computes in the visitor's browser."""
    return _filled("live.html", "", network)


def assets() -> dict[str, str]:
    """Return the style and the script of all pages, by file name."""
    return _texts("assets")


def live_assets() -> dict[str, str]:
    """Return the style and the scripts of the page that computes in the visitor's browser, by file name."""
    return _texts("live")


def shape_of(layer: Layer) -> str:
    """Return `96×56×56`."""
    return "×".join(map(str, layer.shape))


def _texts(folder: str) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted((_HERE / folder).iterdir())}


def _filled(template: str, root: str, network: str, **values: Any) -> str:
    return _ENVIRONMENT.get_template(template).render(root=root, network=network, **values)


def _sorts(contents: LayerContents, scanned: int) -> tuple[tuple[str, str], ...]:
    partners = contents.partners
    agree = (
        (("agrees", f"correlation with its unit in {partners.network}"),) if partners and partners.correlations else ()
    )
    return (*(SORTS if scanned else SORTS[:2]), *agree)


def _strip(page: LayerPage) -> list[dict[str, Any]]:
    shown = sorted(set(page.preferred.places) | set(page.top.places))[:STRIP]
    return [
        {"unit": unit, "label": page.contents.units[unit].get("label", ""), "style": page.style(unit, "")}
        for unit in shown
    ]


def _link(name: str, pages: Mapping[str, LayerPage]) -> dict[str, str]:
    return {"name": name, "href": f"{quote(pages[name].file, safe='')}.html"}


def _links(names: Sequence[str], pages: Mapping[str, LayerPage]) -> list[str | Markup]:
    """Return names, as links where they have a page."""
    return [
        Markup('<a href="{}">{}</a>').format(_link(name, pages)["href"], name) if name in pages else name
        for name in names
    ]


def _unit(page: LayerPage, number: int, unit: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"label": unit["label"]} if unit.get("label") else {}
    if "silent" in unit:
        largest, mean = unit["largest"] or 0.0, unit["mean"]
        data |= {"largest": largest, "sparse": unit["silent"], "selective": round(largest / mean, 3) if mean > 0 else 0}
    if "correlation" in unit.get("other", {}):
        data["agrees"] = unit["other"]["correlation"]
    return {
        "number": number,
        "label": unit.get("label", ""),
        "style": page.style(number, "../"),
        "top": page.style_over(number, "../"),
        "dead": unit.get("silent") == 1.0,
        "data": data,
    }
