"""What a page may say to the server: a closed list of small messages, each checked before anything is done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.window.interface import MouseKind

LONGEST_MESSAGE = 2048
"""Characters of a message that is no picture."""
LARGEST_SIDE = 8192
"""Pixels of a window's side."""
LARGEST_AREA = 12_000_000
"""Pixels of a window: those of a large 4K screen."""

_Short = Annotated[str, Field(max_length=40)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Size(_Message):
    """The page has room for a picture of this many pixels, `ratio` of which are one pixel of the page."""

    kind: Literal["size"]
    width: int = Field(ge=64, le=LARGEST_SIDE)
    height: int = Field(ge=64, le=LARGEST_SIDE)
    ratio: float = Field(ge=0.5, le=8)


class KeyPress(_Message):
    """A key went down, is held, or was let go; `key` and `code` as `KeyboardEvent` has them."""

    kind: Literal["key"]
    key: _Short
    code: _Short
    shift: bool
    repeats: bool = False
    up: bool = False


class Button(_Message):
    """A button of the page stands for a key of this name."""

    kind: Literal["press"]
    name: _Short


class Pointer(_Message):
    """What the mouse or a finger did, at a pixel of the window's picture."""

    kind: Literal["pointer"]
    what: MouseKind
    x: int = Field(ge=-LARGEST_SIDE, le=2 * LARGEST_SIDE)
    y: int = Field(ge=-LARGEST_SIDE, le=2 * LARGEST_SIDE)
    turns: int = Field(0, ge=-100, le=100)
    shift: bool = False


class Shown(_Message):
    """The page has drawn this frame: the next one may come."""

    kind: Literal["shown"]
    frame: int = Field(ge=0, le=0xFFFFFFFF)


class ChosenSource(_Message):
    """Frames are to come from this one of the sources, counted from 0."""

    kind: Literal["source"]
    place: int = Field(ge=0, le=100)


Message = Annotated[
    Size | KeyPress | Button | Pointer | Shown | ChosenSource,
    Field(discriminator="kind"),
]
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


class BadMessage(ToolboxError):  # noqa: N818 - named for what it is about, as the rest of its family
    """A page has said what no page of this program says."""


def parse_message(text: str) -> Message:
    """Return the message in a text. `BadMessage` for everything that is none."""
    if len(text) > LONGEST_MESSAGE:
        raise BadMessage(f"a message of {len(text)} characters; at most {LONGEST_MESSAGE} are taken")
    try:
        message = _MESSAGE.validate_json(text)
    except (ValidationError, UnicodeEncodeError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "no text"
        raise BadMessage(f"no message of this program: {what}") from None
    if isinstance(message, Size) and message.width * message.height > LARGEST_AREA:
        raise BadMessage(f"a window of {message.width}×{message.height} pixels is too large")
    return message
