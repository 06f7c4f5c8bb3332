"""Reads an ONNX file and checks what it says of itself before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.installation import pip_install
from deepvis_toolbox.onnx.own_functions import put_functions_in_place
from deepvis_toolbox.onnx.stored_tensors import FLOATS
from deepvis_toolbox.regular_file import open_regular

LARGEST_FILE = 2 << 30
"""More fits into no message of protobuf; weights lie in files beside it then."""
MOST_NODES = 100_000
OLDEST_OPSET = 7

_OWN_DOMAINS = ("", "ai.onnx")
_UINT8 = 2


@dataclass(frozen=True)
class ImageInput:
    """The input that takes the images."""

    name: str
    count: int | None
    """Of images at a time, None for any number."""
    channels: int
    size: tuple[int, int] | None
    """Height and width; None where any will do."""
    has_channels_last: bool
    is_bytes: bool


@dataclass(frozen=True)
class OnnxFile:
    """What is in the file."""

    path: Path
    graph: Any
    """The GraphProto."""
    opset: int
    images: tuple[ImageInput, ...]
    """Of a network of pairs two, of which each takes one picture of a pair."""
    metadata: Mapping[str, str]

    @property
    def image(self) -> ImageInput:
        """The first input of images; the others take as many, of its size."""
        return self.images[0]


def read_onnx(path: Path) -> OnnxFile:
    """Read the file; its weights stay where they are. Raises `ToolboxError` where the package onnx is missing, or the
    file cannot be read, is none, is older than opset 7, or takes something else than images of one size."""
    model = _model(path, _content(path))
    opsets = {entry.domain: int(entry.version) for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    if not model.graph.node:
        raise ToolboxError(f"{path} is no ONNX file with a network in it")
    if opset < OLDEST_OPSET:
        raise ToolboxError(
            f"{path} is written for opset {opset}, and {OLDEST_OPSET} is the oldest that is read; "
            "onnx.version_converter.convert_version makes a newer one of it"
        )
    if len(model.graph.node) > MOST_NODES:
        raise ToolboxError(f"{path} has more than {MOST_NODES} nodes")
    if len(model.graph.sparse_initializer):
        raise ToolboxError(f"{path} holds sparse weights, which are not read")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        put_functions_in_place(model, opset, MOST_NODES)
    except ToolboxError as error:
        raise ToolboxError(f"{path}: {error}") from None
    return OnnxFile(path, model.graph, opset, _image_inputs(path, model.graph), metadata)


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise ToolboxError(f"{path} is larger than {LARGEST_FILE >> 30} GiB, which no ONNX file is")
            return file.read()
    except OSError as error:
        raise ToolboxError(f"the ONNX file {path} cannot be read: {os_reason_of(error)}") from None


def _model(path: Path, content: bytes) -> Any:
    try:
        import onnx
    except ImportError as error:
        missing = getattr(error, "name", None) == "onnx"
        why = "is not installed" if missing else f"cannot be imported ({reason_of(error)})"
        raise ToolboxError(f"{path}: the package onnx, which reads such files, {why}: {pip_install('onnx')}") from None
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ToolboxError(f"{path} is no ONNX file that can be read ({reason_of(error)})") from None
    return model


def _image_inputs(path: Path, graph: Any) -> tuple[ImageInput, ...]:
    """Return the inputs of images; inputs that have a value already are none."""
    filled = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in filled]
    images = [each for each in map(_as_images, inputs) if each is not None]
    if len({(each.count, each.size) for each in images}) > 1:
        sizes = "; ".join(f"{each.name}: {_told(each)}" for each in inputs[:5])
        raise ToolboxError(f"{path} takes images of different sizes ({sizes}); a network takes pictures of one size")
    if images:
        return tuple(images)
    told = "; ".join(f"{each.name}: {_told(each)}" for each in inputs[:5]) or "nothing"
    raise ToolboxError(f"{path} takes {told}; a network takes images, N×C×H×W")


def _sizes(described: Any) -> list[int | None]:
    sizes = described.type.tensor_type.shape.dim
    return [int(each.dim_value) if each.HasField("dim_value") and each.dim_value > 0 else None for each in sizes]


def _told(described: Any) -> str:
    if not described.type.HasField("tensor_type"):
        return "no tensor"
    sizes = "×".join("any" if size is None else str(size) for size in _sizes(described)[:10])
    return f"a tensor of {sizes or 'no size'}"


def _as_images(described: Any) -> ImageInput | None:
    kind = described.type.tensor_type.elem_type if described.type.HasField("tensor_type") else 0
    sizes = _sizes(described)
    if len(sizes) != 4 or kind not in FLOATS | {_UINT8}:
        return None
    has_channels_last = sizes[1] not in (1, 3, None) and sizes[3] in (1, 3)
    is_square = sizes[1] == sizes[2] is not None
    if (sizes[1] is None and sizes[3] in (1, 3)) or (is_square and sizes[3] is not None and sizes[3] < (sizes[1] or 0)):
        has_channels_last = True
    if has_channels_last:
        sizes = [sizes[0], sizes[3], sizes[1], sizes[2]]
    count, channels, height, width = sizes
    if channels is None and None in (height, width):
        channels = 3
    if channels is None:
        return None
    size = None if height is None or width is None else (height, width)
    return ImageInput(described.name, count, channels, size, has_channels_last, kind == _UINT8)


def is_own_domain(domain: str) -> bool:
    """Return whether a node is one of ONNX's own operators."""
    return domain in _OWN_DOMAINS
