"""How much memory can be taken now, before the system ends this process for it."""

from __future__ import annotations

import os
from pathlib import Path


def free_memory() -> int:
    """Return the bytes that the system and this process's control group (a container's limit) leave."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return min(available, _left_by_control_group())


def _left_by_control_group() -> int:
    """Return what a container's limit leaves (cgroup 2); a very large number where there is none."""
    folder = Path("/sys/fs/cgroup")
    try:
        return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return 2**62
