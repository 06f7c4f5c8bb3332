"""Layer names as file names and back: ordinary names stay as they are, other characters are percent-encoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

_ORDINARY = re.compile(r"[A-Za-z0-9._-]")


def file_name_of(layer: str) -> str:
    """Return a layer's name as a file name: letters, digits, `.`, `-` and `_` stay; other bytes of its UTF-8 become
    `%XX`.

    A leading dot is encoded too, so that no layer is called `..` or hides its folder. `layer_name_of` undoes it.
    """
    text = "".join(char if _ORDINARY.fullmatch(char) else _encoded(char) for char in layer)
    return _encoded(".") + text[1:] if text.startswith(".") else text


def layer_name_of(file_name: str) -> str:
    """Return the layer's name that `file_name_of` made this file name from."""
    return unquote(file_name, errors="strict")


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
