"""Pictures that are kept: what a later run says of them, and of a store that is another network's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.files.montages import write_montages
from deepvis_toolbox.optimize.files.output import Output
from deepvis_toolbox.optimize.files.picture_files import DEFAULT_TEMPLATE, PrefixFiles
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.targets import Direction, LikePicture
from deepvis_toolbox.optimize.production import make_unit_images, store_files
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.montage import BACKGROUND, tiles_of_3x3
from tests.optimize.networks import linear_network, network_of, rectified_network

SETTINGS = AscentSettings(max_iter=3)
STEEP = {"lr_policy": "progress", "lr_params": {"max_lr": 1e6, "desired_prog": 3}}


class HalfDead(nn.Module):
    """Unit 0 does not depend on the image, unit 1 does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 2, 5, stride=4)
        self.conv.weight.data[0] = 0
        self.pool, self.out = nn.AdaptiveAvgPool2d(1), nn.Flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.pool(self.conv(x)))


def test_a_picture_that_could_not_climb_is_told_again_by_every_run(tmp_path):
    net, store = network_of(HalfDead()), UnitImageStore(tmp_path)
    units = [Unit("out", 0), Unit("out", 1)]
    first = make_unit_images(net, units, [0], SETTINGS, store, Silence())
    again = make_unit_images(net, units, [0], SETTINGS, store, Silence())
    assert (first.made, again.made, again.skipped) == (1, 0, 1)
    assert len(first.problems) == 1
    assert "the gradient is exactly zero at step 1" in first.problems[0]
    assert again.problems == first.problems


def test_an_ascent_that_failed_leaves_no_picture(tmp_path):
    net, store = network_of(HalfDead()), UnitImageStore(tmp_path)
    summary = make_unit_images(net, [Unit("out", 0), Unit("out", 1)], [0, 1], SETTINGS, store, Silence())
    assert summary.made == 2
    assert len(summary.problems) == 2
    assert not store.singles("regularized_opt", Unit("out", 0))
    assert not list(tmp_path.rglob("*0000_*s000*"))


def test_the_noise_that_an_earlier_version_kept_of_a_failed_ascent_is_removed(tmp_path):
    net, store, unit = network_of(HalfDead()), UnitImageStore(tmp_path), Unit("out", 0)
    (failed,) = preferred_images(net, [unit], settings=SETTINGS)
    task = AscentTask(failed.unit, 0)
    output = Output(store_files(net, store))
    output.write(net, task, SETTINGS, failed)
    assert write_montages(net, output.files, [task.target], [])
    assert store.singles("regularized_opt", unit)
    summary = make_unit_images(net, [unit], [0], SETTINGS, store, Silence())
    assert (summary.made, summary.skipped, len(summary.problems)) == (0, 0, 1)
    assert not store.singles("regularized_opt", unit)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["network.json", "out_0000_montage.jpg"]


def says_that_nothing_was_found(tile):
    """Light letters on the dark of an empty place, and no colours."""
    grey = np.ptp(tile.astype(int), axis=2).mean() < 4
    return grey and abs(int(np.median(tile)) - BACKGROUND) < 4 and 0.02 < (tile > 100).mean() < 0.3


def test_no_start_noise_is_written_and_the_montage_says_that_no_direction_was_found(tmp_path):
    net, store = network_of(HalfDead()), UnitImageStore(tmp_path)
    summary = make_unit_images(net, [Unit("out", 0), Unit("out", 1)], [0, 1], SETTINGS, store, Silence())
    assert [problem.split(":")[:3] for problem in summary.problems] == [
        ["out", f"0, seed {seed}", " no direction found"] for seed in (0, 1)
    ]
    tiles = tiles_of_3x3(store.read("regularized_opt", Unit("out", 0)))
    assert [says_that_nothing_was_found(tile) for tile in tiles] == [True, True, *[False] * 7]
    assert not any(map(says_that_nothing_was_found, tiles_of_3x3(store.read("regularized_opt", Unit("out", 1)))))


def test_of_several_seeds_those_that_found_nothing_say_so_in_their_places(tmp_path):
    net, store, unit = linear_network(), UnitImageStore(tmp_path), Unit("fc", 0)
    make_unit_images(net, [unit], [0, 2], SETTINGS, store, Silence())
    output = Output(store_files(net, store))
    failed = {output.shown_path(AscentTask(unit, seed)) for seed in (1, 3)}
    failed |= {output.shown_path(AscentTask(Unit("fc", 1), 4))}
    assert write_montages(net, output.files, [unit], [], failed)
    tiles = tiles_of_3x3(store.read("regularized_opt", unit))
    assert [says_that_nothing_was_found(tile) for tile in tiles] == [False, False, True, True, *[False] * 5]
    assert tiles[0].std() > 20


def test_an_ascent_whose_every_step_was_worse_than_its_start_leaves_no_picture(tmp_path):
    net, store = linear_network(), UnitImageStore(tmp_path)
    down = AscentSettings(max_iter=4, lr_params={"lr": -1.0})
    summary = make_unit_images(net, [Unit("fc", 0)], [0], down, store, Silence())
    assert summary.made == 0
    assert "no direction found: in 4 steps nothing was better than the start" in summary.problems[0]
    assert not store.singles("regularized_opt", Unit("fc", 0))
    once = make_unit_images(net, [Unit("fc", 1)], [0], AscentSettings(max_iter=1), store, Silence())
    assert (once.made, once.problems) == (1, [])  # no step was asked for


def test_a_failed_ascent_does_not_cost_the_picture_that_was_there(tmp_path):
    net, store, unit = network_of(HalfDead()), UnitImageStore(tmp_path), Unit("out", 1)
    make_unit_images(net, [unit], [0], SETTINGS, store, Silence())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    Output(store_files(net, store)).forget_failed(AscentTask(unit, 0))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


class Killed(BaseException):
    """Stands for `kill -9`."""


def killed_at(monkeypatch, which: int) -> None:
    """Have the run killed where it gives the `which`th file its name."""
    replace, seen = Path.replace, []

    def replacing(path, target):
        seen.append(target)
        if len(seen) == which:
            raise Killed
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replacing)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("which", [1, 2, 3])
def test_a_run_killed_while_it_overwrites_leaves_no_picture_under_the_former_runs_record(tmp_path, monkeypatch, which):
    net, store, unit = linear_network(), UnitImageStore(tmp_path), Unit("fc", 0)
    make_unit_images(net, [unit], [0], SETTINGS, store, Silence())
    before = files_in(tmp_path)
    with monkeypatch.context() as patched:
        killed_at(patched, which)
        with pytest.raises(Killed):
            make_unit_images(net, [unit], [0], AscentSettings(max_iter=9), store, Silence(), overwrite=True)
    again = make_unit_images(net, [unit], [0], SETTINGS, store, Silence())
    assert (again.made, again.skipped, again.problems) == (1, 0, [])
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("what", ["best_X.png", "best_Xpm.png"])
def test_a_picture_that_a_power_cut_has_emptied_is_made_again(tmp_path, what):
    net, store = linear_network(), UnitImageStore(tmp_path)
    make_unit_images(net, [Unit("fc", 0)], [0], SETTINGS, store, Silence())
    before = files_in(tmp_path)
    next(tmp_path.rglob(f"*{what}")).write_bytes(b"")
    assert make_unit_images(net, [Unit("fc", 0)], [0], SETTINGS, store, Silence()).made == 1
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("files", ["store", "prefix"])
def test_no_form_of_a_picture_outlives_its_record(tmp_path, files):
    net, task, longer = linear_network(), AscentTask(Unit("fc", 0), 0), AscentSettings(max_iter=40, **STEEP)
    shorter = AscentSettings(max_iter=3)
    (short,), (long,) = (preferred_images(net, [task.target], settings=each) for each in (shorter, longer))
    assert long.majority is not None  # or there would be nothing of it to outlive anything

    def output(suffix, **forms):
        named = PrefixFiles(str(tmp_path / "p"), DEFAULT_TEMPLATE, SETTINGS)
        return Output(store_files(net, UnitImageStore(tmp_path), suffix) if files == "store" else named, **forms)

    everything = {"kinds": ("best", "last", "majority"), "arrays": True, "text": True}
    former, other = output(".png", **everything), output(".jpg", kinds=("best",))
    former.write(net, task, longer, long)
    assert former.finished(net, task, longer)
    other.write(net, task, shorter, short)
    assert other.finished(net, task, shorter)
    assert not former.finished(net, task, shorter)  # neither another format nor the arrays
    assert sorted(path.suffix for path in tmp_path.rglob("*[0_]*.*")) == [".jpg", ".jpg", ".json"]


def test_the_same_picture_may_be_kept_in_two_formats(tmp_path):
    net, task = linear_network(), AscentTask(Unit("fc", 0), 0)
    (result,) = preferred_images(net, [task.target], settings=SETTINGS)
    outputs = [Output(store_files(net, UnitImageStore(tmp_path), suffix)) for suffix in (".png", ".jpg")]
    for output in outputs:
        output.write(net, task, SETTINGS, result)
    assert all(output.finished(net, task, SETTINGS) for output in outputs)


@pytest.mark.parametrize("name", ["0003", "0003_more", "12345", "like-me"])
def test_a_direction_never_has_a_units_name_or_a_pictures(tmp_path, name):
    net, store = linear_network(), UnitImageStore(tmp_path)
    weights = np.eye(net.layers["fc"].channels, dtype=np.float32)[1]
    me = np.zeros((24, 20, 3), np.uint8)
    targets = [Direction("fc", weights, name), LikePicture("fc", me, "me"), Unit("fc", 3)]
    summary = make_unit_images(net, targets, [0], SETTINGS, store, Silence())
    assert summary.made == 3
    assert store.units("regularized_opt", "fc") == [Unit("fc", 3)]
    assert len(store.singles("regularized_opt", Unit("fc", 3))) == 1
    prefixed = PrefixFiles("", DEFAULT_TEMPLATE, SETTINGS)
    names = {prefixed.path(AscentTask(target, 0), "best", ".jpg") for target in targets}
    assert len(names) == 3


def test_pictures_of_another_network_are_not_put_among_a_stores(tmp_path):
    store = UnitImageStore(tmp_path)
    make_unit_images(linear_network(), [Unit("fc", 0)], [0], SETTINGS, store, Silence())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(ToolboxError, match="holds the unit images of other weights"):
        make_unit_images(rectified_network(), [Unit("fc", 0)], [0], SETTINGS, store, Silence(), overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_damaged_picture_of_another_unit_is_named_and_costs_the_run_nothing(tmp_path):
    net, store = linear_network(), UnitImageStore(tmp_path, "2x2")
    make_unit_images(net, [Unit("fc", channel) for channel in range(6)], [0], SETTINGS, store, Silence())
    store.montage_path("regularized_opt", Unit("fc", 2)).write_bytes(b"damaged")
    summary = make_unit_images(net, [Unit("fc", 6)], [0], SETTINGS, store, Silence())
    assert summary.made == 1
    assert store.has("regularized_opt", Unit("fc", 6))
    (problem,) = summary.problems
    assert "fc_0002_montage.jpg" in problem
    assert not make_unit_images(net, [Unit("fc", 2)], [0], SETTINGS, store, Silence()).problems
    assert store.read("regularized_opt", Unit("fc", 2)) is not None
