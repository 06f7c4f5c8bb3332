"""Cases run in forked processes, so that a crash, a hang and a lack of memory end a worker and not the run."""

from __future__ import annotations

import faulthandler
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from tests.fuzz import outcome
from tests.fuzz.harness import Harness, in_memory, write_case
from tests.fuzz.outcome import Outcome, judged, limited_memory

CASES_A_WORKER = 2000
"""What a case leaves behind ends with its worker."""
GRACE_SECONDS = 5.0
"""How much later than the alarm a worker that does not listen is ended."""


def outcomes(harness: Harness, numbers: Sequence[int]) -> Iterator[Outcome]:
    """Yield how the cases of these numbers end, in order. Leaving early ends the worker."""
    harness.kept_seeds  # noqa: B018 - made before forking, once for all workers
    with tempfile.TemporaryDirectory(dir=in_memory(), prefix="fuzz-") as scratch:
        begin = 0
        while begin < len(numbers):
            for one in _of_one_worker(harness, numbers[begin : begin + CASES_A_WORKER], Path(scratch)):
                begin += 1
                yield one


def _of_one_worker(harness: Harness, numbers: Sequence[int], scratch: Path) -> Iterator[Outcome]:
    """Yield the outcomes of a worker. Where it dies, the last one says so; the numbers behind it are left."""
    said = scratch / "stderr"
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _work(harness, numbers, scratch, said, write_end)
    os.close(write_end)
    done = 0
    try:
        for line in _lines_in_time(read_end):
            done += 1
            yield Outcome(**json.loads(line))
    finally:
        os.close(read_end)
        if done < len(numbers):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if done < len(numbers):
        yield _death(numbers[done], status, said)


def _lines_in_time(descriptor: int) -> Iterator[bytes]:
    """Yield a worker's answers, until it has died or is too late with one."""
    begun = b""
    while select.select([descriptor], [], [], _longest())[0]:
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return
        *lines, begun = (begun + piece).split(b"\n")
        yield from lines


def _longest() -> float:
    return outcome.PATIENCE * outcome.MOST_SECONDS + GRACE_SECONDS


def _death(number: int, status: int, said: Path) -> Outcome:
    text = said.read_text("utf-8", "replace")[-4000:] if said.exists() else ""
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        what = f"more than {_longest():g} s, deaf to signals, or killed for its memory"
    else:
        what = f"the process died of {signal.Signals(-code).name}" if code < 0 else f"the process ended with {code}"
    return Outcome(number, "failed", what, text)


def _work(harness: Harness, numbers: Sequence[int], scratch: Path, said: Path, answers: int) -> NoReturn:
    """Run the cases in this process, an answer a line, and end it."""
    ended = 1
    try:
        _be_quiet(said)
        with limited_memory():
            for number in numbers:
                folder = scratch / "case"
                shutil.rmtree(folder, ignore_errors=True)
                os.write(answers, json.dumps(asdict(run_case(harness, number, folder))).encode() + b"\n")
        ended = 0
    finally:
        os._exit(ended)


def run_case(harness: Harness, number: int, folder: Path) -> Outcome:
    """Write a case into `folder`, use it there, and return how that ends."""
    try:
        write_case(harness.case(number), folder)
    except MemoryError:
        return Outcome(number, "failed", "the case itself is too large: a mutation needs a limit")
    started = time.process_time()
    found = judged(lambda: harness.use(folder), number)
    seconds = time.process_time() - started
    if found.end != "failed" and seconds > outcome.MOST_SECONDS:
        return Outcome(number, "failed", f"more than {outcome.MOST_SECONDS:g} s", found.report, seconds)
    return Outcome(number, found.end, found.what, found.report if found.end == "failed" else "", seconds)


def _be_quiet(said: Path) -> None:
    """Send what a case prints nowhere, and a crash's last words into a file."""
    said.write_bytes(b"")
    error = os.open(said, os.O_WRONLY | os.O_APPEND)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard, descriptor in ((0, nowhere), (1, nowhere), (2, error)):
        os.dup2(descriptor, standard)
    with suppress(OSError, ValueError):
        faulthandler.enable(sys.__stderr__)  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
