"""Whether a fetched file is the right one: its published length and hash, or the hash that it had the first time."""

from __future__ import annotations

from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.opening.downloads.file_hashes import FileHashes, hashes_of
from deepvis_toolbox.opening.model_file import FetchItem
from deepvis_toolbox.regular_file import open_regular

_WEB_PAGES = (b"<!doctype html", b"<html")


def check_file(path: Path, item: FetchItem) -> FileHashes:
    """Return the file's hashes. `ToolboxError` where it is none, empty, a web page, or not what is published of it."""
    try:
        hashes = hashes_of(path)
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
