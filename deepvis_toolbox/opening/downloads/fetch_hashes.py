"""Whether a fetched file is the right one: its published length and hash, or the hash that it had the first time."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.opening.model_file import FetchItem
from deepvis_toolbox.regular_file import open_regular, read_json

LARGEST_RECORD = 4 << 20
_WEB_PAGES = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class FileHashes:
    """A file's length in bytes and hashes, in hexadecimal."""

    length: int
    sha1: str
    sha256: str


def check_file(path: Path, item: FetchItem) -> FileHashes:
    """Return the file's hashes. `ToolboxError` where it is none, empty, a web page, or not what is published of it."""
    try:
        hashes = _hashes(path)
        with open_regular(path) as file:
            start = file.read(256).lstrip().lower()
    except OSError as error:
        raise ToolboxError(f"it cannot be read: {os_reason_of(error)}") from None
    if hashes.length == 0:
        raise ToolboxError("the file is empty")
    if start.startswith(_WEB_PAGES):
        raise ToolboxError("it is a web page, not the file")
    if item.bytes is not None and hashes.length != item.bytes:
        raise ToolboxError(f"it has {hashes.length} bytes, the published file {item.bytes}")
    for kind, published in (("SHA-1", item.sha1), ("SHA-256", item.sha256)):
        own = hashes.sha1 if kind == "SHA-1" else hashes.sha256
        if published is not None and own != published.lower():
            raise ToolboxError(f"it is not the published file ({kind} {own}, published {published.lower()})")
    return hashes


def _hashes(path: Path) -> FileHashes:
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


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = read_json(path, LARGEST_RECORD)
        return {str(name): {**entry, "sha256": str(entry["sha256"])} for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ToolboxError(f"{path} is broken; remove it, and run --fetch again") from None
