"""The one door to every network: a name, a model.yaml, a library's model or a user's own factory."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from deepvis_toolbox.errors import ToolboxError, nearest_name, shown_path, user_path
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.network.constant_inputs import with_inputs
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.device import resolve_device
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.opened_module import network_of_module
from deepvis_toolbox.network.own_copy import own_copy, told_of_numbers, told_of_weights
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.opening.described import check_channels, describe, with_pictures, with_pictures_of
from deepvis_toolbox.opening.factories import MadeModule, Places, make_module, runs_no_code
from deepvis_toolbox.opening.model_file import ModelFile, model_from_values, read_model_file
from deepvis_toolbox.opening.model_folder import is_factory, is_onnx, is_program, model_path, name_by_place
from deepvis_toolbox.opening.trust import is_own
from deepvis_toolbox.opening.weights_file import fill, read_state_dict, weights_without_numbers
from deepvis_toolbox.words.device import parsed_device
from deepvis_toolbox.words.input_channels import parsed_channels
from deepvis_toolbox.words.network import DEFAULT_MODEL, ENGINES

_log = logging.getLogger(__name__)

NumberOrNumbers = float | Sequence[float]


def load_network(
    model: str | Path | None = DEFAULT_MODEL,
    engine: str = "torch",
    device: str = "auto",
    *,
    prototxt: str | Path | None = None,
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    input_size: int | tuple[int, int] | None = None,
    channels: str | None = None,
    mean: NumberOrNumbers | str | Path | None = None,
    scale: NumberOrNumbers | None = None,
    std: NumberOrNumbers | None = None,
    crop: float | None = None,
    view_channels: Sequence[int] | None = None,
    white: float | None = None,
    trust: bool = False,
    path: Sequence[str | Path] = (),
    trace: str | None = None,
    added_layers: Sequence[str | AddedLayer] = (),
    until: str | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> Network:
    """Open a network.

    `model`: a folder of models/, a path to a model.yaml or its folder, an exported program (a .pt2 file),
    an ONNX file (.onnx), `torchvision:NAME`, `timm:NAME`, or `package.module:factory` (a function without arguments
    that returns an `nn.Module`). With `prototxt` and `weights` (a Caffe network) it may be None.
    `engine`: `torch` or `caffe` (real Caffe). `device`: auto, cpu, cuda, cuda:N, mps.

    The others overrule the model.yaml: network value = (pixel - mean) * scale / std, pixels 0-255, means in the
    network's channel order (`channels`: RGB, BGR, gray, or what fills more than three: RGB+RGB, RGB+1); `input_size`:
    (H, W) or one number; `crop`: the fraction of the picture's centre that is seen; `view_channels`: which three of
    more are shown; `white`: which value of bands of 16 bits or floats is white. Paths start from the working directory.

    A model.yaml that is not one of the program's or the user's own models is data: it may name no code (`factory`) and
    no file outside of its folder, unless `trust` says so, or `deepvis --trust` once, and even then no code but what
    lies beside it or in the folders of `path`. `path`: folders in which the module of `package.module:factory` is
    looked for, behind what is installed; the working directory is one, for a factory that is no model.yaml's. `trace`:
    how a module becomes a graph, by `fx`, by `export` (torch.export), or by `auto`: the second where the first refuses.
    `inputs`: what `forward` takes besides the image, by name: numbers, lists of numbers (a tensor), "image", the image
    again, or "image 2", the second of a pair. `added_layers`: layers of one's own, besides those of the model.yaml:
    files of directions (`FILE`, `LAYER=FILE` or `LAYER/NAME=FILE`), or `AddedLayer`s.
    `until`: the layer of an ONNX file that is the last.

    Raises `ToolboxError`, one sentence, for everything that is missing, unknown or does not fit.
    """
    if engine not in ENGINES:
        hint = nearest_name(engine, ENGINES)
        raise ToolboxError(f'unknown engine "{engine}"; it is one of {", ".join(ENGINES)}{hint}')
    device = parsed_device(device)
    files = {"prototxt": prototxt, "weights": weights, "labels": labels}
    others = {"trace": trace, "until": until, "inputs": inputs}
    how = {"channels": channels, "view_channels": view_channels, "scale": scale, "std": std, "crop": crop}
    mean = _absolute(mean) if isinstance(mean, (str, Path)) else mean
    how |= {"mean": mean, "size": input_size, "white": white}
    paths = {name: _absolute(path) for name, path in files.items()}
    described = _described(model, _given({**paths, **others}), _given(how), trust)
    network = _opened(described, engine, device, [user_path(folder).resolve() for folder in path])
    return _with_added_layers(network, described, added_layers)


def _opened(described: ModelFile, engine: str, device: str, path: Sequence[Path]) -> Network:
    if described.framework == "caffe":
        from deepvis_toolbox.opening.caffe_network import caffe_network  # with the formats, which others do without

        return _labelled(caffe_network(described, engine, device), described)
    if engine == "caffe":
        raise ToolboxError(f"{described.title} is no network of Caffe; the engine caffe runs Caffe's own files only")
    if described.onnx is not None:
        from deepvis_toolbox.opening.onnx_network import onnx_network  # with what reads such files

        return _labelled(_noted(onnx_network(described, described.onnx, resolve_device(device))), described)
    if described.program is not None:
        return _program_network(described, described.program, resolve_device(device))
    return _torch_network(described, resolve_device(device), path)


def _with_added_layers(network: Network, model: ModelFile, given: Sequence[str | AddedLayer]) -> Network:
    """Return the network with the layers that are put on it."""
    try:
        _add_layers(network, model, given)
    except BaseException:
        network.close()
        raise
    return network


def _add_layers(network: Network, model: ModelFile, given: Sequence[str | AddedLayer]) -> None:
    """Put the layers that the model.yaml names on the network, then the given ones."""
    if not model.added_layers and not given:
        return
    from deepvis_toolbox.opening.added_layer_file import given_layer, read_added_layer

    for number, item in enumerate(model.added_layers):
        file = model.existing("added layer's", item.file, "added_layers", number)
        network.add_layers([read_added_layer(file, item.layer or "", item.name or "")])
    for each in (given,) if isinstance(given, str) else given:
        network.add_layers([given_layer(each, network.layers) if isinstance(each, str) else each])


def _described(model: str | Path | None, paths: dict[str, str], values: dict[str, Any], trust: bool) -> ModelFile:
    if "prototxt" in paths:
        name = name_by_place(Path(paths["prototxt"]))
        return model_from_values({"framework": "caffe", "name": name, **paths, "input": values})
    if not model:
        raise ToolboxError("name a model, or give a prototxt and weights")
    if is_program(str(model)):
        file = user_path(str(model))
        return model_from_values(
            {"name": name_by_place(file), "program": str(file.resolve()), **paths, "input": values}
        )
    if is_onnx(str(model)):
        file = user_path(str(model))
        named = {"name": name_by_place(file), "framework": "onnx", "onnx": str(file.resolve())}
        return model_from_values({**named, **paths, "input": values})
    if is_factory(str(model)):
        return model_from_values({"name": str(model), "factory": str(model), **paths, "input": values})
    return read_model_file(model_path(str(model)), trusted=trust).changed(paths, values)


def _torch_network(model: ModelFile, device: torch.device, path: Sequence[Path]) -> Network:
    factory, where = str(model.factory), model.where("factory")
    if not model.is_trusted and not runs_no_code(factory, has_weights=model.weights is not None):
        raise ToolboxError(
            f"{where}: the model's folder names code: {factory} would be imported and run. If you trust it, "
            f"give --trust {shlex.quote(shown_path(model.folder))} once (in Python: load_network(…, trust=True))"
        )
    only_there = model.own_folder is not None and not is_own(model.own_folder)
    made = make_module(factory, where, _places(model, path), trained=model.weights is None, only_there=only_there)
    told = told_of_weights(made.module)
    if model.weights is not None:
        file = model.existing("weights", model.weights)
        made = replace(made, module=own_copy(made.module))  # the factory may give one and the same module every time
        state = read_state_dict(file)
        told = [*told_of_numbers(state.values()), *fill(made.module, state, str(file))]
    if model.inputs:
        try:
            model = with_pictures_of(model)
            channels = parsed_channels(model.input.channels or "RGB")
            made = replace(made, module=with_inputs(own_copy(made.module), model.inputs, channels))
        except ToolboxError as error:
            raise ToolboxError(f"{model.where('inputs')}: {error}") from None
    no_numbers = weights_without_numbers(made.module)
    if no_numbers:
        _log.warning("%s: %s", model.title, no_numbers)
    description = _with_makers_knowledge(model, made)
    network = network_of_module(made.module, description, device, model.trace)
    network.notes = (*told, *(note for note in network.notes if note not in told))
    return _labelled(_noted(network), model)


def _program_network(model: ModelFile, written: str, device: torch.device) -> Network:
    from deepvis_toolbox.network.loose_program import graph_of_loose_program  # with what reads such files
    from deepvis_toolbox.opening.program_file import read_program

    file = model.existing("program", written)
    program = read_program(file)
    images, channel_count, *sides = program.image_shape
    size = None if None in sides else (int(str(sides[0])), int(str(sides[1])))
    if size is not None and model.input.size not in (None, size):
        raise ToolboxError(f"{model.where('input', 'size')}: {file} was exported for images of {size[0]}×{size[1]}")
    model, told = with_pictures(model, [*program.pictures.values()], [*program.pictures])
    check_channels(model, file, channel_count)
    description = describe(model, size, channel_count)
    graph = graph_of_loose_program(program.module, description.preprocessing.input_shape, images)
    graph.meta["not_followed"] = [*told, *program.told, *graph.meta.get("not_followed", ())]
    return _labelled(_noted(TorchNetwork(graph, description, device)), model)


def _noted(network: Network) -> Network:
    """Return the network, once what a user should know of it is told."""
    for note in network.notes:
        _log.warning("%s: %s", network.name, note)
    return network


def _places(model: ModelFile, path: Sequence[Path]) -> Places:
    """Return where the factory's module is looked for: beside the model.yaml that names it, or where the user works."""
    return (model.own_folder or Path.cwd(), *path)


def _with_makers_knowledge(model: ModelFile, made: MadeModule) -> ModelDescription:
    """Return the description, where the model.yaml and the flags come before what the module's maker says."""
    written = model.input.model_dump(exclude_unset=True)
    description = describe(model.changed({}, {key: value for key, value in made.input.items() if key not in written}))
    return description if description.labels else replace(description, labels=made.labels)


def _labelled(network: Network, model: ModelFile) -> Network:
    """Return the network, once its labels are known to be as many as its classes."""
    maps = [name for name in network.description.label_layers if name not in network.label_layers]
    for name in (*network.label_layers, *maps) if model.labels else ():
        classes = network.layers[name].channels
        if network.labels and classes != len(network.labels):
            network.close()
            lines = f"{model.labels} has {len(network.labels)} lines"
            raise ToolboxError(f'{model.where("labels")}: {lines}, layer "{name}" has {classes} units')
    return network


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(user_path(path).resolve())


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Return what was given, in plain Python values."""
    plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in values.items()}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in plain.items() if value is not None
    }
