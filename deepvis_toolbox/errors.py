"""The one family of errors that a user can cause: each says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ToolboxError(Exception):
    """A mistake that a user can mend. Command lines print its message as one line and exit with status 2."""


def nearest_name(wanted: str, known: Iterable[str]) -> str:
    """A hint such as `; did you mean "conv5"?`, or an empty string where nothing known is close to `wanted`."""
    matches = get_close_matches(wanted, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{matches[0]}"?' if matches else ""
