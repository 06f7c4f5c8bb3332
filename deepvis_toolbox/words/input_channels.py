"""What fills the channels of a network's input: a picture's colours, once or several times, its grey, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from deepvis_toolbox.errors import ToolboxError

MOST_CHANNELS = 512
ONE_OF_PAIR = (
    "export a pair joined along the channels (--channels RGB+RGB then), or open the module itself, with what it takes "
    "besides in a model.yaml (inputs: {other: image})"
)
"""What to do with a network of pairs in a file."""
_PARTS = {"RGB": "RGB", "BGR": "BGR", "gray": "Y"}
CHANNELS_FORM = (
    "RGB, BGR, gray, or several of these and numbers of channels that stay empty, joined by +, as in RGB+RGB or RGB+1"
)


@dataclass(frozen=True)
class InputChannels:
    """The channels of a network's input, in its order."""

    fills: str
    """A letter for each channel: R, G, B; Y, the grey of the picture; or `-`: none, it stays at its mean."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.fills)

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
    fills = ""
    for part in written.split("+"):
        is_number = re.fullmatch(r"[1-9][0-9]{0,2}", part) is not None
        if not is_number and part not in _PARTS:
            raise ToolboxError(f'channels "{written}" must be one of {CHANNELS_FORM}')
        fills += "-" * int(part) if is_number else _PARTS[part]
    if len(fills) > MOST_CHANNELS:
        raise ToolboxError(f'channels "{written}" are {len(fills)}; an input has at most {MOST_CHANNELS}')
    if set(fills) == {"-"}:
        raise ToolboxError(f'channels "{written}" says of none what fills it; {filled_by(len(fills))}')
    return InputChannels(fills)


def filled_by(count: int) -> str:
    """Return what can be written for an input of so many channels, as the end of a sentence."""
    if count < 3:
        return f"say what fills them: channels gray{'+gray' * (count - 1)}"
    pairs = [f"{'+'.join(['RGB'] * (count // 3))} (the same picture again)"] if count % 3 == 0 and count > 3 else []
    others = [f"RGB+{count - 3} (the others stay at their mean)"] if count > 3 else ["RGB"]
    return f"say what fills them: channels {' or '.join([*pairs, *others])}"
