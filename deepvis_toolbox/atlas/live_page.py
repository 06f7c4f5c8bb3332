"""The page that computes in the visitor's browser: the network, the runtime, and what the page has to know of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from deepvis_toolbox.atlas import live_network as exported
from deepvis_toolbox.atlas.live_runtime import VERSION
from deepvis_toolbox.atlas.pages import LayerPage, live_assets, live_page
from deepvis_toolbox.atlas.site import Site
from deepvis_toolbox.atomic_files import write_bytes

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_FORMAT = 1


def write_live(site: Site, network: Network, pages: Mapping[str, LayerPage], runtime: Mapping[str, bytes]) -> None:
    """Write the page and all that it needs. `ToolboxError` where the network cannot be exported."""
    live = exported.live_network(network)
    size = network.preprocessing.size
    how = [
        _FORMAT,
        torch.__version__,
        network.weights_hash,
        network.answer,
        network.preprocessing.identity(),
        live.layers,
    ]
    site.made("live/network.onnx", (), how, lambda path: write_bytes(path, exported.onnx_bytes(live, size)))
    for name, content in runtime.items():
        digest = hashlib.sha256(content).hexdigest()
        site.made(f"live/runtime/{name}", (), digest, partial(_write, content=content))
    for name, text in live_assets().items():
        site.text(f"live/{name}", text)
    site.data("live/network.js", "atlasLive", _record(network, live, pages))
    site.text("live.html", live_page(network.name))


def _write(path: Path, content: bytes) -> None:
    write_bytes(path, content)


def _record(network: Network, live: exported.LiveNetwork, pages: Mapping[str, LayerPage]) -> dict[str, Any]:
    how = network.preprocessing
    return {
        "runtime": VERSION,
        "size": list(how.size),
        "crop": how.crop,
        "pixels": exported.PIXELS,
        "probabilities": exported.PROBABILITIES if live.has_probabilities else "",
        "labels": list(network.labels),
        "layers": [
            {"output": exported.output_of(number), **_layer(network, live, name, pages.get(name))}
            for number, name in enumerate(live.layers)
        ],
    }


def _layer(network: Network, live: exported.LiveNetwork, name: str, page: LayerPage | None) -> dict[str, Any]:
    units = page.contents.units if page else []
    return {
        "name": name,
        "shape": list(network.layers[name].shape),
        "mean": live.means[name],
        "href": page.href if page else "",
        "preferred": {str(number): unit["preferred"] for number, unit in enumerate(units) if "preferred" in unit},
        "names": list(network.class_names.of(name)),
    }
