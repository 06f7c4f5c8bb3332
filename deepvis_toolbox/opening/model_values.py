"""The values of a model.yaml that are more than a text or a number, and how they are read."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from deepvis_toolbox.configuration.section import InWords
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.backward import BackwardLook, parsed_look
from deepvis_toolbox.words.input_channels import CHANNELS_FORM, MOST_CHANNELS, parsed_channels, picture_number

LARGEST_SIDE = 8192


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def _numbers(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _looks(value: Any) -> Any:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        return value
    try:
        return tuple(parsed_look(text) for text in texts)
    except ToolboxError as error:
        raise ValueError(str(error)) from error


def _channels(value: Any) -> Any:
    try:
        parsed_channels(str(value))
    except ToolboxError as error:
        raise ValueError(str(error)) from error
    return str(value)


def _not_zero(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(values):
        raise ValueError("it must not be 0")
    return values


Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Size = Annotated[
    tuple[Side, Side], BeforeValidator(_pair), InWords(f"one number or [height, width], each 1 to {LARGEST_SIDE}")
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[
    tuple[Finite, ...],
    BeforeValidator(_numbers),
    Field(min_length=1, max_length=MOST_CHANNELS),
    InWords("a number, or a list with one per channel"),
]
Factors = Annotated[Numbers, AfterValidator(_not_zero)]
Channels = Annotated[str, BeforeValidator(_channels), InWords(CHANNELS_FORM)]
Looks = Annotated[
    tuple[BackwardLook, ...],
    BeforeValidator(_looks),
    Field(min_length=1),
    InWords("one or a list of MODE:VIEW, as in guided:norm"),
]
Mean = Annotated[str | Numbers, InWords("a number, a list with one per channel, or a file (.npy, .binaryproto)")]


def _constant_input(value: Any) -> Any:
    numbers = value if isinstance(value, (list, tuple)) and value else (value,)
    is_picture = picture_number(value) is not None
    if not is_picture and not all(isinstance(each, (int, float)) and isfinite(each) for each in numbers):
        raise ValueError('it must be a number, a list of numbers, "image", or "image 2" for the second of a pair')
    return tuple(value) if isinstance(value, list) else value


ConstantInput = Annotated[
    Any,
    BeforeValidator(_constant_input),
    InWords('a number, a list of numbers, "image", or "image 2" for the second of a pair'),
]
