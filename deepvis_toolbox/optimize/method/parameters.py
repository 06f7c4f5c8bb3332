"""One number that a part of the method takes: its name, its range, and the sentence that explains it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite

import numpy as np

from deepvis_toolbox.errors import ToolboxError

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Parameter:
    """A number that settings, presets, records and command lines know by its name."""

    name: str
    """Small letters, digits and `_`; on the command line `--name-with-dashes`."""
    default: float
    meaning: str
    """What it does, in a few words, for help texts."""
    low: float = 0
    high: float | None = None
    """The largest allowed value; None: no limit."""
    whole: bool = False
    off: float | None = 0
    """The value that switches off what it belongs to; None where none does."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ToolboxError(f'"{self.name}" cannot be a parameter: write it in small letters, digits and _')
        self.checked(self.default)

    def checked(self, value: object) -> float:
        """Return the value as an int or a float. Raise `ToolboxError` where it is no number or out of range."""
        if not is_finite_number(value):
            raise ToolboxError(f"{self.name} is {_short(value)}; it must be a finite number")
        assert isinstance(value, int | float | np.integer | np.floating)
        if self.whole and value != int(value):
            raise ToolboxError(f"{self.name} is {value}; it must be a whole number")
        if value < self.low or (self.high is not None and value > self.high):
            raise ToolboxError(f"{self.name} is {value}; it {self._range()}")
        return int(value) if self.whole else float(value)

    @property
    def flag(self) -> str:
        """The parameter's flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def help(self) -> str:
        """The flag's sentence, with the default."""
        return f"{self.meaning} (default {self.default:g}{': off' if self.default == self.off else ''})"

    def _range(self) -> str:
        off = f" ({self.off:g} is off)" if self.off is not None else ""
        if self.high is not None:
            return f"lies between {self.low:,} and {self.high:,}{off}"
        return f"must not be negative{off}" if self.low == 0 else f"must be at least {self.low:,}{off}"


def is_finite_number(value: object) -> bool:
    """Return whether it is a number, NumPy's included, that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
