"""Checks what a scan finds against plain Python loops, and that its bytes do not depend on who computed them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deepvis_toolbox import load_network
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.merging import merge
from deepvis_toolbox.scan.numbers.channel_extremes import ChannelExtremes
from find_maxes import TopImages, list_pictures, scan
from tests.nets import opened

ROOT = Path(__file__).resolve().parents[2]
BATCH = 8


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def seen(small_net, picture_paths):
    """{layer: (values, values below the rectifier)}, (pictures, C, H, W), from the same batches as the scan's."""
    inputs = torch.cat([small_net.preprocess(cv2.imread(str(path))[..., ::-1]) for path in picture_paths])
    layers = list(small_net.layers)[1:]
    found: dict[str, tuple[list, list]] = {name: ([], []) for name in layers}
    for batch in inputs.split(BATCH):
        recording = small_net.record(batch)
        for name, value in recording.activations(layers).items():
            below = recording.below_rectifier(name) if small_net.layers[name].rectifier else value
            for kept, tensor in zip(found[name], (value, below), strict=True):
                kept.append(tensor.reshape(*tensor.shape[:2], *(tensor.shape[2:] or (1, 1))).cpu().numpy())
    return {name: tuple(np.concatenate(part) for part in parts) for name, parts in found.items()}


@pytest.fixture(scope="module")
def plain(small_net, labelled, tmp_path_factory):
    """One plain scan with everything on, and its folder."""
    out = tmp_path_factory.mktemp("plain")
    top = scan(small_net, labelled, out=out, batch_size=BATCH, bottom=True, statistics=True, workers=0)
    return top, out


def ranked_by_loops(values: np.ndarray, below: np.ndarray, top: int, sign: int) -> list[tuple]:
    """One channel's best: at most one place a picture; by value, value below, picture, place."""
    best = []
    for picture in range(len(values)):
        height, width = values.shape[1:]
        places = [
            (-sign * values[picture, y, x], -sign * below[picture, y, x], y * width + x)
            for y in range(height)
            for x in range(width)
        ]
        best.append((*min(places)[:2], picture, min(places)[2]))
    return sorted(best)[:top]


def same_files(one: Path, other: Path) -> None:
    names = ["manifest.json", "pictures.jsonl", "top_images.npz"]
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir()) == names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("side", ["top", "bottom"])
def test_pictures_places_and_ties_are_those_of_plain_loops(plain, seen, small_net, side):
    found = plain[0] if side == "top" else plain[0].bottom
    ties = 0
    for name, (values, below) in seen.items():
        layer = small_net.layers[name]
        for unit in range(layer.channels):
            wanted = ranked_by_loops(values[:, unit], below[:, unit], 9, 1 if side == "top" else -1)
            sign = -1 if side == "top" else 1
            assert found.images[name][unit].tolist() == [picture for _, _, picture, _ in wanted], (name, unit)
            assert found.values[name][unit].tolist() == [sign * value for value, _, _, _ in wanted]
            assert found.below[name][unit].tolist() == [sign * lower for _, lower, _, _ in wanted]
            width = layer.shape[2] if layer.is_spatial else 1
            places = [[place // width, place % width] if layer.is_spatial else [-1, -1] for *_, place in wanted]
            assert found.places[name][unit].tolist() == places
            ties += wanted[0][0] == wanted[1][0]
    assert ties > 10  # saturated and silent units, and pictures that are there twice: the rules were needed


def test_values_and_places_are_those_of_forward(plain, small_net, picture_paths):
    top = plain[0]
    for name in ("relu1", "add", "fc"):
        for unit in range(3):
            x = small_net.preprocess(cv2.imread(str(picture_paths[top.images[name][unit, 0]]))[..., ::-1])
            activation = small_net.forward(x, [name])[name][0, unit]
            y, column = top.places[name][unit, 0]
            at_place = activation[y, column] if activation.ndim else activation
            assert float(at_place) == pytest.approx(float(top.values[name][unit, 0]), rel=1e-5, abs=1e-5)
            assert float(activation.max()) == pytest.approx(float(at_place), rel=1e-6)


@pytest.mark.parametrize("workers", [1, 2])
def test_decoding_processes_do_not_change_a_byte(plain, small_net, labelled, tmp_path, workers):
    scan(small_net, labelled, out=tmp_path, batch_size=BATCH, bottom=True, statistics=True, workers=workers)
    same_files(plain[1], tmp_path)


def test_three_shards_merged_in_any_order_are_the_same_bytes(plain, small_net, labelled, tmp_path):
    for number in range(3):
        shard = scan(
            small_net,
            labelled,
            out=tmp_path / f"part{number}",
            batch_size=BATCH,
            bottom=True,
            statistics=True,
            workers=0,
            shard=(number, 3),
        )
        assert not shard.is_complete
    whole = merge([tmp_path / f"part{number}" for number in (2, 0, 1)], tmp_path / "all")
    assert whole.is_complete
    same_files(plain[1], tmp_path / "all")
    with pytest.raises(ToolboxError, match="in none of the parts"):
        merge([tmp_path / "part0", tmp_path / "part2"], tmp_path / "gap")
    with pytest.raises(ToolboxError, match="twice"):
        merge([tmp_path / "part0", tmp_path / "part0"], tmp_path / "twice")


def test_parts_scanned_one_after_the_other_into_one_folder_backwards_are_the_same_bytes(
    plain, small_net, labelled, tmp_path
):
    for number in (2, 0, 1):
        scan(
            small_net,
            labelled,
            out=tmp_path,
            batch_size=BATCH,
            bottom=True,
            statistics=True,
            workers=0,
            shard=(number, 3),
            checkpoint_every=1,
        )
    same_files(plain[1], tmp_path)


def test_a_scan_killed_in_the_middle_and_run_again_is_the_same_bytes(labelled, tmp_path):
    command = [sys.executable, str(ROOT / "find_maxes" / "find_max_acts.py"), "--model", str(tmp_path / "small")]
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "model.yaml").write_text(
        "name: small\nframework: torch\nfactory: small_convnet:make\ninput: {size: 16, mean: 127, std: 64}\n"
    )
    listed = tmp_path / "list.txt"
    classes = ("" if label < 0 else f" {label}" for label in labelled.labels)
    listed.write_text("".join(f"{name}{label}\n" for name, label in zip(labelled.names, classes, strict=True)))
    command += ["--images", str(listed), "--batch-size", "4", "--checkpoint-every", "4", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    environment["DEEPVIS_MODELS"] = str(tmp_path)  # the user's own model, which may name code
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    slow = {**environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"}
    (tmp_path / "sitecustomize.py").write_text(SLOW_CHECKPOINTS)
    process = subprocess.Popen([*command, "--out", str(killed)], env=slow, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (killed / "checkpoint.json").exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (killed / "checkpoint.json").exists()
    assert not (killed / "manifest.json").exists()
    subprocess.run([*command, "--out", str(killed)], env=environment, check=True, capture_output=True)
    net = load_network(tmp_path / "small", device="cpu", trust=True, path=[Path(__file__).parent])
    assert len(scan(net, listed, out=whole, batch_size=4).held_out)
    same_files(whole, killed)


SLOW_CHECKPOINTS = """
import deepvis_toolbox.scan.result_folder as folder, time
write = folder.ResultFolder.write_checkpoint
def write_slowly(self, identity, tally):
    write(self, identity, tally)
    time.sleep(0.3)  # time for the test to see the checkpoint and kill
folder.ResultFolder.write_checkpoint = write_slowly
"""


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_other_batch_sizes_give_the_same_pictures_up_to_float_noise(plain, small_net, picture_paths, batch_size):
    other = scan(small_net, picture_paths, batch_size=batch_size, workers=0)
    told_apart = 0
    for name in other.layers:
        noise = 1e-5 * np.nanmax(np.abs(plain[0].values[name]))
        assert np.nanmax(np.abs(plain[0].values[name] - other.values[name])) <= noise
        values = np.concatenate([other.values[name], np.full((len(other.values[name]), 1), -np.inf)], axis=1)
        gaps = np.abs(np.diff(values, axis=1, prepend=np.inf))
        clear = (gaps[:, :-1] > noise) & (gaps[:, 1:] > noise)
        clear[:, -1] = False  # what follows the last one is not known
        told_apart += clear.sum()
        assert (plain[0].images[name] == other.images[name])[clear].all()
    assert told_apart > 200


def test_statistics_are_those_of_numpy(plain, seen):
    for name, (values, _) in seen.items():
        maxima = values.max((2, 3)).astype(np.float64)
        found = plain[0].statistics(name)
        scale = np.abs(maxima).max()
        assert (found.count == len(maxima)).all()
        np.testing.assert_allclose(found.mean, maxima.mean(0), atol=2e-5 * scale)
        np.testing.assert_allclose(found.deviation, maxima.std(0), atol=1e-4 * scale)
        np.testing.assert_array_equal(found.silent_share, (maxima <= 0).mean(0))
        for unit in range(maxima.shape[1]):
            inner = np.histogram(maxima[:, unit][~np.isin(np.abs(maxima[:, unit]), found.edges)], found.edges)[0]
            assert (found.histogram[unit] >= inner).all()
        assert (found.histogram.sum(1) == len(maxima)).all()


def test_a_dead_channel_shows(plain):
    assert plain[0].statistics("relu2").silent_share[0] == 1
    assert np.isnan(plain[0].correlation("relu2")[0]).all()


def test_correlations_are_those_of_numpy(plain, seen):
    for name in ("relu1", "add", "fc", "prob"):
        maxima = seen[name][0].max((2, 3)).astype(np.float64)
        varies = maxima.std(0) > 1e-3 * np.abs(maxima).max()
        wanted = np.corrcoef(maxima[:, varies].T)
        np.testing.assert_allclose(plain[0].correlation(name)[np.ix_(varies, varies)], wanted, atol=2e-3)


def test_one_unit_s_correlations_are_its_row_of_the_matrix(plain):
    top = plain[0]
    for name in ("relu1", "relu2", "fc"):
        whole = top.correlation(name)
        for unit in range(len(whole)):
            np.testing.assert_allclose(top.correlations_of(name, unit), whole[unit], atol=1e-12)


def test_the_largest_activation_and_the_pictures_that_were_read(plain, seen, picture_paths):
    top = plain[0]
    for name, (values, _) in seen.items():
        np.testing.assert_array_equal(top.largest(name), values.max((0, 2, 3)))
    assert top.was_read.all()
    assert top.was_read.sum() == top.pictures_read == len(picture_paths)


def test_place_statistics_are_those_of_numpy_at_the_stated_places(plain, seen):
    middles = [1, 4, 6]  # of three equal parts of 8 rows
    values = seen["relu2"][0][:, :, middles][:, :, :, middles]
    found = plain[0].place_statistics("relu2")
    assert (found.count == values[:, 0].size).all()
    np.testing.assert_allclose(found.mean, values.mean((0, 2, 3)), atol=1e-4 * values.max())
    np.testing.assert_array_equal(found.zero_share, (values == 0).mean((0, 2, 3)))


def test_what_was_written_is_read_back(plain):
    top, out = plain
    read = TopImages.load(out)
    assert read.paths == top.paths
    for name in top.layers:
        np.testing.assert_array_equal(read.values[name], top.values[name])
        np.testing.assert_array_equal(read.places[name], top.places[name])
    assert read.values["fc"].dtype == np.float32
    assert read.images["fc"].dtype == read.places["fc"].dtype == np.int32
    assert read.is_complete


def test_with_fewer_pictures_than_asked_for_the_rest_is_minus_one(small_net, picture_paths):
    top = scan(small_net, picture_paths[:4], layers=["relu1", "fc"], top=6, workers=0)
    assert top.layers == ["relu1", "fc"]
    assert (top.images["relu1"][:, 4:] == -1).all()
    assert (top.images["relu1"][:, :4] >= 0).all()
    assert (top.places["relu1"][:, 4:] == -1).all()
    assert np.isnan(top.values["fc"][:, 4:]).all()


def test_patterns_choose_layers_and_a_wrong_name_is_told_with_the_nearest(small_net, picture_paths):
    assert scan(small_net, picture_paths[:2], layers=["relu*", "fc"], workers=0).layers == ["relu1", "relu2", "fc"]
    with pytest.raises(ToolboxError, match="did you mean"):
        scan(small_net, picture_paths[:2], layers=["relux"])


def test_a_groups_name_means_its_last_layer_also_in_what_was_read_back(default_network, picture_paths, tmp_path):
    top = scan(default_network, picture_paths[:2], layers=["block3"], workers=0, out=tmp_path)
    last = default_network.layers["block3"].name
    assert top.layers == [last]
    np.testing.assert_array_equal(TopImages.load(tmp_path).values["block3"], top.values[last])


def test_a_folder_with_another_scan_is_left_alone(plain, small_net, picture_paths):
    before = (plain[1] / "top_images.npz").read_bytes()
    with pytest.raises(ToolboxError, match="holds another scan"):
        scan(small_net, picture_paths[:-1], out=plain[1], batch_size=BATCH, bottom=True, statistics=True)
    assert (plain[1] / "top_images.npz").read_bytes() == before


def test_a_finished_scan_run_again_computes_nothing(plain, small_net, labelled, monkeypatch):
    monkeypatch.setattr(type(small_net), "visit", lambda *_: pytest.fail("the network was run"))
    again = scan(small_net, labelled, out=plain[1], batch_size=BATCH, bottom=True, statistics=True, workers=0)
    np.testing.assert_array_equal(again.values["fc"], plain[0].values["fc"])


@pytest.mark.slow
def test_the_top_picture_of_most_classes_has_their_label(default_network, shared):
    pictures = list_pictures(shared / "images", shared / "images" / "filelist.txt")
    top = scan(default_network, pictures, layers=["fc", "prob"])
    classes = np.unique(top.labels)
    best = top.labels[top.images["fc"][classes, 0]]
    assert (best == classes).mean() >= 0.6


def test_a_batch_that_does_not_fit_the_devices_memory_is_told(small_net, picture_paths, monkeypatch):
    def full(*_args, **_keywords):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(ChannelExtremes, "__call__", full)
    with pytest.raises(ToolboxError, match=r"a batch of 4 pictures does not fit .*--batch-size"):
        scan(small_net, picture_paths, batch_size=4, workers=0)


def test_what_a_killed_writer_left_is_removed_when_the_scan_goes_on(small_net, picture_paths, tmp_path):
    left = [tmp_path / f".{'0123456789abcdef' * 2}.{ending}" for ending in ("partial.npz", "probe")]
    for path in left:
        path.write_bytes(b"half")
    scan(small_net, picture_paths[:3], layers=["fc"], out=tmp_path, workers=0)
    assert not any(path.exists() for path in left)


def test_a_shard_says_how_many_pictures_it_has_read(small_net, picture_paths, tmp_path):
    pictures = [*picture_paths[:-1], tmp_path / "missing.png"]
    shard = {"layers": ["fc"], "batch_size": 8, "workers": 0}
    read = [scan(small_net, pictures, shard=(number, 2), **shard).pictures_read for number in (0, 1)]
    assert read == [24, len(pictures) - 24 - 1]


class Rooted(nn.Module):
    """Channels 0 and 1 of `root` are not a number for pictures darker than grey; `fires` is silent for these."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.fires = nn.AdaptiveAvgPool2d(1), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = self.mean(x).flatten(1)
        root = torch.cat([(mean[:, :2] - 100).sqrt(), mean[:, 2:]], 1)
        return root + self.fires(mean - 100)


def test_what_is_no_number_and_what_was_silent_at_first_leave_the_statistics_right(tmp_path):
    net = opened(Rooted(), (8, 8))
    random = np.random.default_rng(0)
    greys = np.concatenate([random.uniform(20, 90, (4, 3)), random.uniform(110, 250, (12, 3))]).astype(np.uint8)
    for number, grey in enumerate(greys):
        Image.new("RGB", (8, 8), tuple(map(int, grey))).save(tmp_path / f"{number:02d}.png")
    top = scan(net, list_pictures(tmp_path), batch_size=4, workers=0)
    bright = greys[4:].astype(np.float64) - 100
    fires = top.statistics("fires")
    np.testing.assert_allclose(fires.mean, bright.sum(0) / 16, rtol=1e-3)
    name = next(name for name in top.layers if "cat" in name)
    found = top.statistics(name)
    assert found.count.tolist() == [12, 12, 16]
    np.testing.assert_allclose(found.mean[:2], np.sqrt(bright[:, :2]).mean(0), rtol=1e-3)
    np.testing.assert_allclose(found.mean[2], greys[:, 2].mean(), rtol=1e-3)
    correlation = top.correlation(name)
    assert np.isnan(correlation[:2]).all()
    assert np.isnan(correlation[:, :2]).all()
    assert correlation[2, 2] == pytest.approx(1)
