"""Changes that know Caffe's formats: words of a prototxt, fields of a protobuf message, parts of an HDF5 file."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from google.protobuf.message import DecodeError

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.layer_types import LAYER_TYPES
from tests.fuzz.mutations.plain_bytes import LARGE, PLAIN
from tests.fuzz.mutations.text import NUMBERS, lines_changed

_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
_OPENINGS = ("layer {", "shape {", "convolution_param {", "{", "[a.b/c] {")


def definition_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A prototxt's numbers, types and names exchanged, its lines dropped, doubled or swapped, braces in braces."""
    for _ in range(dice.choice([1, 1, 2, 5])):
        how = dice.randrange(6)
        if how == 0:
            content = _replaced(content, r"(?<=: )-?\d[\d.e-]*", dice.choice(NUMBERS), dice)
        elif how == 1:
            content = _replaced(content, r'(?<=type: )"\w+"', f'"{dice.choice(sorted(LAYER_TYPES))}"', dice)
        elif how == 2:
            names = re.findall(r'"(\w*)"', content.decode("utf-8", "replace")) or [""]
            content = _replaced(content, r'"\w*"', f'"{dice.choice(names)}"', dice)
        elif how == 3 and dice.random() < 0.3:
            content = _nested_braces(content, dice)
        else:
            content = lines_changed(content, dice, donors)
    return content


def _replaced(content: bytes, pattern: str, replacement: str, dice: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    found = list(re.finditer(pattern, text))
    if not found:
        return content
    match = dice.choice(found)
    return (text[: match.start()] + replacement + text[match.end() :]).encode()


def _nested_braces(content: bytes, dice: random.Random) -> bytes:
    at, depth = dice.randrange(len(content) + 1), dice.choice([1, 2, 50, 5000])
    opening = dice.choice(_OPENINGS).encode() * depth
    return content[:at] + opening + content[at:] + b"}" * dice.choice([0, depth])


def message_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A protobuf message with other fields, or within itself."""
    if dice.random() < 0.3:
        return _within_itself(content, dice)
    for kind in (formats.NetParameter, formats.BlobProto):
        try:
            message = kind.FromString(content)
        except DecodeError:
            continue
        blobs = _blobs_in(message)
        if blobs:
            for _ in range(dice.choice([1, 1, 2])):
                _change_blob(dice.choice(blobs), dice)
            return message.SerializeToString()
    return dice.choice(PLAIN)(content, dice, donors)


def _blobs_in(message: Any) -> list[Any]:
    if isinstance(message, formats.BlobProto):
        return [message]
    return [blob for layer in (*message.layer, *message.layers) for blob in layer.blobs]


def _change_blob(blob: Any, dice: random.Random) -> None:
    how, number = dice.randrange(7), dice.choice(LARGE)
    small = max(-(2**31), min(number, 2**31 - 1))
    if how == 0 and blob.shape.dim:
        blob.shape.dim[dice.randrange(len(blob.shape.dim))] = max(-(2**63), min(number, 2**63 - 1))
    elif how == 1:
        blob.shape.dim.extend([dice.choice([0, 1, 2, -1, 2**40])] * dice.choice([1, 3, 40]))
    elif how == 2:
        setattr(blob, dice.choice(["num", "channels", "height", "width"]), small)
    elif how == 3:
        del blob.data[dice.randrange(len(blob.data) + 1) :]
    elif how == 4:
        blob.data.extend([dice.choice([0.0, float("nan"), float("inf"), 3e38, 1e-45])] * dice.choice([1, 3, 4096]))
    elif how == 5:
        blob.double_data.extend([1e300] * max(1, len(blob.data)))
    elif blob.data:
        blob.data[dice.randrange(len(blob.data))] = dice.choice([float("nan"), -float("inf"), 3e38])


def _within_itself(content: bytes, dice: random.Random) -> bytes:
    at, tag = dice.randrange(len(content) + 1), bytes([dice.choice([0xA2, 0x12, 0x3A])])
    wrapped = content[:at]
    for _ in range(dice.choice([1, 2, 50])):
        wrapped = tag + _length(len(wrapped)) + wrapped
    return wrapped


def _length(size: int) -> bytes:
    encoded = bytearray()
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*encoded, size])


def hdf5_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """An HDF5 file with data sets of other types, shapes, names, places and ways of storing: a whole one changed, since
    HDF5's library crashes where it writes into a damaged one."""
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder:
        path = Path(folder) / "weights.h5"
        path.write_bytes(content if content in donors else dice.choice(donors))
        try:
            with h5py.File(path, "r+") as file:
                names: list[str] = []
                file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
                _change_data_set(file, dice.choice(names), dice)
            return path.read_bytes()
        except Exception:  # broken already, or h5py refuses
            return dice.choice(PLAIN)(content, dice, donors)


def _change_data_set(file: Any, name: str, dice: random.Random) -> None:
    how, values = dice.randrange(8), file[name][()]
    del file[name]
    if how == 0:
        return
    if how == 1:
        file[name] = values.astype(dice.choice(["f2", "f8", "i4", ">f4", "c8", "S3"]))
    elif how == 2:
        file.create_dataset(name, dice.choice([(2**31, 2**31), (10**6, 10**6), (0,), (1,) * 30, ()]), "f4")
    elif how == 3:
        file.create_dataset(
            name, dice.choice([(4096, 4096), (10**5, 10**5)]), "f4", compression="gzip", chunks=(64, 64)
        )
    elif how == 4:
        file[dice.choice(["data/x", f"{name}/0", "data/a/b/c/0", "data/conv1/7", "x"])] = values
    elif how == 5:
        link = [h5py.SoftLink("/data"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("other.h5", "/data")]
        file[name] = dice.choice(link)
    elif how == 6:
        file[name] = np.full_like(values, dice.choice([np.nan, np.inf, 3e38]))
    else:
        file.create_dataset(name, data=values.reshape(-1), compression="gzip", shuffle=True, fletcher32=True)
