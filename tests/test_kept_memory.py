"""What the process keeps of freed memory is given back once it is far more than usual, and what is in use stays."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PIECES = """
import json, sys
import numpy as np
import deepvis_toolbox
from deepvis_toolbox.kept_memory import SECONDS, KeptMemory, kept_bytes

deepvis_toolbox.tune_process()
now = [0.0]
memory = KeptMemory(lambda: now[0])
told = []

def look(passed=SECONDS):
    now[0] += passed
    told.append([memory.look(), kept_bytes(memory._library) >> 20])

if memory._library is None:
    print("null")
    sys.exit()
look()  # what is usual
pieces = [np.ones(1 << 18, np.float32) for _ in range(600)]
used = pieces[::2]
del pieces  # every other one is free: no larger block fits in between
look(SECONDS / 2)  # too early
look(SECONDS / 2)
assert all((piece == 1).all() for piece in used)
look()  # usual again
look()
print(json.dumps(told))
"""


def test_pieces_that_are_free_are_given_back_and_the_others_stay() -> None:
    done = subprocess.run([sys.executable, "-c", PIECES], cwd=ROOT, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    if told is None:
        pytest.skip("another C library than glibc")
    (first, _), (early, before), (gave, after), *later = told
    assert (first, early, gave) == (False, False, True)
    assert before > 280
    assert after < before - 250
    assert [each for each, _ in later] == [False, False]
