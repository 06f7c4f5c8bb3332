"""The rule: a case loads and works, or is refused with one sentence, within its budget of time and memory."""

from __future__ import annotations

import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from deepvis_toolbox.errors import ToolboxError

MOST_SECONDS = 20.0
"""Of processor time."""
PATIENCE = 3
"""How many times as long a case may take on a clock: machines are shared, and a case may wait for something."""
MOST_BYTES = 2 << 30
"""Of address space, beyond what the program takes before it opens anything."""
LONGEST_SENTENCE = 2000

End = Literal["loaded", "refused", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a case ended."""

    number: int
    end: End
    what: str = ""
    """Of a failure: its kind and place, the same for all that have one cause."""
    report: str = ""
    """Of a failure: the traceback; of a refusal: the sentence."""
    seconds: float = 0.0
    """Of processor time."""


class TooLong(BaseException):
    """The time is over."""


def judged(use: Callable[[], object], number: int = 0) -> Outcome:
    """Run `use` and return how it ends; within `limited`, and in the main thread."""
    try:
        with _alarm(MOST_SECONDS):
            use()
        return Outcome(number, "loaded")
    except ToolboxError as error:
        return _of_refusal(error, number)
    except TooLong as error:
        return Outcome(number, "failed", f"more than {MOST_SECONDS:g} s {_place(error)}", _traceback(error))
    except BaseException as error:
        if lacked_memory(error):
            return Outcome(number, "failed", f"too much memory {_place(error)}", _traceback(error))
        return Outcome(number, "failed", f"{type(error).__name__} {_place(error)}", _traceback(error))


def _of_refusal(error: ToolboxError, number: int) -> Outcome:
    sentence = str(error)
    if lacked_memory(error):
        return Outcome(number, "failed", f"too much memory, told as a fault {_place(error)}", _traceback(error))
    if not sentence.strip() or "\n" in sentence or len(sentence) > LONGEST_SENTENCE:
        return Outcome(number, "failed", f"no sentence {_place(error)}", _traceback(error))
    return Outcome(number, "refused", report=sentence)


def lacked_memory(error: BaseException) -> bool:
    """Return whether an error came of too little memory: Python's own word for it, or PyTorch's."""
    return any(isinstance(one, MemoryError) or "can't allocate memory" in str(one) for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _place(error: BaseException) -> str:
    """Return the innermost line of the program, or of the harness, that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "deepvis_toolbox/" in frame.filename] or frames
    return f"at {'/'.join(Path(own[-1].filename).parts[-2:])}:{own[-1].lineno}" if own else ""


def _traceback(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error))
    return lines if len(lines) < 12_000 else f"{lines[:6000]}\n…\n{lines[-6000:]}"


_ALARMS = ((signal.SIGPROF, signal.ITIMER_PROF, 1), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE))


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong

    former = [signal.signal(name, ring) for name, _, _ in _ALARMS]
    for _, timer, times in _ALARMS:
        signal.setitimer(timer, times * seconds)
    try:
        yield
    finally:
        for (name, timer, _), before in zip(_ALARMS, former, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(name, before)


@contextmanager
def limited_memory() -> Iterator[None]:
    """Refuse more address space than is used now and `MOST_BYTES`, which shows as a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
