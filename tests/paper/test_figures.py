"""Every figure at its smallest, on networks of many kinds; what is kept, and what cannot be made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize import AscentSettings, preferred_images
from deepvis_toolbox.paper.ascents import BATCH, best_of, made_ascents, settings_words
from deepvis_toolbox.paper.extent import SMALLEST
from deepvis_toolbox.paper.figure import FIGURES
from deepvis_toolbox.paper.making import make, planned
from deepvis_toolbox.paper.study import Study, evenly
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.sources.decode import decode_picture
from deepvis_toolbox.words.unit import Unit
from tests.nets import Branching, Classic, Residual, opened
from tests.optimize.networks import network_of


def classes() -> Network:
    torch.manual_seed(0)
    names = tuple(f"class {number}" for number in range(10))
    return opened(Classic(features=8 * 7 * 7), (32, 32), labels=names, label_layers=("fc", "prob"))


def gray() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU())
    return network_of(module, (16, 16), channels="gray")


def study_of(net: Network, count: int = 3, **changes: int) -> Study:
    random = np.random.default_rng(0)
    frames = tuple(random.integers(0, 256, (24, 24, 3)).astype(np.uint8) for _ in range(count))
    return Study(net, replace(SMALLEST, **changes), frames, "random numbers")


NETWORKS = {
    "classes": classes,
    "one channel": gray,
    "residual": lambda: opened(Residual()),
    "branching": lambda: opened(Branching()),
}


@pytest.fixture(scope="module", params=NETWORKS)
def study(request: pytest.FixtureRequest) -> Study:
    return study_of(NETWORKS[request.param]())


class Count(Silence):
    def __init__(self) -> None:
        self.done = 0.0

    def advance(self, amount: float = 1) -> None:
        self.done += amount


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_made_with_a_caption_and_a_record_and_costs_what_it_said(
    study: Study, name: str, tmp_path: Path
) -> None:
    plans, problems = planned(study, [name], tmp_path)
    assert not problems
    progress = Count()
    files, problems = make(study, plans, tmp_path, progress)
    assert not problems
    assert progress.done == pytest.approx(plans[0].passes)
    record = json.loads((tmp_path / f"figure-{name}.json").read_text())
    assert [page["file"] for page in record["pages"]] == [path.name for path in files]
    assert record["parameters"]
    assert record["numbers"]
    for path, page in zip(files, record["pages"], strict=True):
        assert study.net.name in page["caption"]
        picture = decode_picture(path)
        assert picture.shape[1] >= 740
        assert picture[:10].min() > 250  # a margin
        assert picture[30:-30, 30:-30].min() < 100
