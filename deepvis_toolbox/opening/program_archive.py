"""The archive of an exported program (`torch.export.save`, .pt2), read without torch's own reader, which runs pickles.

It is a zip, in which nothing is packed: the program as JSON, a table of the tensors as JSON, and their bytes. What is
pickled in it (example inputs, objects) is never read.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.npz_file import DAMAGED_ZIP
from deepvis_toolbox.regular_file import json_in, open_regular

LARGEST_FILE = 8 << 30
LARGEST_JSON = 64 << 20
MOST_ENTRIES = 100_000
PATH = re.compile(r"[A-Za-z0-9_]{1,100}(\.[A-Za-z0-9_]{1,100}){0,40}")
"""What a part of a program may be called: it becomes a path of modules."""

_TENSOR_FILE = re.compile(r"(weight|tensor)_[0-9]{1,9}")
_DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16,
    7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
"""The numbers that stand for types of numbers."""
_STRIDED = 7
_MOST_AXES = 16


@dataclass(frozen=True)
class ProgramArchive:
    """What is in the file: the program, as JSON, and all tensors by their paths, on the CPU."""

    program: Mapping[str, Any]
    tensors: dict[str, torch.Tensor]
    parameters: frozenset[str]
    constants: dict[str, torch.Tensor]


def read_archive(path: Path) -> ProgramArchive:
    """Read the file. Nothing in it runs. Raises `ToolboxError` where it is missing, too large, or no such file."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _Reading(archive, path).content()
    except ToolboxError:
        raise
    except OSError as error:
        raise ToolboxError(f"the exported program {path} cannot be read: {os_reason_of(error)}") from None
    except (*DAMAGED_ZIP, KeyError, TypeError, AttributeError) as error:
        reason = "its end is missing" if isinstance(error, EOFError) else f"{type(error).__name__}: {reason_of(error)}"
        raise ToolboxError(
            f"{path} is no exported program of PyTorch ({reason}); save one by torch.export.save"
        ) from None


class _Reading:
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self._path = archive, path
        entries = archive.infolist()
        size = path.stat().st_size
        if size > LARGEST_FILE or len(entries) > MOST_ENTRIES:
            raise ToolboxError(f"{path} is too large for an exported program: {size} bytes, {len(entries)} entries")
        if any(entry.compress_type or entry.file_size != entry.compress_size for entry in entries):
            raise ToolboxError(f"{path} is packed, which torch.export.save does not do")
        if sum(entry.file_size for entry in entries) > size:
            raise ToolboxError(f"{path} unpacks to more than it can hold")
        self._top = entries[0].filename.partition("/")[0] if entries else ""
        self._names = {entry.filename: entry for entry in entries}

    def content(self) -> ProgramArchive:
        if self._entry("models/model.json") not in self._names:
            why = (
                "it holds machine code"
                if any("aotinductor" in name for name in self._names)
                else "it has no model.json"
            )
            raise ToolboxError(
                f"{self._path} is no exported program that can be read ({why}); save one by torch.export.save of "
                "PyTorch 2.9 or newer"
            )
        if self._text("byteorder").strip() != "little":
            raise ToolboxError(f"{self._path} was written on a machine of another byte order")
        tensors, parameters = self._tensors("weights")
        constants, _ = self._tensors("constants")
        return ProgramArchive(self._json("models/model.json"), tensors, parameters, constants)

    def _entry(self, name: str) -> str:
        return f"{self._top}/{name}"

    def _text(self, name: str) -> str:
        entry = self._names[self._entry(name)]
        if entry.file_size > LARGEST_JSON:
            raise ToolboxError(f"{self._path}: {name} is larger than {LARGEST_JSON >> 20} MiB")
        return self._archive.read(entry).decode("utf-8")

    def _json(self, name: str) -> Any:
        return json_in(self._text(name))

    def _tensors(self, folder: str) -> tuple[dict[str, torch.Tensor], frozenset[str]]:
        table = self._json(f"data/{folder}/model_{folder}_config.json")["config"]
        found: dict[str, torch.Tensor] = {}
        stored: dict[str, torch.Tensor] = {}
        for name, entry in table.items():
            if not PATH.fullmatch(name):
                raise ToolboxError(f"{self._path}: a tensor is called {name!r}, which no part of a module is")
            file = entry["path_name"]
            if entry["use_pickle"] or not _TENSOR_FILE.fullmatch(file):
                raise ToolboxError(
                    f"{self._path}: {name} is kept by pickle, which can run code, and is not read; export a module "
                    "whose weights are plain tensors, and which holds no other objects"
                )
            key = f"{file} {entry['tensor_meta']}"
            if key not in stored:
                stored[key] = self._tensor(name, entry["tensor_meta"], self._entry(f"data/{folder}/{file}"))
            found[name] = stored[key]
        return found, frozenset(name for name, entry in table.items() if entry["is_param"])

    def _tensor(self, name: str, described: Mapping[str, Any], file: str) -> torch.Tensor:
        dtype = _DTYPES.get(described["dtype"])
        sizes, strides = ([_number(each) for each in described[key]] for key in ("sizes", "strides"))
        first = _number(described["storage_offset"])
        if dtype is None or described["layout"] != _STRIDED or len(sizes) != len(strides) or len(sizes) > _MOST_AXES:
            raise ToolboxError(f"{self._path}: {name} is no plain tensor")
        count = self._names[file].file_size // dtype.itemsize
        last = first + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if all(sizes) and last >= count:
            raise ToolboxError(f"{self._path}: {name} is larger than what is stored of it")
        if not all(sizes):
            return torch.empty(sizes, dtype=dtype)
        with self._archive.open(self._names[file]) as stream:
            numbers = _numbers(stream, count, dtype)
        return numbers.as_strided(sizes, strides, first).contiguous()


def _numbers(stream: IO[bytes], count: int, dtype: torch.dtype) -> torch.Tensor:
    numbers = torch.empty(count, dtype=dtype)
    bytes_of = numbers.view(torch.uint8).numpy()
    if stream.readinto(bytes_of) != bytes_of.nbytes:  # type: ignore[attr-defined]
        raise EOFError("a tensor is cut off")
    return numbers


def _number(written: Mapping[str, Any]) -> int:
    number = written["as_int"]
    if not isinstance(number, int) or not 0 <= number < 1 << 40:
        raise ValueError(f"a size of {number}")
    return number
