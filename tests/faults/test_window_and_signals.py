"""Signals while the real window is open: it closes as it does for the key q, and says what ended it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.virtual_display import Display

from .conftest import Warm
from .programs import IMAGES, NETWORK, Job

pytestmark = [pytest.mark.display, pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")]


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    if shutil.which("Xvfb") is None:
        missing("Xvfb")
    display = Display(tmp_path_factory.mktemp("display"))
    yield display
    display.close()


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM"), (signal.SIGHUP, "ended by SIGHUP")],
)
def test_a_signal_closes_the_window_and_is_named(
    number: int, sentence: str, warm: Warm, display: Display, tmp_path: Path
) -> None:
    shots = tmp_path / "screenshots"
    job = Job(
        "window", ("run_toolbox.py", *NETWORK, IMAGES, "--script", "right p", "--set", f"live.screenshots={shots}")
    )
    command = [sys.executable, *warm.workplace.words(job, tmp_path)]
    environment = {**warm.workplace.environment, "DISPLAY": display.name}
    signal_as_usual = partial(signal.signal, number, signal.SIG_DFL)  # where the tests run under nohup, it is ignored
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=signal_as_usual
    ) as program:
        deadline = time.monotonic() + 120
        while not list(shots.glob("*.png")) and program.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        program.send_signal(number)
        try:
            _, said = program.communicate(timeout=60)
        finally:
            program.kill()
    assert (program.returncode, said) == (128 + number, sentence + "\n")
