"""Two sources at a time, for networks of pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.pairs import joined
from deepvis_toolbox.sources.registry import SOURCES, register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS

_SIGN, _BETWEEN = "pair:", "+"


@register_source
class PairSource(Source):
    """Reads two sources in step; while one brings nothing new, its last picture stays."""

    form = "pair:FIRST+SECOND"
    meaning = INPUT_FORMS.meaning("pair:FIRST+SECOND")

    @classmethod
    def claims(cls, text: str) -> bool:
        return text.startswith(_SIGN)

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:
        opened: list[Source] = []
        try:
            for part, kind in _parts(text.removeprefix(_SIGN)):
                opened.append(kind.open(part, options))
            return cls(*opened)
        except BaseException:
            for source in opened:
                source.close()
            raise

    def __init__(self, first: Source, second: Source) -> None:
        self._both = (first, second)
        self._last: list[SourceFrame | None] = [None, None]
        self._shown: tuple[tuple[SourceFrame | None, ...], SourceFrame] | None = None
        self._number = 0
        self.name = f"{first.name} + {second.name}"
        self.is_still = first.is_still and second.is_still
        self.has_end = first.has_end or second.has_end
        self.rate = first.rate or second.rate

    def read(self) -> SourceFrame | None:
        read = [source.read() for source in self._both]
        self.note = "; ".join(filter(None, (source.note for source in self._both)))
        self.gone = any(source.gone for source in self._both)
        self.ended = any(source.ended for source in self._both)
        if self.ended or not any(read):
            return None
        self._last = [new or last for new, last in zip(read, self._last, strict=True)]
        first, second = self._last
        if first is None or second is None:
            return None
        if self._shown is None or self._shown[0] != (first, second):
            self._shown = ((first, second), _paired(first, second, self._number))
            self._number += 1
        return self._shown[1]

    def next(self) -> bool:
        return self._moved([source.next() for source in self._both])

    def previous(self) -> bool:
        return self._moved([source.previous() for source in self._both])

    def _moved(self, moved: list[bool]) -> bool:
        self.ended = False
        return any(moved)

    def interrupt(self) -> None:
        for source in self._both:
            source.interrupt()

    def close(self) -> None:
        for source in self._both:
            source.close()


def _parts(text: str) -> list[tuple[str, type[Source]]]:
    """Return the two sources that are named, and their kinds: parted at the first + where both sides are known."""
    places = [place for place, sign in enumerate(text) if sign == _BETWEEN]
    for place in places:
        sides = text[:place].strip(), text[place + 1 :].strip()
        kinds = [next((kind for kind in SOURCES.values() if kind.claims(side)), None) for side in sides]
        if PairSource in kinds:
            raise ToolboxError(f'the input "{_SIGN}{text}" is a pair in a pair; a pair is of two sources')
        if kinds[0] is not None and kinds[1] is not None:
            return [(sides[0], kinds[0]), (sides[1], kinds[1])]
    if not places:
        raise ToolboxError(f'the input "{_SIGN}{text}" names one source; a pair is written {PairSource.form}')
    first, _, second = text.partition(_BETWEEN)
    unknown = next((side for side in (first, second) if not any(kind.claims(side) for kind in SOURCES.values())), first)
    raise ToolboxError(f'the input "{_SIGN}{text}": "{unknown}" is no source: no such file, folder, camera or address')


def _paired(first: SourceFrame, second: SourceFrame, number: int) -> SourceFrame:
    """Return both as one frame, in the words of the first."""
    info = replace(
        first.info,
        number=number,
        source=f"{first.info.source} + {second.info.source}",
        is_still=first.info.is_still and second.info.is_still,
    )
    return SourceFrame(first.image, info, joined(first.image, second.image), is_picture=False)
