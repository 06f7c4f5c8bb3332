"""How commands end: what they print arrives, whatever the names in it are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_a_name_that_is_no_text_is_printed_as_it_is_on_disk() -> None:
    code = "import os; from deepvis_toolbox.command_line.ending import run_command\n"
    code += r"run_command(lambda: print(os.fsdecode(b'caf\xe9')))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, env={**os.environ, "PYTHONUTF8": "1"}
    )
    assert (run.stdout, run.stderr, run.returncode) == (b"caf\xe9\n", b"", 0)
