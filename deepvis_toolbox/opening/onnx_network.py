"""Opens an ONNX file as a network, prepared as the file says where it says so."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.onnx.network_graph import graph_of_onnx
from deepvis_toolbox.onnx.stored_file import read_onnx
from deepvis_toolbox.opening.described import check_channels, describe, with_pictures
from deepvis_toolbox.opening.model_file import ModelFile
from deepvis_toolbox.opening.model_values import LARGEST_SIDE
from deepvis_toolbox.regular_file import json_in
from deepvis_toolbox.words.input_channels import MOST_CHANNELS

NOT_SAID = (
    "the file does not say how pixels are prepared; they go in as 0 to 255, unless --mean, --std, --scale or "
    "--channels, or a model.yaml, say otherwise"
)
_LONGEST = 1 << 20
_ORDERS = {"Rgb8": "RGB", "Bgr8": "BGR", "Gray8": "gray"}
_RANGES = {
    "NominalRange_0_255": {},
    "Normalized_0_1": {"scale": [1 / 255]},
    "Normalized_1_1": {"mean": [127.5], "scale": [1 / 127.5]},
}
"""By ONNX's own words for metadata."""
_HOW = ("mean", "std", "scale", "channels")


def onnx_network(model: ModelFile, written: str, device: torch.device) -> TorchNetwork:
    """Open the file that the model names as `written`. Raises `ToolboxError`, one sentence, as `read_onnx` and
    `graph_of_onnx` do, and where a size or number of channels is asked for that the file does not take."""
    path = model.existing("onnx", written)
    file = read_onnx(path)
    size = file.image.size
    if size is not None and max(size) > LARGEST_SIDE:
        raise ToolboxError(f"{path} takes images of {size[0]}×{size[1]}, and {LARGEST_SIDE} is the most")
    counts = [image.channels for image in file.images]
    model, told = with_pictures(model, counts, [image.name for image in file.images])
    check_channels(model, path, sum(counts))
    model, said = _prepared_as_said(model, file.metadata)
    description, told = describe(model, size, sum(counts)), [*told, *said]
    if not description.labels and not model.labels:
        description = replace(description, labels=_names(file.metadata.get("names", "")))
    own = f"the file says that it takes images of {size[0]}×{size[1]}" if size is not None else ""
    is_other = size is not None and model.input.size not in (None, size)
    try:
        graph = graph_of_onnx(file, description.preprocessing.input_shape, model.until)
    except ToolboxError as error:
        raise ToolboxError(f"{error}; {own}") if is_other else error from None
    told = [*told, own] if is_other else told
    graph.meta["not_followed"] = [*told, *graph.meta["not_followed"]]
    network = TorchNetwork(graph, description, device)
    return _with_fitting_labels(network, model)


def _prepared_as_said(model: ModelFile, metadata: Mapping[str, str]) -> tuple[ModelFile, list[str]]:
    """Return the model with what the file says of the preparation, where nobody else does, and what is told of it."""
    said: dict[str, Any] = dict(_RANGES.get(metadata.get("Image.NominalPixelRange", ""), {}))
    order = _ORDERS.get(metadata.get("Image.BitmapPixelFormat", ""))
    if order is not None:
        said["channels"] = order
    for name in ("mean", "std", "scale"):
        numbers = _numbers(metadata.get(name, ""))
        if numbers is not None:
            said[name] = numbers
    set_by_hand = model.input.model_fields_set & set(_HOW)
    if not said:
        return model, [] if set_by_hand else [NOT_SAID]
    taken = {key: value for key, value in said.items() if key not in model.input.model_fields_set}
    if not taken:
        return model, []
    told = ", ".join(f"{key} {_shown(value)}" for key, value in taken.items())
    return model.changed({}, taken), [f"pictures are prepared as the file's metadata says: {told}"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(f"{number:g}" for number in value)


def _numbers(text: str) -> list[float] | None:
    """Return the numbers that a text lists; None where it does not."""
    try:
        found = json_in(text if text.lstrip().startswith("[") else f"[{text}]") if len(text) < 2000 else None
        if not isinstance(found, list) or not 1 <= len(found) <= MOST_CHANNELS:
            return None
        plain = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in found)
        return [float(each) for each in found] if plain else None
    except (ValueError, OverflowError):  # a whole number of hundreds of digits is no float
        return None


def _names(text: str) -> tuple[str, ...]:
    """Return the classes' names of `{0: 'cat', 1: 'dog'}` or `["cat", "dog"]`; none where the text is neither."""
    if not text or len(text) > _LONGEST:
        return ()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return ()
    if isinstance(found, dict):
        found = [found.get(index) for index in range(len(found))]
    is_list = isinstance(found, (list, tuple)) and all(isinstance(name, str) for name in found)
    return tuple(name.strip() for name in found) if is_list else ()


def _with_fitting_labels(network: TorchNetwork, model: ModelFile) -> TorchNetwork:
    """Return the network, without labels of the file's metadata that are not as many as its classes."""
    if model.labels is None and any(
        network.layers[name].channels != len(network.labels) for name in network.label_layers
    ):
        network.labels = ()
    return network
