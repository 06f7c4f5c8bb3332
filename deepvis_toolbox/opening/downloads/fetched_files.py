"""Whether a file that `--fetch` brought is still the same when it is opened."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.opening.downloads.fetch_places import RECORD, SEEN, check_ways
from deepvis_toolbox.opening.downloads.file_hashes import LARGEST_RECORD, HashRecord, hashes_of

_STAMP_SECONDS = 2.0
"""A file that was changed so shortly ago may change again without its time changing."""

_State = tuple[str, int, int, int]
"""A file's SHA-256, bytes, time in nanoseconds, and place on the disk, when it was compared."""
_SEEN = TypeAdapter(dict[str, _State])


def check_fetched(folder: Path, path: Path) -> None:
    """Refuse a file of a model's folder that has another hash than when it was fetched; others are not looked at.

    It is hashed once: as long as its size, its time and its place on the disk stay, it counts as the same.
    """
    record = folder / RECORD
    if not path.is_relative_to(folder) or not os.path.lexists(record):
        return
    name = path.relative_to(folder).as_posix()
    fetched = HashRecord(record).hash_of(name)
    if fetched is None:
        return
    seen = _read(folder / SEEN)
    try:
        state = path.stat()
        now: _State = (fetched, state.st_size, state.st_mtime_ns, state.st_ino)
        if seen.get(name) == now:
            return
        own = hashes_of(path).sha256
    except OSError as error:
        raise ToolboxError(f"{path} cannot be read: {os_reason_of(error)}") from error
    if own != fetched:
        raise ToolboxError(
            f"{path} is not the file that was fetched (SHA-256 {own}, then {fetched}); move it away and run --fetch "
            f"again, or remove {record} to take it as it is"
        )
    if time.time() - state.st_mtime > _STAMP_SECONDS:
        _write(folder, {**seen, name: now})


def _read(path: Path) -> dict[str, _State]:
    with suppress(OSError, ValueError):
        return read_checked(path, LARGEST_RECORD, _SEEN)
    return {}


def _write(folder: Path, seen: dict[str, _State]) -> None:
    with suppress(OSError, ToolboxError):  # a folder that cannot be written to: hashed each time
        check_ways(folder, (folder / SEEN).parent)
        write_json(folder / SEEN, seen)
