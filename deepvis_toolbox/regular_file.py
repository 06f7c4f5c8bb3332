"""Opens what a user names as a file without ever waiting: pipes, sockets and devices are refused, not read; cuts text
into lines."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

_MOST_LEVELS = 64
_MOST_PARTS = 8_000_000
"""Of JSON: lists, groups and what lies between commas. Each takes tens of bytes, an empty one too."""
_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open an ordinary file for reading. OSError, with a `strerror`, where it is missing or not an ordinary file.

    Asked before opening, since opening a device can do something; asked again behind, since names can be exchanged.
    """
    _check(path, os.stat(path).st_mode)  # noqa: PTH116 - answers to every kind of name
    descriptor = os.open(path, os.O_RDONLY | _NEVER_WAIT)
    try:
        _check(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check(path: str | Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is not a file but a folder", os.fspath(path))
    raise OSError(errno.EINVAL, "it is not a file but a pipe, a socket or a device", os.fspath(path))


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text, without their ends: `\n` or `\r\n`, and nothing else that Python takes for an end.

    Names hold form feeds, U+0085 and U+2028, which would shift every line below. Where there is no `\n` at all, as in
    files of old Macs, `\r` ends a line.
    """
    if "\n" not in text:
        return text.split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")]


def read_regular(path: str | Path, most_bytes: int) -> bytes:
    """Read a whole ordinary file. OSError where it is larger, too, or cannot be read."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise OSError(errno.EFBIG, f"larger than {most_bytes >> 20} MiB", os.fspath(path))
        return file.read()


def read_json(path: str | Path, most_bytes: int, *, is_finite: bool = True) -> Any:
    """Return what an ordinary file of JSON holds. OSError as `read_regular`, ValueError as `json_in`."""
    return json_in(read_regular(path, most_bytes).decode("utf-8"), is_finite=is_finite)


def json_in(text: str, *, is_finite: bool = True) -> Any:
    """Return what a text of JSON holds. ValueError where it is none: also nested too deeply, of too many parts, with a
    number of too many digits, or, of `is_finite`, with one that JSON does not know (NaN, infinities), or that is larger
    than any (1e999)."""
    if sum(map(text.count, "[{,")) > _MOST_PARTS:
        raise ValueError(f"it has more than {_MOST_PARTS // 1_000_000} million parts")
    try:
        numbers: dict[str, Any] = {"parse_constant": _refused, "parse_float": _finite} if is_finite else {}
        value = json.loads(text, **numbers)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    inside = [value]
    for _ in range(_MOST_LEVELS):
        inside = [part for each in inside if isinstance(each, dict | list) for part in _parts(each)]
        if not inside:
            return value
    raise ValueError("it is nested too deeply")


def _parts(value: dict | list) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which JSON does not know")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refused(number)
