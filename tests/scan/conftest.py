"""A small network and a folder of small pictures, shared by the scan's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.devices import DEVICES

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

PICTURES = 43  # no multiple of any batch size used


@pytest.fixture(scope="session", params=DEVICES)
def small_net(request):
    from deepvis_toolbox import load_network

    return load_network("small_convnet:make", device=request.param, input_size=16, mean=127, std=64)


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory) -> Path:
    """Pictures of blurred noise, every tenth the same as the one before it, so that there are ties."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(5)
    picture = None
    for number in range(PICTURES):
        if number % 10 or picture is None:
            noise = random.integers(0, 256, (20, 24, 3)).astype(np.uint8)
            picture = cv2.normalize(cv2.GaussianBlur(noise, (5, 5), 1), None, 0, 255, cv2.NORM_MINMAX)
        assert cv2.imwrite(str(folder / f"{number:03d}.png"), picture)
    return folder


@pytest.fixture(scope="session")
def picture_paths(picture_folder: Path) -> list[Path]:
    return sorted(picture_folder.glob("*.png"))


@pytest.fixture(scope="session")
def labelled(picture_paths: list[Path]):
    """The pictures as a list with labels, two of them without one, so that a scan of it holds pictures out."""
    from deepvis_toolbox.scan.pictures.picture_list import PictureList

    labels = [None if number in (3, 20) else number * 7 % 4 for number in range(len(picture_paths))]
    return PictureList.of_paths(picture_paths, labels)
