"""Which model folders may name code, and files outside of themselves: the program's, the user's, those trusted once.

Any other folder is data, as a picture is: nothing in it runs, and nothing outside of it is read because it says so. A
folder is trusted as it is: once a file in it changes that may be imported, or its model.yaml, it is a stranger's again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError, os_reason_of, shown_path, user_path
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.installation import models_folders
from deepvis_toolbox.opening.model_folder import MODEL_FILE
from deepvis_toolbox.regular_file import read_regular

CODE = frozenset({".py", ".pyc", ".so", ".pyd"})
"""Endings of what Python imports."""
_DESCRIPTIONS = frozenset({".yaml", ".yml"})
"""Endings of what can be named instead of model.yaml, and may name code."""
MOST_FILES, MOST_BYTES = 2000, 64 << 20
_MOST_RECORD = 4 << 20
_RECORD = TypeAdapter(dict[str, str])
"""{folder: hash}"""
_PATIENCE = 10.0
"""Seconds to wait for another run that is trusting a folder."""
_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Trusted:
    """A folder that was trusted, and whether it is still as it was."""

    folder: Path
    content: str
    """SHA-256 of its model.yaml, of what may stand in for it, and of all that can be imported, in hexadecimal."""
    is_unchanged: bool


def is_trusted(folder: Path) -> bool:
    """Return whether a model folder may name code: one of the program's or the user's own models, or trusted as it
    is."""
    folder = folder.resolve()
    if is_own(folder):
        return True
    known = _read().get(_written(folder))
    return known is not None and content_hash(folder) == known


def is_own(folder: Path) -> bool:
    """Return whether a model folder is one of the program's or the user's own, which may name code that is installed,
    too."""
    return any(folder.resolve().parent == place.resolve() for place in models_folders())


def trust(written: str | Path) -> Path:
    """Trust a model folder as it is now, from now on; return it. `ToolboxError` where that cannot be."""
    folder = user_path(written).resolve()
    if not (folder / MODEL_FILE).is_file():
        raise ToolboxError(f"--trust {written}: there is no {MODEL_FILE} in {shown_path(folder)}")
    content, path = content_hash(folder), _store()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolboxError(f"cannot remember it in {path}: {os_reason_of(error)}") from error
    with FolderLock(path.parent, path.name, _PATIENCE):
        write_json(path, {**_read(), _written(folder): content})
    return folder


def trusted_folders() -> list[Trusted]:
    """Return what was trusted, sorted by folder."""
    return sorted(
        (Trusted(Path(place), content, _is_still(Path(place), content)) for place, content in _read().items()),
        key=lambda trusted: trusted.folder,
    )


def content_hash(folder: Path) -> str:
    """Return SHA-256 of a folder's model.yaml, of the other YAML files beside it, and of every file in the folder that
    can be imported, with their names.

    `ToolboxError` where they are too many or too large, or one is a link that leads out of the folder.
    """
    digest, size = hashlib.sha256(), 0
    for number, path in enumerate(_importable(folder)):
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ToolboxError(f"{path} is a link that leads out of its model's folder, which then cannot be trusted")
        try:
            content = read_regular(path, MOST_BYTES)
        except OSError as error:
            raise ToolboxError(f"cannot read {path}: {os_reason_of(error)}") from error
        size += len(content)
        if number >= MOST_FILES or size > MOST_BYTES:
            raise ToolboxError(f"{folder} holds too much code to be trusted as a model's folder; move the model")
        name = os.fsencode(path.relative_to(folder).as_posix())
        digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()


def _importable(folder: Path) -> Iterator[Path]:
    """Yield model.yaml, what may stand in for it, and what Python would import, in order of names; the caches that
    Python makes are not read."""
    yield folder / MODEL_FILE
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            describes = Path(place) == folder and Path(name).suffix in _DESCRIPTIONS and name != MODEL_FILE
            if describes or _can_be_imported(place, name):
                yield Path(place, name)
        for name in folders:
            if Path(place, name).is_symlink():  # a package elsewhere
                yield from _behind_link(Path(place, name))


def _behind_link(link: Path) -> Iterator[Path]:
    for number, (place, _, names) in enumerate(os.walk(link, followlinks=True)):
        if number >= MOST_FILES:
            raise ToolboxError(f"{link} is a link to too many folders to be trusted as a part of a model's folder")
        yield from (Path(place, name) for name in sorted(names) if _can_be_imported(place, name))


def _can_be_imported(place: str, name: str) -> bool:
    """Return whether Python may import a file; not where it is a cache of Python's, such as `net.cpython-311.pyc`."""
    file = Path(name)
    is_cache = Path(place).name == "__pycache__" and file.suffix == ".pyc" and "." in file.stem
    return file.suffix in CODE and not is_cache


def _is_still(folder: Path, content: str) -> bool:
    try:
        return content_hash(folder) == content
    except (ToolboxError, ValueError):  # it is gone, too large, or no name that a folder can have
        return False


def _store() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "deepvis-toolbox" / "trusted.json"


def _written(folder: Path) -> str:
    """Return a folder's name as it stands in the record: bytes that are no text have no place in JSON."""
    return str(folder).encode("utf-8", "backslashreplace").decode()


def _read() -> dict[str, str]:
    """Return {folder: hash}; nothing where there is no such file, or none that can be read."""
    try:
        record = read_checked(_store(), _MOST_RECORD, _RECORD)
    except (OSError, ValueError, RuntimeError):
        return {}
    return dict(
        (value, key) if _HASH.fullmatch(key) else (key, value) for key, value in record.items()
    )  # 2026: {hash: folder}
