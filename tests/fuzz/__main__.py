"""Feeds broken files to the program: each must load and work, or be refused with one sentence, soon, in little memory.

python -m tests.fuzz                                    a minute, all formats, the same cases every time
python -m tests.fuzz picture settings --cases 100000            so many of these formats
python -m tests.fuzz --minutes 60 --random              other cases than ever before
python -m tests.fuzz picture --case 17                      one case, here, with its traceback
python -m tests.fuzz picture --files fuzz-failures/picture/…/case   the same from its files
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tests.fuzz.harness import Files, Harness, harnesses, in_memory, read_case, write_case
from tests.fuzz.outcome import judged, limited_memory
from tests.fuzz.run import Tally, fuzz, table

KEEP = Path("fuzz-failures")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz as the arguments say; exit status 1 where a case was neither loaded nor refused."""
    torch.set_num_threads(1)  # a forked process has no other threads
    known = harnesses()
    given = _parser(known).parse_args(arguments)
    chosen = [known[name] for name in given.formats or known]
    with tempfile.TemporaryDirectory(dir=in_memory()) as configuration:
        os.environ["XDG_CONFIG_HOME"] = configuration  # what is trusted here stays as it is
        if given.case is not None or given.files is not None:
            files = read_case(given.files) if given.files else chosen[0].case(given.case)
            return _run_one(chosen[0], files)
        tallies = _run_all(chosen, given)
    print(text := table(tallies))
    if given.table:
        given.table.write_text(text + "\n")
    return 1 if any(tally.kinds for tally in tallies) else 0


def _parser(known: Mapping[str, Harness]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("formats", nargs="*", choices=[[], *known], metavar="FORMAT", help=", ".join(known))
    parser.add_argument("--minutes", type=float, default=1.0, help="for all formats together (default: 1)")
    parser.add_argument("--cases", type=int, help="at most so many of each format")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="the first case (default: 0)")
    parser.add_argument("--random", action="store_true", help="begin anywhere")
    parser.add_argument("--case", "--seed", type=int, metavar="NUMBER", help="run this case alone, in this process")
    parser.add_argument("--files", type=Path, metavar="DIR", help="run the case that lies there")
    parser.add_argument("--keep", type=Path, default=KEEP, metavar="DIR", help=f"where failures go (default: {KEEP}/)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the table there")
    return parser


def _run_all(chosen: Sequence[Harness], given: argparse.Namespace) -> list[Tally]:
    """Give each format an equal share of the time that is left."""
    end, tallies = time.monotonic() + 60 * given.minutes, []
    for number, harness in enumerate(chosen):
        first = int.from_bytes(os.urandom(5), "little") if given.random else given.first
        numbers = itertools.islice(itertools.count(first), given.cases)
        share = (end - time.monotonic()) / (len(chosen) - number)
        tallies.append(fuzz(harness, numbers, share, given.keep))
        if given.table:
            given.table.write_text(table(tallies) + "\n")
    return tallies


def _run_one(harness: Harness, files: Files) -> int:
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder, limited_memory():
        write_case(files, Path(folder))
        found = judged(lambda: harness.use(Path(folder)))
    print(f"{found.end} {found.what}\n{found.report}".strip())
    return 1 if found.end == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
