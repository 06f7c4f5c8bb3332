"""ONNX Runtime's web build: fetched from the npm registry once, checked, kept, and copied into sites."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.opening.downloads.fetch_archive_entries import entries
from deepvis_toolbox.opening.downloads.fetch_download import Download
from deepvis_toolbox.opening.downloads.fetch_hashes import check_file
from deepvis_toolbox.opening.model_file import FetchItem
from deepvis_toolbox.progress import Say

VERSION = "1.30.0"
PACKAGE = FetchItem(
    url=f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    bytes=33106585,
)
"""MIT License, copyright (c) Microsoft Corporation. The file's SHA-512 is the one that the registry publishes:
q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ== in base64."""
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""The build for processors, with and without threads."""


def runtime_files(say: Say) -> Mapping[str, bytes]:
    """Return the runtime's files by name. `ToolboxError` where they cannot be had, or are not the published ones."""
    folder = _folder()
    path = folder / f"onnxruntime-web-{VERSION}.tgz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolboxError(
            f'--live: "{folder}" cannot be made: {error.strerror}; name another with XDG_CACHE_HOME'
        ) from error
    with FolderLock(folder):
        if not path.exists():
            _fetch(path, say)
        check_file(path, PACKAGE)
        found = {}
        for entry in entries(path):
            name = entry.path.name
            if entry.path.parent.as_posix() == "package/dist" and name in FILES:
                content = entry.content()
                found[name] = content.read() if content else b""
    if set(found) != set(FILES):
        raise ToolboxError(f"--live: {path} lacks {', '.join(sorted(set(FILES) - set(found)))}; remove it")
    return found


def _fetch(path: Path, say: Say) -> None:
    download = Download(PACKAGE.url, path, PACKAGE.bytes, is_published=True)
    try:
        partial = download.run(say)
        try:
            check_file(partial, PACKAGE)
        except ToolboxError:
            download.forget()
            raise
    except ToolboxError as error:
        raise ToolboxError(
            f"--live: ONNX Runtime's web build could not be fetched ({PACKAGE.url}: {error}); get it by hand, and "
            f"put it at {path}"
        ) from error
    download.finish()


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "deepvis-toolbox" / "npm"
