"""Standard input, output and error of a command: nothing that is wrong with them stops the work or costs a result."""

from __future__ import annotations

import io
import os
import sys
from typing import IO

from deepvis_toolbox.shown_text import shown


def make_streams_last() -> None:
    """Open the descriptors 0 to 2 where they are closed, and make stdout and stderr outlive whoever reads them.

    A closed descriptor would be given to the next file that is opened, and what libraries print would go into it. What
    can no longer be written, to a pipe that nobody reads or to a full disk, is dropped: see `lost_output`. What people
    read, on stderr and on a terminal, is made fit to be shown.
    """
    os.environ.setdefault("PYTHON_COLORS", "0")  # what Python itself colours would be escaped, too
    for descriptor in (0, 1, 2):
        _open_closed(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _lasting(1, sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _lasting(2, sys.stderr)


def lost_output() -> OSError | None:
    """Return why a part of what was printed on stdout could not be kept; None where all was, or its reader has left."""
    stream = sys.stdout
    if stream is None or stream.closed:
        return None
    stream.flush()
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    failure = raw.failure if isinstance(raw, _LastingFile) else None
    return None if isinstance(failure, BrokenPipeError) else failure


class _LastingFile(io.FileIO):
    """A descriptor to write to that never fails: with the first error, all that follows is dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None

    def write(self, data: object) -> int:  # type: ignore[override]
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self.failure = error
            _point_to_nothing(self.fileno(), os.O_WRONLY)  # also for what is not Python
            return memoryview(data).nbytes  # type: ignore[arg-type]


class _ShownText(io.TextIOWrapper):
    """Text for people: it commands no terminal and tells no password. Lines, and bars that begin anew, stay."""

    def write(self, text: str) -> int:
        super().write(shown(text, keep="\n\r\t"))
        return len(text)


def _lasting(descriptor: int, former: IO[str] | None) -> io.TextIOWrapper:
    """Return a text stream on the descriptor with the encoding of the former one; UTF-8 where there was none."""
    if former is not None:
        former.flush()
    interactive = os.isatty(descriptor)
    kind = _ShownText if interactive or descriptor == 2 else io.TextIOWrapper
    return kind(
        io.BufferedWriter(_LastingFile(descriptor)),
        encoding=getattr(former, "encoding", None) or "utf-8",
        errors=getattr(former, "errors", None) or "backslashreplace",
        line_buffering=interactive or descriptor == 2,
    )


def _open_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        _point_to_nothing(descriptor, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)


def _point_to_nothing(descriptor: int, mode: int) -> None:
    nothing = os.open(os.devnull, mode)
    if nothing == descriptor:
        os.set_inheritable(descriptor, True)
        return
    os.dup2(nothing, descriptor)
    os.close(nothing)
