"""`python -OO`, which leaves docstrings and assertions out: every command still tells what it does, and does it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import Undisturbed, Warm, left_in
from .programs import JOBS

HELPS = """
from tests.command_line.commands import PARSERS
for name, parser in PARSERS.items():
    print("==", name)
    print(parser().format_help())
"""


def helps(*flags: str) -> str:
    from tests.conftest import ROOT

    command = [sys.executable, *flags, "-B", "-c", HELPS]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_help_is_the_same_but_for_what_docstrings_tell() -> None:
    usual, without = ([" ".join(text.split()) for text in helps(*flags).split("==")] for flags in ((), ("-OO",)))
    told = "(python -OO leaves out what it does)"
    for one, other in zip(usual, without, strict=True):
        assert one == other or told in other
    assert "Helper class" not in str(without)
    lists_members = {other.split()[0] for other in without if told in other}
    assert lists_members == {"deepvis-optimize", "deepvis-paper"}  # what their members do, these say themselves


@pytest.mark.parametrize("name", ["optimize", "scan"])
def test_the_results_are_the_same(name: str, warm: Warm, undisturbed: Undisturbed) -> None:
    out = warm.workplace.place(JOBS[name])
    command = [sys.executable, "-OO", *warm.workplace.words(JOBS[name], out)]
    ended = subprocess.run(command, env=warm.workplace.environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, undisturbed[name].ended.err)
    assert left_in(out) == undisturbed[name].files
