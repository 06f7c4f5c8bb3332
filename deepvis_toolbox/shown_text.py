"""Text as it may be shown: control characters escaped, and names and passwords of URLs left out.

Whatever reaches a terminal, the window or a log passes through here: messages of `ToolboxError`, standard error,
standard output where it is a terminal, lines of the log and of a progress display, and lines of text that are drawn.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: they move the cursor, and begin the terminals' commands
    "\u2028\u2029"  # the other ends of a line
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen, or turn what follows
    "\ud800-\udfff\U000e0000-\U000e007f]"  # bytes of a file's name that are no UTF-8; tags
)
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/[^\s\x00-\x1f]+", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_BEHIND_A_URL = "\"'`)>]},;:."
"""Of a sentence, not of a URL in it."""


def escaped(text: str, keep: str = "") -> str:
    r"""Return the text with its control characters written as Python writes them (`\x1b`), but for those in `keep`."""
    return _UNSHOWN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def shown(text: str, keep: str = "") -> str:
    """Return what a person may see of a text: `escaped`, and each URL in it as `without_secrets` shows it."""
    return escaped(_URL.sub(_shown_url, text) if ":/" in text else text, keep)


def is_url(text: str) -> bool:
    """Whether a source is written as a URL."""
    return "://" in text


def without_secrets(url: str) -> str:
    """Return scheme, host and path: names and passwords have no place in a status line, a message or a screenshot.

    What follows the path is left out, too: keys are given there.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        if not parts.netloc or not host_is_certain(url):
            return _mostly_hidden(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return escaped(f"{parts.scheme}://{host}{port}{parts.path}")
    except ValueError:  # no valid URL, of which any part may be the password
        return _mostly_hidden(url)


def host_is_certain(url: str) -> bool:
    """Return whether no part of a password can have been taken for the host.

    A slash or the like in a password ends what `urlsplit` takes for the host, which then holds a colon.
    """
    host = urlsplit(url).netloc
    return ":" not in host or "@" not in url.partition(host)[2]


def settings_without_secrets(value: Any) -> Any:
    """Return plain data (dictionaries, lists, texts, numbers) with every URL in it as `without_secrets` shows it."""
    if isinstance(value, dict):
        return {key: settings_without_secrets(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(settings_without_secrets(each) for each in value)
    return without_secrets(value) if isinstance(value, str) and is_url(value) else value


def _mostly_hidden(url: str) -> str:
    if "@" not in url and "?" not in url:
        return escaped(url)
    scheme = url.partition(":/")[0]
    return f"{scheme if _SCHEME.fullmatch(scheme) else '…'}://…"


def _shown_url(found: re.Match[str]) -> str:
    url = found[0].rstrip(_BEHIND_A_URL)
    return without_secrets(url) + found[0][len(url) :]


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
