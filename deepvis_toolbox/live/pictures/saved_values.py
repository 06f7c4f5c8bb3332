"""Saves the shown layer's values as arrays, with a JSON beside them that says what they are."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from deepvis_toolbox.atomic_files import write_bytes
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.pictures.screenshot import description, free_path
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import (
    BackwardImage,
    ChangedMaps,
    ClassProbabilities,
    ComparedMaps,
    Difference,
    LayerGradients,
    LayerMaps,
)
from deepvis_toolbox.version import __version__


def save_values(
    folder: Path, now: datetime, state: State, snapshot: Snapshot | None, settings: Mapping[str, Any]
) -> Path:
    """Write what the snapshot holds of the shown layer as `deepvis-….npz`, and `deepvis-….json`; return the first.

    Arrays: `input` (uint8 H×W×3, RGB), `bands` (H×W×bands) where the network was given more, and as far as the window
    asked for them `activations`, `gradients`, `changes`, `differences` or `activations_of_b` (float32 (C, H, W) or
    (C,)), `backward` (float32 (H, W, channels)), `probabilities` (float32 (classes,)); `backward_input` (as `input`)
    where `backward` is of a former picture. `ToolboxError` where there is nothing to save yet, or it cannot be written.
    """
    if snapshot is None or not snapshot.answers:
        raise ToolboxError("there are no values yet")
    arrays: dict[str, Any] = {"input": snapshot.input_image}
    meanings = {"input": "the picture as the network sees it, RGB 0 to 255"}
    if snapshot.bands is not None:
        arrays["bands"], meanings["bands"] = snapshot.bands, "what the network was given, 0 to 255"
    for question, answer in snapshot.answers.items():
        for kind, (name, meaning) in _SAVED.items():
            if type(question) is kind:
                arrays[name], meanings[name] = np.asarray(answer), f"{meaning}; {question}{_changed(snapshot)}"
                if question in snapshot.pictures:
                    arrays[f"{name}_input"] = snapshot.pictures[question]
                    meanings[f"{name}_input"] = f"the former picture that `{name}` is of, as `input`"
    path = free_path(folder, now, "npz")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())
    record = {
        "arrays": {
            name: {"meaning": meanings[name], "shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in arrays.items()
        },
        "made by": f"Deep Visualization Toolbox {__version__}",
        **description(state, snapshot, settings),
    }
    text = json.dumps(record, ensure_ascii=False, indent=1)
    write_bytes(path.with_suffix(".json"), text.encode("utf-8", errors="backslashreplace"))
    return path


def _changed(snapshot: Snapshot) -> str:
    """Return what was changed for the answers, as a part of a sentence; empty where nothing was."""
    request = snapshot.request
    changes = [str(edit) for edit in request.edits] + ([str(request.perturbation)] if request.perturbation else [])
    return f"; of a pass with {', '.join(changes)}" if changes else ""


_SAVED: dict[type, tuple[str, str]] = {
    LayerMaps: ("activations", "every unit's activations, units first, behind the layer's rectifier"),
    LayerGradients: ("gradients", "what the backward pass brought to every unit, below the layer's rectifier"),
    BackwardImage: ("backward", "what the backward pass brought to the input, per unit of network input, RGB order"),
    ChangedMaps: ("changes", "every unit's activations as they are now, minus those without edits and perturbation"),
    Difference: ("differences", "every unit's values as they are now, minus those of what they are compared with"),
    ComparedMaps: ("activations_of_b", "the same of the other network"),
    ClassProbabilities: ("probabilities", "of each class, 0 to 1"),
}
"""What is saved of each question: the array's name, and what it is."""
