"""What a process and its children hold: memory, threads, descriptors; read from Linux's /proc."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_MIB = 1 << 10  # of the kibibytes that /proc counts in


@dataclass(frozen=True)
class Sample:
    """A moment of the soak."""

    seconds: float
    """Since the window was there."""
    memory: float
    """Proportional set size, MiB, of the program and its children."""
    threads: int
    descriptors: int
    processes: int
    answer: float
    """Seconds until the program did what the last key that was watched asks for."""


def processes_of(process: int) -> Iterator[int]:
    """The process and all below it."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from processes_of(int(child))


def left_over(processes: Iterable[int], seconds: float) -> list[int]:
    """Return those that still run after `seconds` at most. One that has ended and waits for its parent does not run."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if _runs(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [process for process in left if _runs(process)]
    return left


def _runs(process: int) -> bool:
    try:
        after_the_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False
    return after_the_name.split()[0] not in "ZX"


def take_sample(process: int, seconds: float, answer: float) -> Sample:
    """What is held now. A process that ends meanwhile counts as far as it was read."""
    memory, threads, descriptors, count = 0.0, 0, 0, 0
    for each in processes_of(process):
        folder = Path(f"/proc/{each}")
        with suppress(OSError):
            fields = dict(line.split()[:2] for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
            memory += int(fields["Pss:"]) / _MIB
            threads += sum(1 for _ in (folder / "task").iterdir())
            descriptors += sum(1 for _ in (folder / "fd").iterdir())
            count += 1
    return Sample(round(seconds, 2), round(memory, 2), threads, descriptors, count, round(answer, 3))


def write_sample(sample: Sample, path: Path) -> None:
    """Add one line to a file of samples."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(sample)) + "\n")


def read_samples(path: Path) -> list[Sample]:
    """All samples of a file."""
    return [Sample(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
