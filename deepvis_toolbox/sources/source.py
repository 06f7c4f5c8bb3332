"""What every source of frames can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.options import SourceOptions


class Source(ABC):
    """Delivers frames. One thread reads, moves and closes it; only `interrupt` may come from another thread."""

    form: ClassVar[str]
    """How it is written after `--input`."""
    meaning: ClassVar[str]
    """The rest of the sentence for help and error messages."""

    name: str
    """What the status line calls it."""
    is_still: bool = False
    """`read` brings the same picture until `next` or `previous` is called."""
    ended: bool = False
    """There is nothing to read any more, unless `next` or `previous` brings something."""
    has_end: bool = False
    """Reading it comes to an end by itself: a film that does not start again."""
    rate: float | None = None
    """Its frames a second as it says itself; None where it says nothing, or has none."""
    gone: bool = False
    """Its frames have stopped coming: lost, ended, or none of them can be read. The note says which."""
    note: str = ""
    """One line for the status line: `camera lost, retrying`, `skipped broken.jpg: truncated`, or empty."""

    @classmethod
    @abstractmethod
    def claims(cls, text: str) -> bool:
        """Return whether `text`, from the command line, means this kind of source. At most one kind says yes."""

    @classmethod
    @abstractmethod
    def open(cls, text: str, options: SourceOptions) -> Source:
        """Open what `text` names; ToolboxError where that fails. Never takes longer than some seconds."""

    @abstractmethod
    def read(self) -> SourceFrame | None:
        """Return the next frame, waiting for it about a second at most. None: none now (`note` says why), or
        `ended`."""

    def next(self) -> bool:
        """Move to the next picture; False where there is no such thing."""
        return False

    def previous(self) -> bool:
        """Move to the previous picture; False where there is no such thing."""
        return False

    def interrupt(self) -> None:  # noqa: B027 - most sources never wait
        """Make a `read` that waits in another thread return at once."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Give back what the source holds. Nothing is read afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
