"""Memory that is freed stays with the process: counted in page faults, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deepvis_toolbox.network.freed_memory import keep_freed_memory

PAGE_FAULTS = """
import resource, sys, threading
import torch
from deepvis_toolbox.network.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def passes(count):
    for _ in range(count):
        kept = [torch.zeros(megabytes << 18) for megabytes in (40, 3, 70, 9, 20)]

def counted():
    passes(12)  # until the pieces have found their places
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    passes(10)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

counted()
thread = threading.Thread(target=counted)
thread.start()
thread.join()
"""


def page_faults(how: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", PAGE_FAULTS, how], capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(not keep_freed_memory(), reason="only glibc's allocator gives memory back and can be told not to")
def test_the_same_memory_is_taken_again_in_every_thread() -> None:
    without, kept = page_faults("given back"), page_faults("kept")
    assert min(without) > 1_000
    assert max(kept) < min(without) / 4
    assert sum(kept) < sum(without) / 10
