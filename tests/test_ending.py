"""How commands end: what they print arrives, whatever the names in it are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_a_name_that_is_no_text_is_printed_as_it_is_on_disk() -> None:
    code = "import os; from deepvis_toolbox.command_line.ending import run_command\n"
    code += r"run_command(lambda: print(os.fsdecode(b'caf\xe9')))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, env={**os.environ, "PYTHONUTF8": "1"}
    )
    assert (run.stdout, run.stderr, run.returncode) == (b"caf\xe9\n", b"", 0)


WORK = """
import os, sys
from contextlib import suppress
from pathlib import Path

import pytest
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.command_line.talking import note
from deepvis_toolbox.progress import show_progress

def main():
    note("a note before the work")
    print("a plan" * 2000, flush=True)
    with open(sys.argv[1], "w") as file, show_progress(3, "work") as progress:
        for _ in range(3):
            progress.advance()
            progress.say("a line")
        for descriptor in (1, 2):
            with suppress(BrokenPipeError):
                os.write(descriptor, b"a library's remark")
        file.write("the result")
    print("the report" * 2000)
    return 0

sys.exit(run_command(main))
"""


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes the streams")
@pytest.mark.parametrize(
    ("streams", "status"),
    [
        ("2>&-", 0),
        (">&-", 0),
        ("<&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 2),
        (">/dev/full 2>/dev/full", 2),
        ("| head -c 5", 0),
        ("| true", 0),
        ("2>&1 >/dev/null | true", 0),
    ],
)
def test_work_is_done_whatever_has_become_of_the_standard_streams(streams: str, status: int, tmp_path: Path) -> None:
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    (tmp_path / "work.py").write_text(WORK)
    command = f'"{sys.executable}" "{tmp_path / "work.py"}" "{tmp_path / "result"}"'
    script = f'( {command}; echo $? > "{tmp_path / "status"}" ) {streams}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, check=False, timeout=60)
    said = run.stderr.decode()
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert (tmp_path / "result").read_text() == "the result", "and nothing of what was printed"
    assert (tmp_path / "status").read_text().strip() == str(status), said
    assert (streams == ">/dev/full") == ("could not be written: No space left" in said)


LOG = """
import logging, os, sys
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.command_line.talking import log_to

def main():
    log_to("/dev/full", "info")
    for number in range(3):
        logging.getLogger("deepvis_toolbox").info("line %d", number)
    print("the result")

sys.exit(run_command(main))
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is full")
def test_a_log_on_a_full_disk_is_told_once_and_the_work_goes_on() -> None:
    run = subprocess.run([sys.executable, "-c", LOG], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "the result\n")
    assert "Traceback" not in run.stderr
    (told,) = [line for line in run.stderr.splitlines() if line.startswith("note:")]
    assert 'the log "/dev/full" is not whole: it cannot be written (' in told
