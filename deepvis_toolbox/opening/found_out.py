"""A user's own Caffe files: what is found out about them, a line each, and the model.yaml that says it for good."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from deepvis_toolbox.atomic_files import write_text
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.network.description import NetworkFiles
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.opening.model_folder import MODEL_FILE
from deepvis_toolbox.opening.trust import trust
from deepvis_toolbox.program_names import command_line


def found_out(network: Network) -> list[str]:
    """Return what was found out about a network opened from Caffe files, one sentence for each thing."""
    notes = (*network.description.notes, *network.notes)
    return [_input_line(network), _mean_line(network), *_class_lines(network), *notes]


def save_model(network: Network, folder: str | Path) -> Path:
    """Write the model.yaml of a network opened from Caffe files into `folder`; give its path.

    The files stay where they are; the model.yaml names them relative to its folder. Raises `ToolboxError` where there
    is a model.yaml already, another run is writing one there, or nothing can be written.
    """
    target = user_path(folder).resolve() / MODEL_FILE
    if network.description.files is None:
        raise ToolboxError(f"{network.name} was not opened from Caffe files; there is nothing to save")
    described = _description(network, network.description.files, target.parent)
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=1000, default_flow_style=None)
    again = f"{command_line('deepvis')} --model {shlex.quote(str(target.parent))}"
    with FolderLock(target.parent, MODEL_FILE):
        if target.exists():
            raise ToolboxError(f"{target} is there already; remove it, or save to another folder")
        write_text(target, f"# Written by --save-model; {again}\n{text}")
        trust(target.parent)  # it may name files elsewhere
    return target


def _input_line(network: Network) -> str:
    channels, height, width = network.input_shape
    order = network.preprocessing.channels
    kind = "1 channel, grey" if channels == 1 else f"{channels} channels in the order {order}"
    return f"input: {height}×{width} pixels, {kind} (--channels changes the order)"


def _mean_line(network: Network) -> str:
    files = network.description.files
    file = files.mean if files else None
    mean = np.asarray(network.preprocessing.mean)
    if file:
        return f"mean: {'an image' if mean.ndim == 3 else 'one value a channel'}, from {file}"
    if not mean.any():
        example = "120" if network.input_shape[0] == 1 else "104,117,123"
        return f"mean: none is subtracted; most networks want one: --mean {example}, or a file"
    return f"mean: {_listed(mean)}, in the order of the channels"


def _class_lines(network: Network) -> Iterator[str]:
    last = network.probability_layer
    files = network.description.files
    file = files.labels if files else None
    if last is None:
        yield "classes: no layer gives any; the panes of layers and units work all the same"
        if network.labels:
            yield (
                f"labels: the {len(network.labels)} from {file} are not used, since no layer gives classes; "
                "--save-model writes a model.yaml, where label_layers: NAME says which does"
            )
        return
    layer = network.layers[last]
    before = f', made from "{network.label_layers[0]}"' if len(network.label_layers) > 1 else ""
    kind = "the last softmax" if layer.kind in SOFTMAXES else "the last layer; there is no softmax"
    yield f'classes: {layer.channels}, in "{last}" ({kind}{before})'
    if network.labels:
        yield f"labels: {len(network.labels)}, from {file}"
    else:
        yield "labels: none; classes are shown by number: --labels FILE names them, one a line"


def _description(network: Network, files: NetworkFiles, folder: Path) -> dict[str, Any]:
    described: dict[str, Any] = {"name": folder.name, "framework": "caffe"}
    described |= {"prototxt": _relative(files.prototxt, folder), "weights": _relative(files.weights, folder)}
    described["input"] = _input_section(network, files.mean, folder)
    if files.labels:
        described["labels"] = _relative(files.labels, folder)
    if network.label_layers:
        described["label_layers"] = list(network.label_layers)
    described["unit_images"] = {"folder": "unit_images_made"}  # beside it: a name may be another network's too
    return described


def _input_section(network: Network, mean: Path | None, folder: Path) -> dict[str, Any]:
    preprocessing = network.preprocessing
    section: dict[str, Any] = {"size": list(preprocessing.size), "channels": preprocessing.channels}
    if preprocessing.view_channels:
        section["view_channels"] = list(preprocessing.view_channels)
    if preprocessing.white is not None:
        section["white"] = preprocessing.white
    section["mean"] = _relative(mean, folder) if mean else _numbers(preprocessing.mean)
    for name in ("scale", "std", "crop"):
        if np.any(np.asarray(getattr(preprocessing, name)) != 1):
            section[name] = _numbers(getattr(preprocessing, name)) if name != "crop" else preprocessing.crop
    return section


def _numbers(values: Any) -> list[float]:
    """Return float32 values as the shortest decimals that mean the same."""
    return [float(str(value)) for value in np.asarray(values, np.float32).reshape(-1)]


def _listed(values: Any) -> str:
    return ", ".join(f"{value:g}" for value in _numbers(values))


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return str(path)
