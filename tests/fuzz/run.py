"""Runs harnesses for a while, keeps what fails, and tells what came of it as a table."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.harness import Harness, write_case
from tests.fuzz.outcome import Outcome
from tests.fuzz.worker import outcomes

KEPT_OF_A_KIND = 3
"""Failures with one cause are many; so many of them are kept."""
_BLOCK = 10_000


@dataclass
class Tally:
    """What came of a format's cases."""

    name: str
    ends: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    """Failures by what they are."""
    first: dict[str, int] = field(default_factory=dict)
    """The number of the first case of each kind of failure."""
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_case: int = 0

    @property
    def cases(self) -> int:
        """How many were tried."""
        return self.ends.total()

    def add(self, one: Outcome) -> None:
        """Count an outcome."""
        self.ends[one.end] += 1
        if one.seconds > self.slowest:
            self.slowest, self.slowest_case = one.seconds, one.number
        if one.end == "failed":
            self.kinds[one.what] += 1
            self.first.setdefault(one.what, one.number)


def fuzz(harness: Harness, numbers: Iterable[int], seconds: float, keep: Path) -> Tally:
    """Try the cases of these numbers, as many as there is time for; those that fail are kept below `keep`."""
    tally, started = Tally(harness.name), time.monotonic()
    for block in _blocks(numbers):
        for one in outcomes(harness, block):
            tally.add(one)
            if one.end == "failed" and tally.kinds[one.what] <= KEPT_OF_A_KIND:
                print(kept(harness, one, keep), flush=True)
            tally.seconds = time.monotonic() - started
            if tally.seconds > seconds:
                return tally
    return tally


def _blocks(numbers: Iterable[int]) -> Iterable[Sequence[int]]:
    block: list[int] = []
    for number in numbers:
        block.append(number)
        if len(block) == _BLOCK:
            yield block
            block = []
    yield block


def kept(harness: Harness, failure: Outcome, keep: Path) -> str:
    """Write a failing case and its traceback into a folder of its own; return what a person is told."""
    kind = re.sub(r"[^A-Za-z0-9.]+", "-", failure.what)[:80].strip("-")
    folder = keep / harness.name / f"{kind}-{failure.number}"
    write_case(harness.case(failure.number), folder / "case")
    (folder / "report.txt").write_text(f"{failure.what}\n{repeating(harness.name, failure.number)}\n\n{failure.report}")
    return f"{harness.name}: {failure.what}\n    {repeating(harness.name, failure.number)}    {folder}"


def repeating(name: str, number: int) -> str:
    """Return the command that runs one case again."""
    return f"python -m tests.fuzz {name} --case {number}"


def table(tallies: Sequence[Tally]) -> str:
    """Return a table in Markdown, and below it every kind of failure with the command that shows it."""
    lines = [
        "| format | cases | loaded | refused | failures | kinds | cases a second | slowest case, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for tally in tallies:
        ends = " | ".join(str(tally.ends[end]) for end in ("loaded", "refused", "failed"))
        rate = tally.cases / tally.seconds if tally.seconds else 0.0
        slowest = f"{tally.slowest:.2f} ({tally.slowest_case})"
        lines.append(f"| {tally.name} | {tally.cases} | {ends} | {len(tally.kinds)} | {rate:.0f} | {slowest} |")
    for tally in tallies:
        for kind, count in tally.kinds.most_common():
            lines.append(f"\n{tally.name}, {count} times: {kind}\n\n    {repeating(tally.name, tally.first[kind])}")
    return "\n".join(lines)
