"""The soak: a short one of the real window, and its rule, which must be able to fail."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import missing

from .chart import draw_chart
from .hands import keysyms
from .samples import Sample, left_over, read_samples, take_sample, write_sample
from .soaking import Plan, Soak, SoakError
from .trend import grown

SECONDS = 8.0
"""Of the short soak; .ci/run lets the window run for five minutes beside the tests."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")


def soak_of(seconds: float, folder: Path) -> Soak:
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            missing(program)
    return Soak(Plan(seconds, seed=1, folder=folder))


@pytest.mark.display
@pytest.mark.slow
def test_the_window_stands_random_keys_clicks_and_sources_that_vanish(tmp_path: Path) -> None:
    with soak_of(SECONDS, tmp_path / "soak") as soak:
        soak.run()
    assert soak.program.returncode == 0
    assert len(read_samples(tmp_path / "soak" / "samples.jsonl")) > 3
    assert draw_chart(soak.samples, "a short soak").std() > 10


@pytest.mark.display
def test_the_display_knows_every_key_that_is_pressed() -> None:
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XStringToKeysym.restype = ctypes.c_ulong
    names = {keysym.removeprefix("shift+") for keysym in keysyms()} | {"slash", "Return", "BackSpace"}
    assert {name for name in names if not x11.XStringToKeysym(name.encode())} == set()


@pytest.mark.display
def test_a_program_that_ends_by_itself_fails_the_soak(tmp_path: Path) -> None:
    with soak_of(60.0, tmp_path / "soak") as soak:
        soak.program.terminate()
        with pytest.raises(SoakError, match="ended by itself"):
            soak.run()


HOLDER = """
import subprocess, sys, threading
pipe = subprocess.PIPE
child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=pipe, stdout=pipe)
child.stdout.readline()  # it has started wholly
print(flush=True)
for line in sys.stdin:
    files = [open("/dev/null") for _ in range(20)]
    threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(7)]
    for thread in threads: thread.start()
    memory = b"x" * (50 << 20)
    print(flush=True)
"""


def test_a_sample_counts_what_a_process_and_its_children_hold(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdout.readline()
        before = take_sample(program.pid, 0.0, 0.0)
        program.stdin.write(b"\n")
        program.stdin.flush()
        program.stdout.readline()
        after = take_sample(program.pid, 1.0, 0.0)
        program.kill()
    assert before.processes == after.processes == 2
    assert (after.threads - before.threads, after.descriptors - before.descriptors) == (7, 20)
    assert after.memory - before.memory == pytest.approx(50, abs=5)
    for sample in (before, after):
        write_sample(sample, tmp_path / "samples.jsonl")
    assert read_samples(tmp_path / "samples.jsonl") == [before, after]


def test_what_runs_on_is_left_over_and_what_ends_or_has_ended_is_not() -> None:
    sleeps = [subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"]) for seconds in (0, 1, 60)]
    try:  # the first two are not waited for: they stay as zombies
        assert left_over([process.pid for process in sleeps], 5.0) == [sleeps[2].pid]
    finally:
        for process in sleeps:
            process.kill()
            process.wait()


def samples_of(memory: np.ndarray, threads: np.ndarray, descriptors: np.ndarray) -> list[Sample]:
    rows = zip(memory, threads, descriptors, strict=True)
    return [Sample(float(at), float(one), int(two), int(three), 1, 0.1) for at, (one, two, three) in enumerate(rows)]


STEADY = {"memory": np.full(300, 600.0), "threads": np.full(300, 10), "descriptors": np.full(300, 8)}


@pytest.mark.parametrize(("name", "leak"), [("memory", 3.0), ("threads", 0.03), ("descriptors", 0.05)])
def test_what_grows_steadily_is_found(name: str, leak: float) -> None:
    values = STEADY | {name: STEADY[name] + leak * np.arange(300)}
    (sentence,) = grown(samples_of(**values))
    assert sentence.startswith(f"{name} grew from")


def test_a_warm_up_peaks_and_noise_are_no_growth() -> None:
    random = np.random.default_rng(0)
    memory = 600 + np.minimum(np.arange(300) * 4, 300) + random.normal(0, 20, 300)
    memory[200:215] += 500
    threads = 10 + random.integers(0, 4, 300)
    descriptors = 8 + 30 * (random.random(300) < 0.05)
    assert grown(samples_of(memory, threads, descriptors)) == []
