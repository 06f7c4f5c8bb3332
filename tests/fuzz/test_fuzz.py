"""Broken files load and work, or are refused with one sentence; former failures stay mended; the fuzzer sees faults."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deepvis_toolbox.errors import ToolboxError
from tests.conftest import ROOT
from tests.fuzz import outcome, worker
from tests.fuzz.harness import Files, Harness, harnesses, write_case
from tests.fuzz.outcome import judged
from tests.fuzz.run import fuzz
from tests.fuzz.worker import outcomes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are read from /proc")

HARNESSES = harnesses()


@pytest.mark.slow
def test_broken_files_load_or_are_refused(tmp_path: Path) -> None:
    minutes = 1.0 if os.environ.get("CI") else 0.3
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", str(minutes), "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| ([\w-]+) \| (\d+) \| (\d+) \| (\d+) \| 0 \|", done.stdout, re.MULTILINE)
    assert {name for name, *_ in rows} == set(HARNESSES)
    assert [name for name, cases, loaded, refused in rows if int(cases) != int(loaded) + int(refused)] == []


@pytest.mark.parametrize("name", HARNESSES)
def test_every_whole_file_loads(name: str, tmp_path: Path) -> None:
    for number, files in enumerate(HARNESSES[name].kept_seeds):
        write_case(files, tmp_path / str(number))
        found = judged(lambda number=number: HARNESSES[name].use(tmp_path / str(number)))
        assert found.end == "loaded", found.report


@pytest.mark.parametrize("name", HARNESSES)
def test_a_number_is_always_the_same_case(name: str) -> None:
    again = type(HARNESSES[name])()
    for number in range(5):
        assert again.case(number) == HARNESSES[name].case(number)


@pytest.mark.parametrize("name", HARNESSES)
def test_former_failures_load_or_are_refused(name: str, tmp_path: Path) -> None:
    for what, files in HARNESSES[name].former_failures().items():
        write_case(files, tmp_path / what)
        found = judged(lambda what=what: HARNESSES[name].use(tmp_path / what))
        assert found.end != "failed", f"{what}: {found.report}"


class Faulty(Harness):
    """Cases 1, 3, 5 … do something that no file may bring the program to."""

    name = "faulty"

    def __init__(self, fault: Callable[[], object]) -> None:
        self.fault = fault

    def seeds(self) -> list[Files]:
        return [{"a.txt": b"whole"}]

    def case(self, number: int) -> Files:
        return {"a.txt": b"broken" if number % 2 else b"whole"}

    def use(self, folder: Path) -> None:
        if (folder / "a.txt").read_bytes() == b"broken":
            self.fault()


def refused(sentence: str, cause: BaseException | None = None) -> None:
    raise ToolboxError(sentence) from cause


def deaf_to_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "traceback": (lambda: {}["missing"], "KeyError at"),
    "exit": (lambda: sys.exit(2), "SystemExit at"),
    "crash": (lambda: os.kill(os.getpid(), signal.SIGSEGV), "died of SIGSEGV"),
    "end": (lambda: os._exit(7), "ended with 7"),
    "hang": (lambda: time.sleep(60), "more than 0.5 s"),
    "endless loop": (lambda: [None for _ in iter(int, 1)], "more than 0.5 s"),
    "deaf hang": (deaf_to_signals, "deaf to signals"),
    "memory": (lambda: bytearray(3 << 30), "too much memory"),
    "hidden memory": (lambda: refused("it is broken", MemoryError()), "too much memory, told as a fault"),
    "nothing said": (lambda: refused(""), "no sentence"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fuzzer_tells_and_keeps_a_fault(fault: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(outcome, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0.5)
    does, told = FAULTS[fault]
    tally = fuzz(Faulty(does), range(4), 60, tmp_path)
    assert tally.ends == {"loaded": 2, "failed": 2}
    assert [told in what for what in tally.kinds] == [True]
    assert "python -m tests.fuzz faulty --case 1" in capsys.readouterr().out
    assert [path.read_bytes() for path in tmp_path.glob("faulty/*-1/case/a.txt")] == [b"broken"]


def test_a_refusal_is_no_fault() -> None:
    ends = [one.end for one in outcomes(Faulty(lambda: refused("it is broken; make it again")), range(4))]
    assert ends == ["loaded", "refused", "loaded", "refused"]
