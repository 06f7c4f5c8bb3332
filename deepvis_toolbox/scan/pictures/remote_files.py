"""Pictures in object stores (`s3://…`, `gs://…`, `file://…`), read through pyarrow, which comes with the extra ray."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.installation import pip_install
from deepvis_toolbox.sources.picture_budget import MAX_FILE_BYTES

_URL = re.compile(r"[a-z][a-z0-9+.-]*://.+", re.IGNORECASE)


def is_url(path: str) -> bool:
    """Return whether the path is an address in an object store."""
    return bool(_URL.fullmatch(path))


def read_url(url: str) -> bytes:
    """Return a file's bytes. `ToolboxError` with the reason where it cannot be read."""
    try:
        files, path = _file_system(url)
        with files.open_input_file(path) as file:
            if file.size() > MAX_FILE_BYTES:
                raise ToolboxError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
            return bytes(file.read())
    except (OSError, ValueError) as error:
        raise ToolboxError(_reason(error)) from error


def list_url(url: str) -> list[str]:
    """Return the files below an address, relative to it, sorted. `ToolboxError` where it cannot be listed."""
    from pyarrow.fs import FileSelector, FileType

    try:
        files, path = _file_system(url)
        found = files.get_file_info(FileSelector(path, recursive=True))
    except (OSError, ValueError) as error:
        raise ToolboxError(f'"{url}" cannot be listed: {_reason(error)}') from error
    base = path.rstrip("/") + "/"
    return sorted(info.path.removeprefix(base) for info in found if info.type == FileType.File)


def _file_system(url: str) -> tuple[Any, str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    files, base = _host_file_system(f"{scheme}://{host}/")
    return files, f"{base.rstrip('/')}{slash}{path}"


@lru_cache(maxsize=16)
def _host_file_system(url: str) -> tuple[Any, str]:
    try:
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise ToolboxError(f"reading from URLs needs pyarrow: {pip_install('pyarrow')}") from error
    found: tuple[Any, str] = FileSystem.from_uri(url)
    return found


def _reason(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else reason_of(error)
