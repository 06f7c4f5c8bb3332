"""Signals in the middle of every command: one sentence, the usual status, and the next run makes the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import Ended, Undisturbed, Warm, left_in, unlike
from .programs import JOBS, STEPS, Job

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

SENTENCES = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "ended by SIGTERM",
    signal.SIGHUP: "ended by SIGHUP",
}
LONG_WORK = ("window", "optimize", "scan", "scan with workers", "crop", "pipeline")
CASES = [(name, number) for name in LONG_WORK for number in SENTENCES] + [
    (name, signal.SIGTERM) for name in JOBS if name not in LONG_WORK
]
GOLDEN_SECTION = 0.618034  # its multiples are spread evenly


def clean(ended: Ended, number: int) -> None:
    """It has finished before, was killed before its first or behind its last line, or tells what ended it."""
    assert "Traceback" not in ended.err
    assert "Exception ignored" not in ended.err
    assert ended.status in (0, -number, 128 + number)
    if ended.status > 0:
        assert ended.err.splitlines()[-1] == SENTENCES[signal.Signals(number)]
        assert ended.err.count(SENTENCES[signal.Signals(number)]) == 1


@pytest.mark.parametrize(("name", "number"), CASES, ids=lambda value: str(getattr(value, "name", value)))
def test_a_signal_at_any_moment_costs_nothing_that_was_finished(
    name: str, number: int, warm: Warm, undisturbed: Undisturbed
) -> None:
    job = JOBS[name]
    out = warm.workplace.place(job)
    moment = (CASES.index((name, number)) + 1) * GOLDEN_SECTION % 1 * undisturbed[name].seconds
    warm.start(job, out)
    time.sleep(moment)
    warm.signal(number)
    clean(warm.wait(), number)
    again = warm.run(job, out)
    assert again.status == 0, again.err
    assert set(left_in(out)) == set(undisturbed[name].files)
    assert not (job.is_repeatable and unlike(left_in(out), undisturbed[name].files))


ENDLESS = (
    Job("window", (*JOBS["window"].words, "--frames", "1000000")),
    Job("optimize", (*JOBS["optimize"].words, *STEPS, "--max-iter", "1000000")),
    Job("search", (*JOBS["search"].words, "--max-iter", "1000000")),
)


@pytest.mark.parametrize("number", SENTENCES, ids=lambda number: number.name)
@pytest.mark.parametrize("job", ENDLESS, ids=lambda job: job.name)
def test_work_without_an_end_is_ended_by_a_signal_and_says_so(job: Job, number: int, warm: Warm) -> None:
    warm.start(job, warm.workplace.place(job))
    time.sleep(1.5)
    warm.signal(number)
    ended = warm.wait()
    clean(ended, number)
    assert ended.status == 128 + number


RAISE_WHEN_IMPORTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["WHEN"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("number", SENTENCES, ids=lambda number: number.name)
@pytest.mark.parametrize("name", ["optimize", "scan", "search"])
def test_a_signal_while_torch_is_imported_is_one_sentence(
    name: str, number: signal.Signals, warm: Warm, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(RAISE_WHEN_IMPORTED)
    environment = dict(warm.workplace.environment, SIGNAL=number.name, WHEN="torch")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    command = [sys.executable, *warm.workplace.words(JOBS[name], tmp_path / "out")]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (128 + number, SENTENCES[number] + "\n")


PROGRAMS = [
    *(["run_toolbox.py"], ["optimize_image.py"], ["settings.py"], ["find_maxes/find_max_acts.py"]),
    *(["find_maxes/crop_max_patches.py"], ["find_maxes/merge.py"]),
    *(["-m", f"deepvis_toolbox.{name}"] for name in ("pipeline", "atlas", "factorize", "paper")),
    *(["-m", f"deepvis_toolbox.optimize.{name}"] for name in ("search", "judge")),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program[-1])
def test_ctrl_c_while_a_program_imports_its_first_modules_ends_it_without_a_word(
    program: list[str], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(RAISE_WHEN_IMPORTED)
    environment = dict(os.environ, SIGNAL="SIGINT", WHEN="deepvis_toolbox.command_line", PYTHONPATH=str(tmp_path))
    command = [sys.executable, *program, "--help"]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (-signal.SIGINT, "", "")


def test_a_signal_that_was_ignored_before_stays_so() -> None:
    code = "import os, signal, sys\nfrom deepvis_toolbox.command_line.ending import run_command\n"
    code += "sys.exit(run_command(lambda: os.kill(os.getpid(), signal.SIGHUP)))"
    command = ["nohup", sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
