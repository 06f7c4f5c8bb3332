"""Broken Caffe files end in a loaded network or a `ToolboxError`, never in anything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.caffe.fuzz import fuzz


@pytest.mark.slow
def test_broken_files_load_or_are_refused(tmp_path: Path) -> None:
    seconds = 60 if os.environ.get("CI") else 8
    tally = fuzz(None, seconds, seed=int.from_bytes(os.urandom(4), "little"), folder=tmp_path)
    assert tally.failures == []
    assert tally.ends["loaded"] > 10
    assert tally.ends["refused"] > 50
