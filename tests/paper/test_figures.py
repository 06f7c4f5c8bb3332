"""Every figure at its smallest, on networks of many kinds; what is kept, and what cannot be made."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize import AscentSettings, preferred_images
from deepvis_toolbox.paper.ascents import BATCH, Shown, all_shown, best_of, settings_words
from deepvis_toolbox.paper.extent import SMALLEST
from deepvis_toolbox.paper.figure import FIGURES
from deepvis_toolbox.paper.figures.regularizers_alone import SWEEPS
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
    size = net.preprocessing.size
    frames = tuple(random.integers(0, 256, (*size, 3)).astype(np.uint8) for _ in range(count))
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


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made(study: Study, names: list[str], folder: Path) -> tuple[float, list[str]]:
    """The passes that were left to do, and the problems."""
    plans, problems = planned(study, names, folder)
    progress = Count()
    problems += make(study, plans, folder, progress)[1]
    return progress.done, problems


class StoppedError(Exception):
    """As a signal that kills, wherever it comes."""


class StopAfter(Count):
    def __init__(self, passes: float) -> None:
        super().__init__()
        self.most = passes

    def advance(self, amount: float = 1) -> None:
        super().advance(amount)
        if self.done > self.most:
            raise StoppedError


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_bytes(study: Study, tmp_path: Path) -> None:
    names = ["3", "table1"]
    whole = made(study, names, tmp_path / "whole")[0]
    for _ in range(2):
        plans, _ = planned(study, names, tmp_path / "stopped")
        with pytest.raises(StoppedError):
            make(study, plans, tmp_path / "stopped", StopAfter(0.4 * sum(plan.passes for plan in plans)))
    assert 0 < made(study, names, tmp_path / "stopped")[0] < 0.6 * whole
    assert files_in(tmp_path / "stopped") == files_in(tmp_path / "whole")
    assert made(study, names, tmp_path / "stopped")[0] == 0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(300))


def huge(path: Path) -> None:
    """A record that says that the arrays are larger than any memory."""
    record = json.loads(path.with_suffix(".json").read_text())
    record["arrays"]["pictures"][1] = [10**9, 10**9, 10**9, 3]
    path.with_suffix(".json").write_text(json.dumps(record))


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("damage", [cut, empty, garbage, huge, Path.unlink])
def test_a_damaged_piece_is_made_again(damage: Callable[[Path], None], suffix: str, tmp_path: Path) -> None:
    study = study_of(gray())
    made(study, ["table1"], tmp_path)
    before = files_in(tmp_path)
    (path,) = (tmp_path / "pieces" / "figure-table1").glob(f"trial%200{suffix}")
    damage(path)
    assert made(study, ["table1"], tmp_path)[0] == SMALLEST.steps
    assert files_in(tmp_path) == before


def test_other_settings_and_another_network_make_their_pieces_anew_and_the_same_ones_do_not(tmp_path: Path) -> None:
    made(study_of(gray()), ["3"], tmp_path)
    assert made(study_of(gray()), ["3"], tmp_path)[0] == 0
    assert made(study_of(gray(), steps=2), ["3"], tmp_path)[0] > 0
    assert made(study_of(classes()), ["3"], tmp_path)[0] > 0
    made(study_of(classes()), ["claims"], tmp_path)
    assert made(study_of(classes(), count=4), ["claims"], tmp_path)[0] > 0


def test_pictures_are_those_of_the_optimizer(tmp_path: Path) -> None:
    study = study_of(classes(), starts=3)
    plans, _ = planned(study, ["5"], tmp_path)
    make(study, plans, tmp_path, Silence())
    layer = study.few_layers[-1]
    found = plans[0].there[layer.name]
    plain = preferred_images(
        study.net, [f"{layer.name}:0"], [0, 1, 2], study.usual(Unit(layer.name, 0))[1], batch_size=BATCH
    )
    np.testing.assert_array_equal(found["activations"], [result.objective.max() for result in plain])


def test_a_sweep_goes_evenly_from_nothing_to_the_strongest_and_changes_one_regularizer() -> None:
    plain = SWEEPS[0].settings(5, 0).as_record()
    for sweep in SWEEPS:
        values = sweep.values(5)
        assert values[0] == 0
        assert values[-1] == sweep.strongest
        np.testing.assert_allclose(np.diff(values), sweep.strongest / 4, rtol=1e-3)
        record = sweep.settings(5, values[2]).as_record()
        changed = {name for name in record if record[name] != plain[name]}
        assert changed == {sweep.parameter, *(name for name, value in sweep.other if plain[name] != value)}


def test_what_found_no_direction_is_never_chosen_and_says_so() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    nothing, low, high = Shown(None, 99.0), Shown(picture, 1.0), Shown(picture, 2.0)
    assert best_of([nothing, low, high]) is high
    arrays = {"pictures": np.stack([picture] * 2), "activations": np.ones(2), "nothing": np.array([True, False])}
    assert [one.picture is None for one in all_shown(arrays)] == [True, False]


def test_a_caption_names_every_parameter_that_is_on() -> None:
    words = settings_words(AscentSettings(decay=0.25, max_iter=7, lr_params={"lr": 3.0}, start_at="mean", robust=1.0))
    assert words == "7 steps, step size constant (lr 3), decay 0.25, start_at mean, robust 1"


def test_a_figure_that_cannot_be_made_is_named_and_the_others_are_made(tmp_path: Path) -> None:
    flat = network_of(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5)), (8, 8))
    _, problems = made(study_of(flat), list(FIGURES), tmp_path)
    assert problems == ["figure 2 cannot be made of small: small has no layer with maps"]
    there = {path.name for path in tmp_path.glob("*.json")}
    assert there == {f"figure-{name}.json" for name in FIGURES if name != "2"}


def test_layers_are_one_of_each_block_and_few_of_them_evenly_spread(
    default_network: Network,
) -> None:
    study = study_of(default_network, layers=6)
    assert [layer.name for layer in study.layers][:4] == ["stem", "block1.project", "block2.project", "block3.add"]
    assert [layer.name for layer in study.layers][-2:] == ["head", "fc"]
    few = [layer.name for layer in study.few_layers]
    assert (few[0], few[-1], len(few)) == ("stem", "fc", 6)
    assert [study.called(unit) for unit in study.class_units(3)] == ["gorilla", "flamingo", "pelican"]
    usual = {layer.name: study.usual(Unit(layer.name, 0)) for layer in study.few_layers}
    assert (usual["stem"][0], usual["fc"][0]) == ("small", "default")
    assert all(settings.max_iter == SMALLEST.steps for _, settings in usual.values())
    assert usual["fc"][1].views == default_network.description.presets["default"]["views"]


def test_without_names_units_are_spread_and_called_by_their_addresses() -> None:
    study = study_of(gray())
    assert [study.called(unit) for unit in study.class_units(2)] == ["2:0", "2:2"]
    assert evenly(10, 3) == [0, 3, 6]
    assert evenly(2, 5) == [0, 1]


def test_a_network_without_a_layer_is_refused() -> None:
    with pytest.raises(ToolboxError, match="has no layer beside its input"):
        study_of(network_of(nn.Identity(), (8, 8))).layers  # noqa: B018
