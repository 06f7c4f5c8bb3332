"""Saves the window as a PNG that says, in its metadata, what made it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from deepvis_toolbox.atomic_files import write_bytes
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.view_record import view_record
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.version import __version__

METADATA_KEY = "deepvis_toolbox"
"""The PNG text entry that holds the settings, as JSON."""


def free_path(folder: Path, now: datetime, ending: str) -> Path:
    """Return a name in `folder` that is not taken: `deepvis-2026-01-31-12.30.05.png`."""
    stem = f"deepvis-{now:%Y-%m-%d-%H.%M.%S}"
    names = (folder / f"{stem}{'' if number == 0 else f'-{number}'}.{ending}" for number in range(1000))
    return next(path for path in names if not path.exists())


def save_screenshot(
    path: Path, pixels: NDArray[np.uint8], state: State, snapshot: Snapshot | None, settings: Mapping[str, Any]
) -> None:
    """Write RGB pixels H×W×3 as a PNG. `ToolboxError` where that fails."""
    text = PngInfo()
    described = json.dumps(description(state, snapshot, settings), ensure_ascii=False)
    # What a file's name has that is no UTF-8 is written as JSON escapes it.
    text.add_itxt(METADATA_KEY, described.encode("utf-8", errors="backslashreplace").decode())
    text.add_text("Software", f"Deep Visualization Toolbox {__version__}")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text, compress_level=3)
    write_bytes(path, buffer.getvalue())


def description(state: State, snapshot: Snapshot | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is needed to make the same picture again."""
    frame = snapshot.frame if snapshot else None
    return {
        "unit": state.address,
        "cursor": state.view.cursor_area,
        "backward": state.view.backward,
        "backward view": state.view.backward_view,
        "frozen origin": str(state.view.frozen_origin) if state.view.frozen_origin else None,
        "tiles": state.view.tiles_show,
        "networks": state.view.networks or None,
        "pinned": state.view.pinned.name if state.view.pinned else None,
        "zoom": state.view.zoom,
        "order": state.view.order,
        "top only": state.view.top if state.view.only_top else None,
        "region": list(state.view.region) if state.view.region else None,
        "overlay": state.view.overlay,
        "gamma": state.view.gamma,
        "per channel": state.view.channel_boost,
        "stretch": state.view.stretch,
        "labels": state.view.show_labels,
        "source": frame.source if frame else None,
        "frame": frame.number if frame else None,
        "view": view_record(state.view),
        "settings": dict(settings),
    }
