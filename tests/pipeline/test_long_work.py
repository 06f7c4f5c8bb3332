"""Work beyond an hour is asked about before it begins: on a real terminal, without one, and with `--yes`."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepvis_toolbox.command_line.going_on import SECONDS_UNASKED, may_go_on
from deepvis_toolbox.errors import ToolboxError

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [
    sys.executable, "-m", "deepvis_toolbox.pipeline", "--model", "model", "--device", "cpu",
    "--layers", "1", "4", "--count", "9",
]  # fmt: skip


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A model whose pictures take a million steps each, in a folder of its own."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yaml").write_text(
        "name: tiny\nframework: torch\nfactory: pipeline_convnet:make\ninput: {size: 16, mean: 127, std: 64}\n"
        "presets: {default: {max_iter: 1000000, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
        "unit_images: {folder: pictures}\n"
    )
    return tmp_path


def environment() -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).resolve().parent)])
    return {**os.environ, "PYTHONPATH": paths, "DEEPVIS_MODELS": "."}  # the user's own models, which may name code


class Terminal:
    """The command on a pseudo-terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=folder, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.said = ""

    def read_until(self, words: str) -> None:
        while words not in self.said:
            if not select.select([self.ours], [], [], 60)[0]:
                pytest.fail(f'it never said "{words}": {self.said}')
            try:
                piece = os.read(self.ours, 4096)
            except OSError as error:  # the other end is closed
                pytest.fail(f'it ended without "{words}": {self.said} ({error})')
            self.said += piece.decode()

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.ours)


@pytest.fixture
def terminal(workplace: Path) -> Iterator[Terminal]:
    terminal = Terminal(workplace)
    yield terminal
    terminal.close()


def test_on_a_terminal_no_is_the_answer_unless_yes_is_said(terminal: Terminal, workplace: Path) -> None:
    terminal.read_until("Begin? [y/N]")
    assert "7 units of 2 layers" in terminal.said  # what it takes is told before the question
    os.write(terminal.ours, b"\n")
    terminal.read_until("nothing was made")
    assert terminal.process.wait(timeout=60) == 2
    assert not (workplace / "model" / "pictures").exists()


def test_on_a_terminal_it_begins_after_a_yes(terminal: Terminal) -> None:
    terminal.read_until("Begin? [y/N]")
    os.write(terminal.ours, b"y\n")
    terminal.read_until("unit images:")
    assert terminal.process.poll() is None


def test_without_a_terminal_it_ends_with_one_sentence_that_names_the_flag(workplace: Path) -> None:
    ended = subprocess.run(
        COMMAND, cwd=workplace, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: this would take about ")
    assert "give --yes to make it all the same" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (workplace / "model" / "pictures").exists()


def test_without_a_terminal_an_estimate_is_never_refused(workplace: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "--estimate"], cwd=workplace, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


def test_with_yes_it_begins_without_a_terminal(workplace: Path) -> None:
    with (workplace / "said").open("w+") as said:
        process = subprocess.Popen(
            [*COMMAND, "--yes"], cwd=workplace, env=environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            while "unit images:" not in (workplace / "said").read_text() and process.poll() is None:
                time.sleep(0.1)
            assert process.poll() is None, (workplace / "said").read_text()
        finally:
            process.kill()
            process.wait()


def test_an_hour_is_not_asked_about() -> None:
    assert may_go_on(SECONDS_UNASKED, "60 min", answered=False)
    with pytest.raises(ToolboxError, match="about 61 min; give --yes"):
        may_go_on(SECONDS_UNASKED + 60, "61 min", answered=False)
