"""Statistics of a unit's own top photographs, and starts from their clusters: from a scan, against plain NumPy."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, load_network, preferred_images
from deepvis_toolbox.optimize.cli import making
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.files.record import identity
from deepvis_toolbox.optimize.method.photographs import photograph_statistics
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.result import is_start
from deepvis_toolbox.optimize.method.seen_places import seen_places
from deepvis_toolbox.optimize.method.starts import SIGMA, ClusterStarts, start_image
from deepvis_toolbox.optimize.method.windows import moved_there
from deepvis_toolbox.optimize.natural.facets import BLUR, cluster_starts, clusters_of
from deepvis_toolbox.optimize.natural.own_priors import OwnPriors
from deepvis_toolbox.optimize.natural.photographs import photographs_of_scan
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.scan.scanning import scan
from deepvis_toolbox.unit_images.picture_file import read_picture, write_picture
from tests.judging.test_judge import model
from tests.optimize.networks import small_classifier

UNIT = Unit("fc", 1)
PART = Unit("relu", 2, (6, 5))
TOP = 4


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """(folder, net): twenty photographs in `photographs`, of two kinds, and a scan of them in `maxes`."""
    folder, random = tmp_path_factory.mktemp("scanned"), np.random.default_rng(5)
    own = model(folder / "own")
    own.write_text(own.read_text().replace(", crop: 0.5", ", crop: 1.0"))
    (folder / "photographs").mkdir()
    for number in range(20):
        colour = np.array([200, 90, 40] if number % 2 else [30, 120, 210])
        pixels = np.clip(random.normal(colour, 40, (24, 20, 3)), 0, 255).astype(np.uint8)
        write_picture(folder / "photographs" / f"{number:02d}.png", pixels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPVIS_MODELS", str(folder))  # its factory is code of the tests
        net = load_network(str(own))
        scan(net, folder / "photographs", layers=["fc", "relu", "conv"], top=TOP, out=folder / "maxes")
        yield folder, net


def optimized(scanned, store, *more):
    folder, _ = scanned
    asked = ["--model", str(folder / "own" / "model.yaml"), "-q", "--max-iter", "4"]
    asked += ["--lr-params", "{'lr': 200.0}"]
    return main([*asked, "--maxes", str(folder / "maxes"), "--store", str(store), *more])


def pictures_of(folder):
    return np.stack([read_picture(path) for path in sorted((folder / "photographs").glob("*.png"))])


def plain_pixels(folder):
    return torch.from_numpy(pictures_of(folder).transpose(0, 3, 1, 2).astype(np.float32) - 110)


def records(store):
    return {path.name: json.loads(path.read_text()) for path in sorted(store.rglob("*_info.json"))}


def photographs_in(scanned):
    folder, net = scanned
    return photographs_of_scan(net, str(folder / "maxes"), None)


def test_the_statistics_are_those_of_the_pictures_that_excite_the_unit_most(scanned):
    folder, net = scanned
    with torch.no_grad():
        best = small_classifier()(plain_pixels(folder))[:, 1].argsort(descending=True)[:TOP]
    wanted = photograph_statistics(net, pictures_of(folder)[best.numpy()], ["fc"])
    found = OwnPriors(photographs_in(scanned), True).settings_for(AscentSettings(sorted_prior=1), UNIT).statistics
    assert found.windows == {}
    for name, own in wanted.layers.items():
        torch.testing.assert_close(found.layers[name].mean, own.mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.layers[name].deviation, own.deviation, rtol=1e-5, atol=1e-5)
    assert wanted.sorted_values.keys() == found.sorted_values.keys() != set()
    for name, values in wanted.sorted_values.items():
        torch.testing.assert_close(found.sorted_values[name], values, rtol=1e-4, atol=1e-4)
    assert OwnPriors(photographs_in(scanned), True).settings_for(AscentSettings(), UNIT).statistics.sorted_values == {}


def test_of_a_unit_that_sees_a_part_its_own_part_of_them_counts(scanned):
    folder, net = scanned
    x = plain_pixels(folder)
    with torch.no_grad():
        maps = small_classifier().conv(x)[:, PART.channel]
    height, width = maps.shape[1:]
    best = maps.flatten(1).max(1).values.argsort(descending=True)[:TOP]
    places = [divmod(int(maps[index].flatten().argmax()), width) for index in best]
    here = net.receptive_field("relu", PART.place)
    moved = []
    for index, place in zip(best, places, strict=True):
        there = net.receptive_field("relu", place)
        down, across = there.top - here.top, there.left - here.left
        padded = np.pad(x[index].numpy(), ((0, 0), (24, 24), (20, 20)), "symmetric")
        moved.append(torch.from_numpy(padded[:, 24 + down : 48 + down, 20 + across : 40 + across].copy())[None])
    seen = seen_places(net, "relu", PART.place)
    assert seen.field == here
    assert (height, width) == (12, 10)
    photographs = photographs_in(scanned)
    inputs = photographs.top_inputs(PART, 9, lambda each, there: moved_there(each, there, here))
    torch.testing.assert_close(inputs, torch.cat(moved), rtol=0, atol=1e-4)
    found = OwnPriors(photographs, True).settings_for(AscentSettings(sorted_prior=1), PART).statistics
    top, left, bottom, right = found.windows["conv"]
    with torch.no_grad():
        values = small_classifier().conv(torch.cat(moved))[:, :, top:bottom, left:right]
    flat = values.transpose(0, 1).flatten(1)
    torch.testing.assert_close(found.layers["conv"].mean, flat.mean(1), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.layers["conv"].deviation, flat.std(1, unbiased=False), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(
        found.sorted_values["conv"], values.flatten(2).sort(2).values.mean(0), rtol=1e-3, atol=1e-2
    )
    lowest = Unit("conv", PART.channel, PART.place)
    with pytest.raises(ToolboxError, match=r"conv:2@6,5, statistics of its top photographs: .* no convolutions"):
        OwnPriors(photographs, True).settings_for(AscentSettings(), lowest)  # nothing lies below but the image


def test_a_run_holds_each_unit_to_its_own_and_says_so(tmp_path, scanned):
    asked = ["--units", "fc:1,3", "--seeds", "0,1", "--statistics", "top"]
    assert optimized(scanned, tmp_path / "store", *asked) == 0
    found = records(tmp_path / "store")
    assert len(found) == 4
    keys = {name: record["settings"]["statistics"] for name, record in found.items()}
    photographs = photographs_in(scanned)
    for unit in (1, 3):
        own = OwnPriors(photographs, True).settings_for(AscentSettings(), Unit("fc", unit)).statistics.key
        assert {key for name, key in keys.items() if f"_{unit:04d}_" in name} == {own}
    assert len(set(keys.values())) == 2
    assert all(record["settings"]["norm_prior"] == 1 for record in found.values())


def test_records_say_what_photographs_tell_and_a_comparison_too(tmp_path, scanned):
    _, net = scanned
    assert optimized(scanned, tmp_path / "store", "--units", "fc:1") == 0
    (found,) = records(tmp_path / "store").values()
    photographs = photographs_in(scanned)
    assert found["over_natural"] == pytest.approx(found["best_objective"] / photographs.largest(UNIT), rel=1e-5)
    shown = next((tmp_path / "store").rglob("*_best_Xpm.png"))
    path = photographs.path(UNIT, read_picture(shown))
    assert found["path_similarity"] == pytest.approx(path.whole, rel=1e-4)
    assert net.name == "small"


@pytest.mark.parametrize("asked", [["--start-at", "clusters:2"], ["--start-at", "clusters:2", "--statistics", "top"]])
def test_a_run_that_was_stopped_goes_on_with_the_same_bytes(tmp_path, scanned, capsys, asked):
    units = ["--units", "fc:1,3", *asked]
    assert optimized(scanned, tmp_path / "whole", *units, "--seeds", "0-2") == 0
    assert optimized(scanned, tmp_path / "parts", *units, "--seeds", "1") == 0
    capsys.readouterr()
    assert optimized(scanned, tmp_path / "parts", *units, "--seeds", "0-2") == 0
    assert "4 pictures made, 2 were there already" in capsys.readouterr().out
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "whole").rglob("*_best_*.png")}
    assert len(wanted) == 12
    assert wanted == {path.name: path.read_bytes() for path in (tmp_path / "parts").rglob("*_best_*.png")}
    starts = {record["settings"]["start_at"] for record in records(tmp_path / "whole").values()}
    assert len(starts) == 2
    assert all(start.startswith("clusters:2:") for start in starts)


def test_clusters_are_those_of_scikit_learn_in_the_order_of_their_best():
    cluster = pytest.importorskip("sklearn.cluster")
    random = np.random.default_rng(2)
    codes = np.concatenate([random.normal(middle, 1, (8, 6)) for middle in (0, 9, -9)])[random.permutation(24)]
    found = clusters_of(codes, 3)
    labels = cluster.KMeans(3, n_init=10, random_state=0).fit_predict(codes)
    wanted = [set(np.flatnonzero(labels == label)) for label in dict.fromkeys(labels.tolist())]
    assert [set(members) for members in found] == wanted
    for members in found:
        off = np.square(codes[members] - codes[members].mean(0)).sum(1)
        assert (np.diff(off) >= -1e-9).all()
    assert [members.tolist() for members in clusters_of(codes, 3)] == [members.tolist() for members in found]


@pytest.mark.parametrize(("different", "asked", "wanted"), [(1, 3, 1), (2, 5, 2), (4, 1, 1)])
def test_there_are_no_more_clusters_than_different_pictures(different, asked, wanted):
    codes = np.repeat(np.arange(different, dtype=float)[:, None] * 5, 3, axis=0)
    assert len(clusters_of(codes, asked)) == wanted


def test_a_start_is_the_blurred_mean_of_its_cluster_and_each_seed_takes_one():
    pixels = np.random.default_rng(0).normal(0, 50, (5, 3, 64, 48)).astype(np.float32)
    found = cluster_starts(pixels, [np.array([0, 3]), np.array([1, 2, 4])])
    for image, members in zip(found.images, ([0, 3], [1, 2, 4]), strict=True):
        mean = pixels[members].mean(0).transpose(1, 2, 0)
        wanted = cv2.GaussianBlur(mean, (0, 0), 64 * BLUR, borderType=cv2.BORDER_REFLECT).transpose(2, 0, 1)
        np.testing.assert_allclose(image, wanted, atol=1e-3)


def test_seeds_take_turns_with_noise_of_their_own(scanned):
    _, net = scanned
    images = np.stack([np.full(net.input_shape, value, np.float32) for value in (-40, 40)])
    starts = [start_image(ClusterStarts(images), seed, net.preprocessing) for seed in range(4)]
    assert [round(float(start.mean()) / 40) for start in starts] == [-1, 1, -1, 1]
    assert starts[0].std() == pytest.approx(SIGMA, rel=0.1)
    assert not np.array_equal(starts[0], starts[2])
    with pytest.raises(ToolboxError, match="shape"):
        start_image(ClusterStarts(images[:, :, 1:]), 0, net.preprocessing)
    assert ClusterStarts(images).key != ClusterStarts(images + 1).key


@pytest.mark.parametrize("parametrization", ["pixels", "fourier", "fourier-decorrelated"])
def test_a_picture_to_start_from_is_the_same_whatever_the_parametrization(scanned, parametrization):
    _, net = scanned
    picture = np.random.default_rng(3).uniform(-60, 60, net.input_shape).astype(np.float32)
    settings = AscentSettings(max_iter=1, parametrization=parametrization, start_at=picture)
    (found,) = preferred_images(net, [UNIT], [0], settings)
    np.testing.assert_allclose(found.best, picture, atol=1e-3)
    seeded = replace(settings, start_at=ClusterStarts(np.stack([picture, -picture])))
    first, second = (each.best for each in preferred_images(net, [UNIT], [2, 3], seeded))
    assert np.corrcoef(first.ravel(), picture.ravel())[0, 1] > 0.8
    assert np.corrcoef(second.ravel(), -picture.ravel())[0, 1] > 0.8


def test_the_two_kinds_of_photographs_are_two_starts(scanned):
    folder, _ = scanned
    own = OwnPriors(photographs_in(scanned), clusters=2)
    found = own.settings_for(AscentSettings(), Unit("fc", 3)).start_at
    assert found.images.shape[1:] == (3, 24, 20)
    kinds = {round(float(image[0].mean() + 110) / 85) for image in found.images}
    assert kinds <= {0, 2}
    larger = own.settings_for(AscentSettings(size=40, views=1), Unit("fc", 3)).start_at
    assert larger.images.shape[1:] == (3, 40, 40)
    assert folder.exists()


def test_a_start_that_nothing_is_better_than_is_no_picture():
    starts = ClusterStarts(np.zeros((2, 3, 4, 4), np.float32))
    for start in (starts, starts.key, "randu"):
        assert is_start("no majority", 10, 0, start)
        assert not is_start("no majority", 10, 3, start)
    assert not is_start("no majority", 10, 0, "image:cat.png")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--start-at", "clusters:0"], "N from 1 to 100"),
        (["--start-at", "clusters:many"], "N from 1 to 100"),
        (["--units", "pool:1", "--statistics", "top"], 'the scan holds no layer "pool"'),
        (["--units", "fc:1 - fc:2", "--statistics", "top"], "top photographs are of units"),
        (["--units", "fc:1", "--maxes", "nowhere", "--statistics", "top"], "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, scanned, more, message):
    with pytest.raises(ToolboxError, match=message):
        optimized(scanned, tmp_path / "store", *more)
    assert not (tmp_path / "store" / "regularized_opt").exists()


@pytest.mark.parametrize("more", [["--statistics", "top"], ["--start-at", "clusters"], ["--images", "somewhere"]])
def test_without_a_scan_they_are_refused(tmp_path, more):
    asked = ["--model", "tests.optimize.networks:small_classifier", "--input-size", "24x20", "--mean", "110"]
    with pytest.raises(ToolboxError, match="--maxes DIR"):
        main([*asked, "--units", "fc:1", "--store", str(tmp_path), *more])


def test_photographs_that_have_moved_are_found_where_the_flag_says(tmp_path, scanned):
    folder, _ = scanned
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (folder / "photographs").glob("*.png"):
        (moved / path.name).write_bytes(path.read_bytes())
    asked = ["--units", "fc:1", "--statistics", "top"]
    assert optimized(scanned, tmp_path / "one", *asked) == 0
    assert optimized(scanned, tmp_path / "two", *asked, "--images", str(moved)) == 0
    one, two = (next(iter(records(tmp_path / name).values()))["settings"]["statistics"] for name in ("one", "two"))
    assert one == two


def test_a_unit_whose_photographs_are_gone_is_told_and_the_rest_is_made(tmp_path, scanned, capsys):
    folder, _ = scanned
    images = photographs_in(scanned).top.images["fc"]
    pairs = [(one, other) for one in range(5) for other in range(5) if one != other]
    there, gone = min(pairs, key=lambda pair: len(np.intersect1d(images[pair[0]], images[pair[1]])))
    assert len(np.intersect1d(images[there], images[gone])) < 2
    left = tmp_path / "left"
    left.mkdir()
    for number in images[there]:
        path = folder / "photographs" / f"{number:02d}.png"
        (left / path.name).write_bytes(path.read_bytes())
    asked = ["--units", f"fc:{gone},{there}", "--statistics", "top", "--images", str(left)]
    assert optimized(scanned, tmp_path / "store", *asked) == 2
    said = capsys.readouterr()
    assert f"fc:{gone}: its scan has" in said.err
    assert "1 picture made, 1 with problems" in said.out


@pytest.mark.parametrize(
    ("parametrization", "start", "is_another"),
    [("fourier", "image", True), ("pixels", "image", False), ("fourier", "mean_plus_rand", False)],
)
def test_a_record_of_a_picture_that_was_taken_for_parameters_is_anothers(
    tmp_path, scanned, capsys, parametrization, start, is_another
):
    start_at = f"image:{scanned[0] / 'photographs' / '00.png'}" if start == "image" else start
    asked = ("--units", "fc:1", "--parametrization", parametrization, "--start-at", start_at)
    assert optimized(scanned, tmp_path, *asked) == 0
    ((path, made),) = [(path, json.loads(path.read_text())) for path in tmp_path.rglob("*_info.json")]
    assert ("start_taken" in made["settings"]) == is_another
    made["settings"].pop("start_taken", None)  # as until November 2026
    path.write_text(json.dumps(made))
    capsys.readouterr()
    assert optimized(scanned, tmp_path, *asked) == (2 if is_another else 0)
    said = capsys.readouterr()
    assert ("of another run (start_taken: None there, 'as it is' now); --brave overwrites it" in said.err) == is_another
    assert optimized(scanned, tmp_path, *asked, "--brave") == 0
    assert ("start_taken" in json.loads(path.read_text())["settings"]) == is_another


@pytest.mark.parametrize("start_at", [np.zeros((3, 24, 20), np.float32), ClusterStarts(np.zeros((1, 3, 24, 20), "f"))])
def test_arrays_are_pictures_and_clusters_have_records_of_their_own(scanned, start_at):
    _, net = scanned
    settings = AscentSettings(start_at=start_at, parametrization="fourier-decorrelated")
    found = identity(net, AscentTask(UNIT, 0), settings)["settings"]
    assert ("start_taken" in found) == isinstance(start_at, np.ndarray)


class Counted(Silence):
    """A progress display that keeps what it is told."""

    def __init__(self) -> None:
        self.advanced, self.notes = 0.0, []

    def advance(self, amount: float = 1) -> None:
        self.advanced += amount

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_each_units_photographs_are_looked_at_once_and_the_bar_says_so(tmp_path, scanned, monkeypatch):
    looked, shown = [], []
    look = OwnPriors.settings_for
    monkeypatch.setattr(OwnPriors, "settings_for", lambda own, how, to: looked.append(str(to)) or look(own, how, to))
    monkeypatch.setattr(making, "progress_of", lambda _, total, *__: shown.append((Counted(), total)) or shown[-1][0])
    asked = ["--units", "fc:1,3", "--statistics", "top"]
    for seeds in ("0,1", "0-2"):
        assert optimized(scanned, tmp_path, *asked, "--seeds", seeds) == 0
    assert looked == ["fc:1", "fc:3"] * 2
    for bar, total in shown:
        assert bar.advanced == pytest.approx(total)
        assert {"fc:1: its top photographs", "fc:3: its top photographs"} <= set(bar.notes)
    assert [total for _, total in shown] == [4, 6]


def test_two_units_under_one_name_are_refused_before_their_photographs_are_looked_at(tmp_path, scanned):
    folder, _ = scanned
    asked = ["--model", str(folder / "own" / "model.yaml"), "--trust", str(folder / "own"), "-q", "--brave"]
    asked += ["--maxes", str(folder / "maxes"), "--statistics", "top", "--units", "fc:1,3", "--max-iter", "2"]
    with pytest.raises(ToolboxError, match=r"would both be written to .*tell them apart"):
        main([*asked, "--out", str(tmp_path / "made"), "--template", "%(p.rand_seed)s"])
    assert not list(tmp_path.iterdir())
