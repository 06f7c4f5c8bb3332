"""Memory that a process shares with another one which it starts."""

from __future__ import annotations

import os
import tempfile

KEPT_BYTES = 32 << 20
"""Memory that the next picture finds in place: taking it anew takes longer than filling it."""


def shared_memory(size: int) -> int:
    """Return a file descriptor, from 3 on, of `size` bytes of memory that has no name, so that nothing is left behind
    by a kill. OSError where there is no room."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pictures")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.truncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return _beyond_the_streams(descriptor)


def _beyond_the_streams(descriptor: int) -> int:
    """Return the same file as a descriptor from 3 on: those below are another process's standard streams."""
    if descriptor > 2:
        return descriptor
    import fcntl

    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: memoryview) -> None:
    """Let the memory hold these bytes, and no more."""
    os.truncate(descriptor, len(data))
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], written)


def read_into(descriptor: int, target: memoryview) -> None:
    """Fill `target` with the memory's bytes, then give back what is more than `KEPT_BYTES`. OSError where it holds
    fewer."""
    filled = 0
    while filled < len(target):
        count = os.preadv(descriptor, [target[filled:]], filled)
        if not count:
            raise OSError("the shared memory ends too early")
        filled += count
    os.truncate(descriptor, min(filled, KEPT_BYTES))
