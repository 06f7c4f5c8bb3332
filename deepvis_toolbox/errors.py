"""The one family of errors that a user can cause: each says what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from deepvis_toolbox.shown_text import shown


class ToolboxError(Exception):
    """A mistake that a user can mend. Command lines print its message as one line and exit with status 2.

    The message is made fit to be shown: names in it come from files and servers, addresses may hold a password.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(_readable(shown(_readable(message))))


_LONGEST_MESSAGE = 1000


def _readable(message: str) -> str:
    """Return a message without its middle where it is too long to be read: names in it come from files."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: 2 * _LONGEST_MESSAGE // 3]} […] {message[-_LONGEST_MESSAGE // 4 :]}"


def nearest_name(wanted: str, known: Iterable[str]) -> str:
    """Return a hint such as `; did you mean "conv5"?`, or an empty string where nothing known is close to `wanted`."""
    matches = get_close_matches(wanted, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def reason_of(error: BaseException, *, last: bool = False) -> str:
    """Return an error's message as a part of a sentence: its first line with words (`last`: its last one).

    The error's kind stands for a message that is empty.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1 if last else 0] if lines else type(error).__name__


def os_reason_of(error: BaseException) -> str:
    """Return why a file could not be used, without the file's name: for sentences that have named it."""
    return getattr(error, "strerror", None) or reason_of(error)


def first_few(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are: `a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def sentence_of(error: BaseException) -> str:
    """Return what a person reads of any error: a `ToolboxError` speaks for itself, another one says its kind, too."""
    reason, kind = reason_of(error), type(error).__name__
    return shown(reason if isinstance(error, ToolboxError) or reason == kind else f"{kind}: {reason}")


def shown_path(path: Path) -> str:
    """Return the path as people would write it: relative to the working directory where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # it lies elsewhere, or can be no path
        return str(path)


def user_path(written: str | Path) -> Path:
    """Return a path as a user wrote it, `~` resolved; what it names need not be there.

    `ToolboxError` where it can be no path: an empty text, a home that does not exist, a name that is too long, a null
    character, links in a circle.
    """
    if not str(written):
        raise ToolboxError("an empty text is given where a path is wanted")
    try:
        path = Path(written).expanduser()
        os.stat(path)  # noqa: PTH116 - tells links in a circle, at which `resolve` fails
    except (RuntimeError, ValueError) as error:
        raise ToolboxError(f'"{str(written)[:60]}" can be no path: {reason_of(error)}') from None
    except PermissionError as error:
        raise ToolboxError(f'"{written}" cannot be read: {os_reason_of(error)}') from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ToolboxError(f'"{str(written)[:60]}…" can be no path: it is too long') from None
        if error.errno == errno.ELOOP:
            raise ToolboxError(f'"{written}" can be no path: its links lead in a circle') from None
    return path
