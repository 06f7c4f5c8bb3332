"""What the tests of Caffe share: real Caffe, where it is, and a server to fetch from."""

from __future__ import annotations

import pytest

from deepvis_toolbox.caffe.process import Installation, find_caffe
from deepvis_toolbox.errors import ToolboxError
from tests.caffe.fetch_server import fetched, server
from tests.conftest import missing

__all__ = ["fetched", "real_caffe", "server"]


@pytest.fixture(scope="session")
def real_caffe() -> Installation:
    """Skips where there is no real Caffe; in CI, fails."""
    try:
        return find_caffe()
    except ToolboxError as error:
        missing(f"real Caffe ({error})")
        raise
