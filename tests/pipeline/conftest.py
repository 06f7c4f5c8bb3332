"""A model folder and pictures, shared by the pipeline's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A model folder and pictures, with the working directory beside them."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yaml").write_text(
        "name: tiny\nframework: torch\nfactory: pipeline_convnet:make\ninput: {size: 16, mean: 127, std: 64}\n"
        "presets: {default: {max_iter: 5, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
        "unit_images: {folder: pictures, shared: {'2': '1'}}\n"
    )
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), random.integers(0, 256, (20, 20, 3)).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPVIS_MODELS", str(tmp_path))  # the user's own model, which may name code
    return tmp_path
