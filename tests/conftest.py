"""What tests share: the reference data beside the repository, and the rule for when it is missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def missing(what: str) -> None:
    """Skips the test that needs `what`; in CI, where everything must be there, fails it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings, and what is trusted, are not those of whoever runs the tests, and stay as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("configuration")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference results and pictures, `../shared`."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        missing("the reference data (../shared)")
    return folder


@pytest.fixture(scope="session")
def default_network():
    """The default network on the CPU, loaded once; tests must not change it."""
    from deepvis_toolbox import load_network

    return load_network("efficientnet-lite0", device="cpu")
