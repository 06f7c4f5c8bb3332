"""Opens trained weights, `.caffemodel` of either generation or HDF5. Values stay in the file until asked for."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, BinaryIO

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.hdf5_weights import open_hdf5
from deepvis_toolbox.caffe.stored_blob import stored_blob
from deepvis_toolbox.caffe.stored_weights import MAX_LAYERS, StoredArray, StoredWeights
from deepvis_toolbox.caffe.wire import BYTES, Buffer, Field, FieldLimit, WireError, fields, text
from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.regular_file import open_regular

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def open_weights(path: Path) -> StoredWeights:
    """Open a weights file and find its layers.

    Raises `ToolboxError` that names file and layer where it is missing, truncated, or not a weights file.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise ToolboxError(f"{path}: cannot be read ({os_reason_of(error)})") from None
    try:
        if file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC:
            return open_hdf5(path)
        return _open_caffemodel(path, file)
    finally:
        file.close()


def _open_caffemodel(path: Path, file: BinaryIO) -> StoredWeights:
    try:
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (ValueError, OSError) as error:
        raise ToolboxError(f"{path}: is no weights file ({reason_of(error)})") from None
    weights = StoredWeights(path, resources=[buffer])
    try:
        weights.layers.update(_caffemodel_layers(path, buffer))
    except BaseException:
        buffer.close()
        raise
    if not weights.layers:
        buffer.close()
        raise ToolboxError(f"{path}: holds no layer; it is not a .caffemodel")
    return weights


def _caffemodel_layers(path: Path, buffer: Buffer) -> dict[str, list[StoredArray]]:
    layers: dict[str, list[StoredArray]] = {}
    net, limit = formats.NetParameter, FieldLimit()
    try:
        for entry in fields(buffer, 0, len(buffer), limit):
            if entry.wire_type != BYTES:
                continue
            if entry.number == net.LAYER_FIELD_NUMBER:
                name, arrays = _layer(path, buffer, entry, formats.LayerParameter, limit)
            elif entry.number == net.LAYERS_FIELD_NUMBER:
                name, arrays = _layer(path, buffer, entry, formats.V1LayerParameter, limit)
            else:
                continue
            if arrays:
                layers[name] = arrays  # of two with one name Caffe takes the later
            if len(layers) > MAX_LAYERS:
                raise ToolboxError(f"{path}: has more than {MAX_LAYERS} layers; it is not a .caffemodel")
    except WireError as error:
        raise ToolboxError(_foreign_file(path, buffer, error)) from None
    return layers


def _foreign_file(path: Path, buffer: Buffer, error: WireError) -> str:
    start = bytes(buffer[:64]).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return f"{path}: is a web page, not a .caffemodel; fetch the weights again"
    return f"{path}: is not a .caffemodel, or is cut off ({reason_of(error)}); fetch it again"


def _layer(path: Path, buffer: Buffer, entry: Field, message: Any, limit: FieldLimit) -> tuple[str, list[StoredArray]]:
    """Return a layer's name and parameters, from a LayerParameter or V1LayerParameter."""
    name, places = "", []
    for part in fields(buffer, entry.start, entry.end, limit):
        if (
            message is formats.V1LayerParameter
            and part.number == message.LAYER_FIELD_NUMBER
            and part.wire_type == BYTES
        ):
            return _layer(path, buffer, part, formats.V0LayerParameter, limit)  # the first form has the layer inside
        if part.number == message.NAME_FIELD_NUMBER and part.wire_type == BYTES:
            name = text(buffer, part)
        elif part.number == message.BLOBS_FIELD_NUMBER and part.wire_type == BYTES:
            places.append(part)
    try:
        blobs = [stored_blob(buffer, place.start, place.end, limit) for place in places]
    except WireError as error:
        raise ToolboxError(
            f'{path}: layer "{name}": a stored parameter is broken ({reason_of(error)}); fetch the file again'
        ) from None
    return name, [StoredArray(blob.shape, blob.read) for blob in blobs]
