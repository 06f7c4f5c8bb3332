"""The hashes of files, and the record of what was fetched with which."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.regular_file import open_regular

LARGEST_RECORD = 4 << 20


@dataclass(frozen=True)
class FileHashes:
    """A file's length in bytes and hashes, in hexadecimal."""

    length: int
    sha1: str
    sha256: str


def hashes_of(path: Path) -> FileHashes:
    """Return the hashes of a file. OSError where it cannot be read."""
    sha1, sha256, length = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            sha1.update(block)
            sha256.update(block)
            length += len(block)
    return FileHashes(length, sha1.hexdigest(), sha256.hexdigest())


class HashRecord:
    """What was fetched before, in a JSON file: {name: {"sha256": …, "bytes": …, "unpacked": bool}}.

    A name is that of the model.yaml, with its folders.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, Any]] = _read(path) if os.path.lexists(path) else {}

    def check(self, name: str, hashes: FileHashes) -> None:
        """Compare with the first time, where there was one."""
        known = self._entries.get(name)
        if known is not None and known["sha256"] != hashes.sha256:
            raise ToolboxError(
                f"it is not the file that was fetched the first time (SHA-256 {hashes.sha256}, then {known['sha256']}; "
                f"remove {self._path} to accept a new one)"
            )

    def hash_of(self, name: str) -> str | None:
        """Return the file's SHA-256 when it was fetched or checked; None for archives and what was not."""
        return None if self.is_unpacked(name) or not self.knows(name) else str(self._entries[name]["sha256"])

    def knows(self, name: str) -> bool:
        """Return whether the file was fetched or checked once."""
        return name in self._entries

    def is_unpacked(self, name: str) -> bool:
        """Return whether the archive was unpacked once."""
        return bool(self._entries.get(name, {}).get("unpacked"))

    def note(self, name: str, hashes: FileHashes, is_unpacked: bool) -> None:
        """Remember a file that is known to be whole; an archive that was unpacked need not be kept."""
        entry = {"sha256": hashes.sha256, "bytes": hashes.length, "unpacked": is_unpacked}
        if self._entries.get(name) != entry:
            self._entries[name] = entry
            write_json(self._path, self._entries)


class _Entry(BaseModel):
    """What is written down of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)
    unpacked: bool = False


_ENTRIES = TypeAdapter(dict[str, _Entry])


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = read_checked(path, LARGEST_RECORD, _ENTRIES)
        return {name: entry.model_dump() for name, entry in entries.items()}
    except (OSError, ValueError):
        raise ToolboxError(f"{path} is broken; remove it, and run --fetch again") from None
