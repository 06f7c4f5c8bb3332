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
    return beyond_the_streams(descriptor)


def beyond_the_streams(descriptor: int) -> int:
    """Return the same file as a descriptor from 3 on: those below are another process's standard streams. The given one
    is closed where it is below."""
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
    read_at(descriptor, target, 0)
    os.truncate(descriptor, min(len(target), KEPT_BYTES))


def read_at(descriptor: int, target: memoryview, offset: int) -> None:
    """Fill `target` with the memory's bytes from `offset` on. OSError where it holds fewer.

    It is read and not mapped: the other process may cut it short, and a mapping without a memory ends this one."""
    filled = 0
    while filled < len(target):
        count = os.preadv(descriptor, [target[filled:]], offset + filled)
        if not count:
            raise OSError("the shared memory ends too early")
        filled += count
