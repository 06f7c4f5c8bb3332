"""What one picture, which may be anybody's, may cost in memory and time, wherever it is decoded.

Size, pixels and scans are looked at before decoding, in every process. The processes of a scan hold themselves to the
rest.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_FILE_BYTES = 1 << 29
"""Larger files are not read, wherever they lie."""
MAX_PIXELS = 89_000_000
"""Larger pictures are refused before they are decoded: a few kilobytes can claim to be terabytes."""
MAX_SCANNED_PIXELS = 5_000_000_000
"""A progressive JPEG goes over its pixels once for each of its scans: 4 s for so many, measured. Programs write about
ten scans; a file of some kilobytes can hold thousands."""
MAX_MEMORY = 5 << 29
"""Bytes beyond what the decoding process had at its start. The costliest of `MAX_PIXELS` took 2.1 GiB, JPEG 2000 with
transparency; the usual ones 0.4 to 1.4."""
MAX_SECONDS = 60.0
"""Of processor time. The costliest of `MAX_PIXELS` takes 35 s, noise in JPEG 2000 without loss; the usual ones 1 to
7."""
MAX_WAIT = 120.0
"""Seconds that whoever waits for a process has patience: a file system may hang, a process may be stopped."""

_START_OF_SCAN = b"\xff\xda"


def is_quickly_scanned(jpeg: bytes, size: tuple[int, int]) -> bool:
    """Return whether a JPEG of `size` (width, height) is within `MAX_SCANNED_PIXELS`.

    Within its compressed values the mark of a scan cannot stand; that of a preview in its head is counted too.
    """
    return size[0] * size[1] * jpeg.count(_START_OF_SCAN) <= MAX_SCANNED_PIXELS


def limit_memory(most: int = MAX_MEMORY) -> None:
    """Let this process take at most `most` bytes more than it has, where the system can do that: what asks for more
    gets a `MemoryError`."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + most
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))
    except (ImportError, OSError, ValueError):  # not Linux: the checks before decoding stand alone
        return


@contextmanager
def within_seconds(most: float = MAX_SECONDS) -> Iterator[None]:
    """End this whole process where the block takes more processor time than `most` seconds: nothing else stops a
    decoder. For processes that only decode; `ran_out_of_time` tells such an end."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, most)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def ran_out_of_time(exit_status: int | None) -> bool:
    """Return whether a process, by its `returncode`, was ended by `within_seconds`."""
    return exit_status is not None and exit_status == -getattr(signal, "SIGPROF", 0) < 0
