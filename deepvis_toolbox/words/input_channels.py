"""What fills the channels of a network's input: a picture's colours, once or several times, its grey, or nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from deepvis_toolbox.errors import ToolboxError

MOST_CHANNELS = 512
_PARTS = {"RGB": "RGB", "BGR": "BGR", "gray": "Y"}
CHANNELS_FORM = (
    "RGB, BGR, gray, or several of these and numbers of channels that stay empty, joined by +, as in RGB+RGB or RGB+1"
)


@dataclass(frozen=True)
class InputChannels:
    """The channels of a network's input, in its order."""

    fills: str
    """A letter for each channel: R, G, B; Y, the grey of the picture; or `-`: none, it stays at its mean."""
    parts: tuple[str, ...]
    """The same, for each part that is written: one for each picture, and others that none fills."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.fills)

    @cached_property
    def pictures(self) -> tuple[slice, ...]:
        """Which channels each picture fills, in order."""
        ends = [0, *itertools.accumulate(map(len, self.parts))]
        return tuple(
            slice(begin, end) for begin, end, part in zip(ends, ends[1:], self.parts, strict=False) if "-" not in part
        )

    @cached_property
    def empty(self) -> list[int]:
        """The numbers of those that no picture fills."""
        return [number for number, fill in enumerate(self.fills) if fill == "-"]

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """The numbers of those that are shown as red, green and blue: the first that hold these, else the first three;
        of fewer than three, the first alone, as grey."""
        if self.count < 3:
            return (0,)
        colours = tuple(map(self.fills.find, "RGB"))
        return (0, 1, 2) if -1 in colours else colours


def parsed_channels(written: str) -> InputChannels:
    """Return the channels of `RGB`, `BGR`, `gray`, or of several of these and numbers of empty ones joined by `+`:
    `RGB+RGB` is the same picture twice, `1+BGR+9` thirteen channels. `ToolboxError` where it is none of these."""
    parts = []
    for part in written.split("+"):
        is_number = re.fullmatch(r"[1-9][0-9]{0,2}", part) is not None
        if not is_number and part not in _PARTS:
            raise ToolboxError(f'channels "{written}" must be one of {CHANNELS_FORM}')
        parts.append("-" * int(part) if is_number else _PARTS[part])
    fills = "".join(parts)
    if len(fills) > MOST_CHANNELS:
        raise ToolboxError(f'channels "{written}" are {len(fills)}; an input has at most {MOST_CHANNELS}')
    if set(fills) == {"-"}:
        raise ToolboxError(f'channels "{written}" says of none what fills it; {filled_by(len(fills))}')
    return InputChannels(fills, tuple(parts))


def picture_number(value: object) -> int | None:
    """Return which picture an input of a model.yaml stands for, from 0: `image` is the first, `image 2` the second;
    None for what is no picture."""
    found = re.fullmatch(r"image(?: ([1-9]))?", value) if isinstance(value, str) else None
    return None if found is None else int(found[1] or 1) - 1


def pictures_in(inputs: Mapping[str, object]) -> int:
    """Return how many pictures a network is shown at a time whose other inputs stand for these; one at least."""
    return 1 + max([picture_number(value) or 0 for value in inputs.values()], default=0)


def usual_channels(counts: Sequence[int]) -> str:
    """Return what is usually fed to inputs of so many channels each, one behind the other: a picture to each, in colour
    or grey; one of any other number takes a picture, and channels that stay empty."""
    usual = {1: "gray", 2: "gray+1", 3: "RGB"}
    return "+".join(usual.get(count, f"RGB+{count - 3}") for count in counts)


def filled_by(count: int) -> str:
    """Return what can be written for an input of so many channels, as the end of a sentence."""
    if count < 3:
        return f"say what fills them: channels gray{'+gray' * (count - 1)}"
    pairs = [f"{'+'.join(['RGB'] * (count // 3))} (the same picture again)"] if count % 3 == 0 and count > 3 else []
    others = [f"RGB+{count - 3} (the others stay at their mean)"] if count > 3 else ["RGB"]
    return f"say what fills them: channels {' or '.join([*pairs, *others])}"
