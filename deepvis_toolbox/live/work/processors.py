"""Shares the machine's processors between the network and the window."""

from __future__ import annotations

import os

ENOUGH_TO_SPARE_ONE = 4


def processors() -> int:
    """Return how many processors this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spare_one_for_the_window() -> None:
    """Let the network's threads leave a processor free where there are enough; each of its steps waits for all of
    them, so that one that has to share its processor with the drawing would hold up the others."""
    import torch

    if torch.get_num_threads() >= processors() >= ENOUGH_TO_SPARE_ONE:
        torch.set_num_threads(processors() - 1)


def network_takes_all(device: str) -> bool:
    """Return whether drawing takes time from the network."""
    import torch

    return device == "cpu" and torch.get_num_threads() >= processors()
