"""The networks of these tests are the user's own, which may name what is installed."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPVIS_MODELS", str(tmp_path))
