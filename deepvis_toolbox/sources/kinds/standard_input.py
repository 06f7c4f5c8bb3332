"""Standard input: what another program writes, as pictures or as a film."""

from __future__ import annotations

import os
import sys

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.film_capture import open_standard_input
from deepvis_toolbox.sources.film_process import FilmError
from deepvis_toolbox.sources.kinds.video_file import VideoSource
from deepvis_toolbox.sources.live_source import OPEN_SECONDS, LiveSource
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS


@register_source
class StandardInput(LiveSource):
    """The newest picture of what comes, until it ends; headless, every one in order."""

    form = "-"
    meaning = INPUT_FORMS.meaning("-")
    noun = "standard input"

    @classmethod
    def claims(cls, text: str) -> bool:
        return text == "-"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Source:  # noqa: ARG003
        _check_there_is_something()
        if not options.realtime:
            try:
                capture = open_standard_input()
            except FilmError as error:
                raise ToolboxError(f"standard input cannot be decoded: {error}") from error
            if capture is None:
                raise ToolboxError(_NOTHING_READABLE)
            film = VideoSource("standard input", capture, lambda: None, options.model_copy(update={"loop": False}))
            film.has_end = True
            return film
        source = cls("standard input", open_standard_input, options, comes_once=True)
        if not source.is_open:
            raise ToolboxError(source.fault or _NOTHING_READABLE)
        return source


_NOTHING_READABLE = (
    f"standard input brought nothing within {OPEN_SECONDS:.0f} seconds that can be read as pictures or as a film; "
    "write JPEG or PNG pictures one after the other, Matroska or MPEG-TS to it"
)


def _check_there_is_something() -> None:
    try:
        is_terminal = os.isatty(0)
        os.fstat(0)
    except OSError:
        raise ToolboxError('the input "-" is standard input, which is closed') from None
    if is_terminal or sys.stdin is None:
        raise ToolboxError(
            'the input "-" is standard input: let another program write to it, as in  PROGRAM | … --input -'
        )
