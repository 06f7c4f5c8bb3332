"""Opens Caffe's files as a network, computed by PyTorch or by real Caffe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from deepvis_toolbox.caffe.graph import graph_of
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import NetworkFiles
from deepvis_toolbox.network.device import resolve_device
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.opening.described import check_channels, describe
from deepvis_toolbox.opening.model_file import ModelFile
from deepvis_toolbox.words.input_channels import parsed_channels


def caffe_network(model: ModelFile, engine: str, device: str) -> Network:
    """Open the files that the model names. Raises `ToolboxError`, one sentence, where they are missing, broken, or do
    not fit."""
    prototxt = model.existing("prototxt", str(model.prototxt))
    if model.weights is None:
        raise ToolboxError(f"{model.where()}: the Caffe network {model.title} needs its weights (a .caffemodel)")
    weights = model.existing("weights", model.weights)
    definition = read_prototxt(prototxt)
    graph = graph_of(definition, weights, _wanted_shape(model), hollow=engine == "caffe")
    channel_count, height, width = graph.meta["input_shape"]
    check_channels(model, prototxt, channel_count)
    model, told = _prepared_as_in(model, graph.meta["prepares"])
    description = replace(
        describe(model, (height, width), channel_count),
        files=_files(model, prototxt, weights),
        notes=(*graph.meta["notes"], *told),
    )
    if engine == "caffe":
        from deepvis_toolbox.caffe.engine import CaffeNetwork

        # Whether real Caffe can use a GPU is for Caffe to say, not for PyTorch.
        named = torch.device("cpu" if device == "auto" else device)
        return CaffeNetwork(definition, weights, graph, description, named)
    return TorchNetwork(graph, description, resolve_device(device))


def _prepared_as_in(model: ModelFile, prepares: Mapping[str, Any]) -> tuple[ModelFile, list[str]]:
    """Return the model with the mean and scale of the prototxt's data layer, where it says none, and what is told of
    it."""
    taken = {key: value for key, value in prepares.items() if key not in model.input.model_fields_set}
    notes = []
    if isinstance(file := taken.get("mean"), str):
        del taken["mean"]
        notes = [f"the prototxt's data layer subtracts the mean of {file}, which is not looked for: give it by --mean"]
    if not taken:
        return model, notes
    told = ", ".join(f"{key} {value}" for key, value in taken.items())
    return model.changed({}, taken), [*notes, f"pictures are prepared as the prototxt's data layer does it: {told}"]


def _wanted_shape(model: ModelFile) -> tuple[int, int, int] | None:
    """Return (C, H, W) where the model.yaml or a flag gives a size; C is 0 where it is for the weights to tell."""
    if model.input.size is None:
        return None
    channel_count = parsed_channels(model.input.channels).count if model.input.channels else 0
    return (channel_count, *model.input.size)


def _files(model: ModelFile, prototxt: Path, weights: Path) -> NetworkFiles:
    """Return where the files of a Caffe network are."""
    mean = model.path(model.input.mean) if isinstance(model.input.mean, str) else None
    return NetworkFiles(prototxt, weights, mean, model.path(model.labels) if model.labels else None)
