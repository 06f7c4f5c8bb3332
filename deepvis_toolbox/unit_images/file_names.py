"""Layer names as file names and back: ordinary names stay as they are, other characters are percent-encoded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

LONGEST = 100
"""Letters of a layer's part of a file name: a name has 255 bytes at most, and more stands behind it."""
_HASHED = 16
_ORDINARY = re.compile(r"[A-Za-z0-9._-]")
_CUT_CODE = re.compile(r"%.?$")
"""Half of a percent-encoded byte."""


def file_name_of(layer: str) -> str:
    """Return a layer's name as a file name: letters, digits, `.`, `-` and `_` stay; other bytes of its UTF-8 become
    `%XX`.

    A leading dot is encoded too, so that no layer is called `..` or hides its folder. `layer_name_of` undoes it. What
    is longer than `LONGEST` is cut to its beginning, `%-` and a hash of the whole, which no other layer has.
    """
    text = "".join(char if _ORDINARY.fullmatch(char) else _encoded(char) for char in layer)
    text = _encoded(".") + text[1:] if text.startswith(".") else text
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(layer.encode(errors="surrogateescape")).hexdigest()[:_HASHED]
    return f"{_CUT_CODE.sub('', text[: LONGEST - _HASHED - 2])}%-{digest}"


def layer_name_of(file_name: str) -> str:
    """Return the layer's name that `file_name_of` made this file name from; of one that it has cut, only its beginning,
    with the hash."""
    return unquote(file_name, errors="replace" if "%-" in file_name else "strict")


def _encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogateescape"))


def layers_in(folder: Path) -> Iterator[str]:
    """Yield the layers whose folders these are; what else lies there, with a name that is no layer's, is left aside."""
    for name in names_in(folder):
        with suppress(UnicodeDecodeError):
            if (folder / name).is_dir():
                yield layer_name_of(name)


def names_in(folder: Path) -> Iterator[str]:
    """Yield the names in a folder; none where it is missing."""
    if folder.is_dir():
        yield from (path.name for path in folder.iterdir())
