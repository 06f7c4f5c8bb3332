"""kill -9, thirty times in all, at moments spread over a whole run: the next run gives what one run gives."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .conftest import Undisturbed, Warm, left_in, unlike
from .programs import JOBS

KILLS = 10


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["scan with workers", "optimize", "pipeline"])
def test_killed_at_any_moment_the_next_run_leaves_the_same_bytes(
    name: str, warm: Warm, undisturbed: Undisturbed
) -> None:
    job, killed = JOBS[name], 0
    for number in range(KILLS):
        out = warm.workplace.place(job)
        warm.start(job, out)
        time.sleep((number + 0.7) / KILLS * undisturbed[name].seconds)
        warm.signal(signal.SIGKILL)
        killed += warm.wait().status == -signal.SIGKILL
        again = warm.run(job, out)
        assert again.status == 0, again.err
        left = {path: data for path, data in left_in(out).items() if ".partial" not in path}  # see the test below
        assert unlike(left, undisturbed[name].files) == set(), number
    assert killed > KILLS // 2


@pytest.mark.parametrize("place", ["regularized_opt/6", "."])
def test_what_a_killed_run_wrote_half_is_removed_by_the_next_run_an_hour_later(
    place: str, warm: Warm, undisturbed: Undisturbed
) -> None:
    job = JOBS["optimize"]
    out = warm.workplace.place(job)
    assert warm.run(job, out).status == 0
    half = out / place / ".0123456789abcdef0123456789abcdef.partial.json"
    half.write_text("{")
    os.utime(half, (0, 0))
    assert warm.run(job, out).status == 0
    assert left_in(out) == undisturbed["optimize"].files
