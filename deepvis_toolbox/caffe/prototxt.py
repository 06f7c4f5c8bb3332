"""Reads a text prototxt of either generation: the layers that run at test time, in the newer generation's form."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.generations import upgraded_layers
from deepvis_toolbox.caffe.phases import DEPLOY, runs_at_test_time, takes_deploy_stage
from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.regular_file import read_regular

MAX_BYTES = 4 << 20
"""The largest prototxt that is read; the published ones of a thousand layers have a quarter of it."""

MAX_LAYERS = 10_000

_POSITION = re.compile(r"^(\d+):(\d+) : (.*)$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r'Message type "[\w.]*?(\w+)" has no field named "(\w+)"')


@dataclass(frozen=True)
class Prototxt:
    """A network's definition. `layers` are LayerParameter messages in the file's order, those for training left out."""

    path: Path
    name: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    """Blobs declared by `input:` beside the layers, each with its shape (batch first; empty where none is given)."""
    layers: tuple[Any, ...]
    notes: tuple[str, ...] = field(default=())
    left_out: tuple[Any, ...] = field(default=())
    """The layers that do not run at test time."""


def read_prototxt(path: Path) -> Prototxt:
    """Return the network that a prototxt defines at test time.

    Raises `ToolboxError` that names file, line and field where the file cannot be read, has a field that Caffe does not
    have (it could change what the network computes), or mixes the generations.
    """
    net = _parsed(path)
    layers = upgraded_layers(net, path)
    if not layers:
        raise ToolboxError(f"{path}: defines no layer; it is not a network's prototxt")
    if len(layers) > MAX_LAYERS:
        raise ToolboxError(f"{path}: has {len(layers)} layers; more than {MAX_LAYERS} are not read")
    staged = takes_deploy_stage(layers, net.state)
    if staged:
        net.state.stage.append(DEPLOY)
    kept = tuple(layer for layer in layers if runs_at_test_time(layer, net.state, path))
    kept_names = {layer.name for layer in kept}
    training = [layer.name for layer in layers if layer.name not in kept_names]
    notes = (f"left out, for training only: {', '.join(dict.fromkeys(training))}",) if training else ()
    if staged:
        notes = (f'read at the stage "{DEPLOY}", which its layers name', *notes)
    left = tuple(layer for layer in layers if layer.name not in kept_names)
    return Prototxt(path, net.name, _declared_inputs(net, path), kept, notes, left)


def _parsed(path: Path) -> Any:
    net = formats.NetParameter()
    try:
        text_format.Parse(_text(path), net)
    except text_format.ParseError as error:
        raise ToolboxError(_parse_message(path, str(error))) from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise ToolboxError(f"{path}: is not a prototxt ({reason_of(error)})") from None
    return net


def _text(path: Path) -> str:
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ToolboxError(f"{path}: is {os_reason_of(error)}, so it is not a text prototxt") from None
        raise ToolboxError(f"{path}: cannot be read ({os_reason_of(error)})") from None
    if b"\0" in content:
        raise ToolboxError(f"{path}: is not text; the prototxt is wanted here, not the .caffemodel")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # a comment, mostly, in an older encoding; any will do for what Caffe reads
        return content.decode("latin-1")


def _parse_message(path: Path, message: str) -> str:
    match = _POSITION.match(message)
    if not match:
        return f"{path}: {message}"
    line, text = match[1], match[3].rstrip(".")
    unknown = _UNKNOWN_FIELD.search(text)
    if unknown:
        text = f'{unknown[1]} has no field "{unknown[2]}" in Caffe; what it would change in the network is not known'
    return f"{path}, line {line}: {text.replace('deepvis_toolbox.caffe_formats.', '')}"


def _declared_inputs(net: Any, path: Path) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the blobs of `input:`, each with its `input_shape`, or its four of the `input_dim`."""
    names = list(net.input)
    if net.input_shape and net.input_dim:
        raise ToolboxError(f'{path}: has both "input_shape" and "input_dim"; leave one of them')
    if not net.input_shape and not net.input_dim:
        return tuple((name, ()) for name in names)
    if net.input_dim and len(net.input_dim) != 4 * len(names):
        raise ToolboxError(
            f'{path}: has {len(net.input_dim)} "input_dim" for {len(names)} "input"; each input takes four'
        )
    if net.input_shape and len(net.input_shape) not in (1, len(names)):
        raise ToolboxError(f'{path}: has {len(net.input_shape)} "input_shape" for {len(names)} "input"')
    if net.input_dim:
        shapes = [tuple(net.input_dim[4 * i : 4 * i + 4]) for i in range(len(names))]
    else:
        one_for_all = len(net.input_shape) == 1
        shapes = [tuple(net.input_shape[0 if one_for_all else i].dim) for i in range(len(names))]
    return tuple(zip(names, shapes, strict=True))
