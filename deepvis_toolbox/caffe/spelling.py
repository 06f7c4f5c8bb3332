"""Whether one name is another one, misspelled: two operations of similar names must not be taken for each other."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORTEST = 6
"""A name of fewer letters is a letter away from others (ReLU from PReLU)."""


def other_spelling(wanted: str, known: Iterable[str]) -> str:
    """Return a hint such as `; did you mean "InnerProduct"?`, or an empty string."""
    for name in known:
        if _letters(wanted) == _letters(name) or (
            min(len(wanted), len(name)) >= _SHORTEST and _is_one_slip_away(_letters(wanted), _letters(name))
        ):
            return f'; did you mean "{name}"?'
    return ""


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_one_slip_away(first: str, second: str) -> bool:
    """Return whether a letter is missing, too much or another one, or two are swapped; digits are no slips."""
    if sorted(filter(str.isdigit, first)) != sorted(filter(str.isdigit, second)):
        return False
    start = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        return abs(len(first) - len(second)) == 1
    left, right = first[start:], second[start:]
    return left[1:] in (right, right[1:]) or left == right[1:] or (left[:2] == right[1::-1] and left[2:] == right[2:])
