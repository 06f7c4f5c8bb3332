"""ONNX's stored tensors as torch's, from the file itself or from files beside it; sizes are checked before memory is
taken."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.regular_file import open_regular

MOST_AXES = 16
_EXTERNAL = 1

_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16
FLOATS = frozenset({_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16})
"""The numbers that stand for types of floats."""
_STORED: dict[int, type[np.generic]] = {
    _FLOAT: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    _FLOAT16: np.float16, _DOUBLE: np.float64, 12: np.uint32, 13: np.uint64, _BFLOAT16: np.uint16,
}  # fmt: skip
_NIBBLES = {21: False, 22: True}
"""Two numbers in a byte; whether they have a sign."""
_IN_INT32 = frozenset({2, 3, 4, 5, 6, 9, _FLOAT16, _BFLOAT16, *_NIBBLES})
_TYPE_NAMES = {8: "text", 14: "complex64", 15: "complex128"}


class StoredTensors:
    """Reads a file's tensors. Floats become float32, whole numbers int64, truth values bool."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.coarser: set[str] = set()
        """Which other types of floats were met."""
        self._read: dict[int, tuple[Any, torch.Tensor]] = {}

    def tensor(self, stored: Any) -> torch.Tensor:
        """Return a TensorProto's values, float32, int64 or bool of its shape, on the CPU.

        Raises `ToolboxError` where it is no plain tensor, or holds another number of values than its shape says.
        """
        if id(stored) not in self._read:
            self._read[id(stored)] = (stored, self._tensor(stored))
        return self._read[id(stored)][1]

    def _tensor(self, stored: Any) -> torch.Tensor:
        shape = tuple(int(size) for size in stored.dims)
        self._check(stored, shape)
        count = math.prod(shape)
        if stored.data_type in _NIBBLES:
            numbers = self._nibbles(stored, count)
        elif stored.data_location == _EXTERNAL or stored.HasField("raw_data"):
            kind = np.dtype(_STORED[stored.data_type]).newbyteorder("<")
            numbers = np.frombuffer(self._bytes(stored, count * kind.itemsize), kind)
        else:
            numbers = self._listed(stored)
        if numbers.size != count:
            raise self._refused(stored, f"holds {numbers.size} values, and its shape {list(shape)} has {count}")
        return self._in_torch(numbers, stored.data_type).reshape(shape)

    def _check(self, stored: Any, shape: tuple[int, ...]) -> None:
        if stored.data_type not in _STORED and stored.data_type not in _NIBBLES:
            raise self._refused(stored, f"holds {_TYPE_NAMES.get(stored.data_type, f'type {stored.data_type}')}")
        if len(shape) > MOST_AXES or any(size < 0 for size in shape) or math.prod(shape) >= 1 << 40:
            raise self._refused(stored, f"has the absurd shape {list(shape)[:MOST_AXES]}")
        if stored.HasField("segment"):
            raise self._refused(stored, "is stored in segments")

    def _in_torch(self, numbers: NDArray[Any], data_type: int) -> torch.Tensor:
        if data_type in FLOATS - {_FLOAT}:
            self.coarser.add({_FLOAT16: "float16", _DOUBLE: "float64", _BFLOAT16: "bfloat16"}[data_type])
        if data_type == _BFLOAT16:
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        wanted: Any = np.float32 if data_type in FLOATS else np.bool_ if data_type == 9 else np.int64
        with np.errstate(over="ignore"):
            return torch.from_numpy(np.array(numbers, wanted))

    def _listed(self, stored: Any) -> NDArray[Any]:
        kind = stored.data_type
        if kind in (_FLOAT16, _BFLOAT16):
            bits = np.array(stored.int32_data, np.int64).astype(np.uint16)
            return bits.view(np.float16) if kind == _FLOAT16 else bits
        if kind in _IN_INT32:
            return np.array(stored.int32_data, np.int64)
        if kind in (12, 13):
            return np.array(stored.uint64_data, np.uint64)
        field = {_FLOAT: stored.float_data, _DOUBLE: stored.double_data}.get(kind, stored.int64_data)
        return np.array(field, _STORED[kind])

    def _nibbles(self, stored: Any, count: int) -> NDArray[Any]:
        if stored.data_location == _EXTERNAL or stored.HasField("raw_data"):
            packed = np.frombuffer(self._bytes(stored, (count + 1) // 2), np.uint8)
        else:
            packed = np.array(stored.int32_data, np.int64).astype(np.uint8)
        numbers = np.stack([packed & 15, packed >> 4], -1).reshape(-1)[:count].astype(np.int64)
        return np.where(numbers > 7, numbers - 16, numbers) if _NIBBLES[stored.data_type] else numbers

    def _bytes(self, stored: Any, wanted: int) -> bytes:
        if stored.data_location == _EXTERNAL:
            return self._beside(stored, wanted)
        found: bytes = stored.raw_data
        if len(found) != wanted:
            raise self._refused(stored, f"is stored in {len(found)} bytes, and takes {wanted}")
        return found

    def _beside(self, stored: Any, wanted: int) -> bytes:
        """Return the bytes in a file beside this one; nothing outside of the folder is opened, also by no link."""
        said = {entry.key: entry.value for entry in stored.external_data}
        file = self._file_beside(stored, said.get("location", ""))
        first, length = (self._number(stored, said.get(key)) for key in ("offset", "length"))
        if length not in (None, wanted):
            raise self._refused(stored, f"is stored in {length} bytes of {file.name}, and takes {wanted}")
        try:
            with open_regular(file) as stream:
                if (first or 0) + wanted > os.fstat(stream.fileno()).st_size:
                    raise self._refused(stored, f"reaches beyond the end of {file.name}")
                stream.seek(first or 0)
                return stream.read(wanted)
        except OSError as error:
            raise self._refused(stored, f"is stored in {file}, which cannot be read: {os_reason_of(error)}") from None

    def _file_beside(self, stored: Any, location: str) -> Path:
        folder = self._path.parent.resolve()
        parts = Path(location).parts
        if not parts or "\0" in location or "\\" in location or Path(location).is_absolute() or ".." in parts:
            raise self._refused(stored, f"is stored in {location!r}, which is no file below the folder of this one")
        file = folder / location
        walked = folder
        for part in parts:
            walked = walked / part
            if walked.is_symlink():
                raise self._refused(stored, f"is stored in {location!r}, which is reached through a link")
        return file

    def _number(self, stored: Any, written: str | None) -> int | None:
        if written is None:
            return None
        if not written.isascii() or not written.isdigit() or len(written) > 15:
            raise self._refused(stored, "is stored at a place that is no number")
        return int(written)

    def _refused(self, stored: Any, why: str) -> ToolboxError:
        return ToolboxError(f'{self._path}: the tensor "{stored.name[:80]}" {why}')
