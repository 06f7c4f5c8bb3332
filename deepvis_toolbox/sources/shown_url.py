"""A URL as it may be shown and kept: names, passwords and what follows the path are left out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def is_url(text: str) -> bool:
    """Whether a source is written as a URL."""
    return "://" in text


def without_secrets(url: str) -> str:
    """Return scheme, host and path: names and passwords have no place in a status line, a message or a screenshot."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    except ValueError:  # no valid URL, of which any part may be the password
        return f"{url.partition('://')[0]}://…"


def settings_without_secrets(value: Any) -> Any:
    """Return plain data (dictionaries, lists, texts, numbers) with every URL in it as `without_secrets` shows it."""
    if isinstance(value, dict):
        return {key: settings_without_secrets(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [settings_without_secrets(each) for each in value]
    return without_secrets(value) if isinstance(value, str) and is_url(value) else value
