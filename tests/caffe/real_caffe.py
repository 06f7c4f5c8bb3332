"""Real Caffe, where it is."""

from __future__ import annotations

import pytest

from deepvis_toolbox.caffe.process import Installation, find_caffe
from deepvis_toolbox.errors import ToolboxError
from tests.conftest import missing


@pytest.fixture(scope="session")
def real_caffe() -> Installation:
    """Skips where there is no real Caffe; in CI, fails."""
    try:
        return find_caffe()
    except ToolboxError as error:
        missing(f"real Caffe ({error})")
        raise
