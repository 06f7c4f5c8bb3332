"""Files that hold a layer of a user's own (`.npz`, `.safetensors`): read, and written, as `network.added_layers` wants.

`directions` (K, C), optionally `bias` (K,), and what says how: `layer`, `name`, `encoder`, `names`; in a `.npz` these
are arrays of texts, in a `.safetensors` texts of its metadata (`names` as a JSON list).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import replacing
from deepvis_toolbox.errors import ToolboxError, shown_path, user_path
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.npz_file import read_known
from deepvis_toolbox.opening.safetensors_file import read_safetensors
from deepvis_toolbox.regular_file import json_in
from deepvis_toolbox.words.layer import Layers

SUFFIXES = (".npz", ".safetensors")
LARGEST = 2 << 30
"""Bytes of an array."""

_ARRAYS = ("directions", "bias")
_TEXTS = ("layer", "name", "encoder", "names")


def given_layer(written: str, layers: Layers) -> AddedLayer:
    """Read what is written after `--add-layer`: `FILE`, `LAYER=FILE` or `LAYER/NAME=FILE`, of a network's layers.

    `ToolboxError` as `read_added_layer`.
    """
    place, sign, file = written.partition("=")
    if not sign or user_path(written).is_file():
        return read_added_layer(user_path(written))
    host, _, name = (place, "", "") if place in layers else place.rpartition("/")  # Caffe's names hold strokes, too
    return read_added_layer(user_path(file), host or place, name if host else "")


def read_added_layer(path: Path, layer: str = "", name: str = "") -> AddedLayer:
    """Read a file. `layer` and `name` come before those that it says; without a name, it is the file's.

    Raises `ToolboxError`, one sentence, where it is missing, damaged, of another kind, or says no layer.
    """
    shown = shown_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ToolboxError(f'"{shown}" is no file of an added layer; such a file ends in {" or ".join(SUFFIXES)}')
    if not path.is_file():
        raise ToolboxError(f'there is no file "{shown}" of an added layer')
    arrays, said = _read_npz(path) if path.suffix.lower() == ".npz" else _read_safetensors(path)
    if "directions" not in arrays:
        raise ToolboxError(f'"{shown}" has no array "directions" (units × channels)')
    host = layer or str(said.get("layer", ""))
    if not host:
        raise ToolboxError(f'"{shown}" does not say which layer it is for; write it before the file: LAYER={shown}')
    own = name or str(said.get("name", "")) or re.sub(r"[^\w-]+", "_", path.stem)[:64]
    bias, encoder = arrays.get("bias"), str(said.get("encoder", "linear"))
    try:
        return AddedLayer(host, own, arrays["directions"], bias, encoder, said.get("names", ()))
    except ToolboxError as error:
        raise ToolboxError(f"{shown}: {error}") from None


def write_added_layer(path: Path, added: AddedLayer, more: Mapping[str, NDArray] | None = None) -> None:
    """Write a `.npz` that `read_added_layer` reads, whole or not at all. The same layer gives the same bytes.

    `more`: arrays besides, float32 of any shape (…), which `read_added_layer` leaves aside.
    """
    arrays: dict[str, Any] = {"directions": added.directions, "layer": np.array(added.layer)}
    arrays |= {"name": np.array(added.name), "encoder": np.array(added.encoder)}
    if added.bias is not None:
        arrays["bias"] = added.bias
    if added.unit_names:
        arrays["names"] = np.array(added.unit_names)
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays, **(more or {}))


def _read_npz(path: Path) -> tuple[dict[str, NDArray], dict[str, Any]]:
    found = read_known(path, (*_ARRAYS, *_TEXTS), LARGEST)
    said: dict[str, Any] = {}
    for key in _TEXTS:
        if key not in found:
            continue
        value = found.pop(key)
        if value.dtype.kind != "U" or value.ndim != (1 if key == "names" else 0):
            wanted = "one text for each unit" if key == "names" else "one text"
            raise ToolboxError(f'"{shown_path(path)}": "{key}" is not {wanted}')
        if np.frombuffer(value.tobytes(), f"{value.dtype.str[0]}u4").max(initial=0) > sys.maxunicode:
            raise ToolboxError(f'"{shown_path(path)}": "{key}" is damaged: it holds what is no character')
        said[key] = value.tolist()
    return found, said


def _read_safetensors(path: Path) -> tuple[dict[str, NDArray], dict[str, Any]]:
    found, texts = read_safetensors(path, _ARRAYS, LARGEST)
    said: dict[str, Any] = {key: texts[key] for key in _TEXTS if key in texts}
    if "names" in said:
        try:
            said["names"] = json_in(said["names"])
        except ValueError:
            said["names"] = None
        if not isinstance(said["names"], list) or not all(isinstance(each, str) for each in said["names"]):
            raise ToolboxError(f'"{shown_path(path)}": "names" is not a JSON list of texts')
    return found, said
