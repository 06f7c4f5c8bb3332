"""The pictures that a scan holds out: which they are, what is kept of them, and that all else stays as it was."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.numbers.held_out import held_out_count, held_out_pictures
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, chosen_layers
from deepvis_toolbox.scan.pictures.decode_worker import preprocessing_record
from deepvis_toolbox.scan.ray_scan import PartDecoder, PartScanner
from deepvis_toolbox.scan.result_folder import ResultFolder
from deepvis_toolbox.scan.scan_settings import ScanSettings
from deepvis_toolbox.scan.scanning import ScanRun
from find_maxes import TopImages, scan

OPTIONS = {"batch_size": 8, "workers": 0}
SAMPLE = 20
"""Of 41 pictures with a label, half."""


@pytest.fixture(scope="module")
def plain(small_net, labelled, tmp_path_factory) -> TopImages:
    out = tmp_path_factory.mktemp("plain") / "maxes"
    scan(small_net, labelled, out=out, bottom=True, statistics=True, **OPTIONS)
    return TopImages.load(out)


def ordered(values: np.ndarray, below: np.ndarray) -> np.ndarray:
    """By which pictures (S, C, places) are ordered: the largest value, below a rectifier that only clips."""
    clips = np.array_equal(values, np.maximum(below, 0)) or np.array_equal(values, np.clip(below, 0, 6))
    return (below if clips else values).max(2)


def test_what_is_kept_are_the_largest_values_in_an_order_s_numbers(plain, small_net, labelled):
    assert len(plain.held_out) == SAMPLE
    pictures = [cv2.imread(labelled.path(index))[..., ::-1] for index in plain.held_out]
    recording = small_net.record(torch.cat([small_net.preprocess(picture) for picture in pictures]))
    layers, was_clipped = list(small_net.layers)[1:], 0
    for name, value in recording.activations(layers).items():
        rectified = small_net.layers[name].rectifier
        below = recording.below_rectifier(name) if rectified else value
        value, below = (each.reshape(*each.shape[:2], -1).cpu().numpy() for each in (value, below))
        wanted, kept = ordered(value, below), plain.held_out_values(name)
        scale = 2.0**15 / plain.manifest["calibration"]["limits"][name]
        assert kept.dtype == np.float16
        np.testing.assert_allclose(kept, wanted * scale, rtol=1e-3, atol=1e-2)
        was_clipped += (value.max(2) == 6).sum() if name == "relu1" else 0
    assert was_clipped > SAMPLE, "where a rectifier saturates, pictures are told apart by what is below"


def test_they_are_half_of_the_labelled_pictures_as_by_lot_whatever_their_classes():
    labels = np.where(np.arange(5000) % 10 == 3, -1, np.arange(5000) // 100)
    chosen = held_out_pictures(labels, 800)
    assert (np.diff(chosen) > 0).all()
    assert (labels[chosen] >= 0).all()
    assert np.array_equal(chosen, held_out_pictures(np.where(labels < 0, -1, labels * 7 % 13), 800))
    assert set(held_out_pictures(labels, 300)) < set(chosen), "a smaller sample is a part of a larger one"
    for part in np.array_split(chosen, 10):
        assert abs(len(part) - 80) <= 1
    counts = np.histogram(chosen, 10, (0, 5000))[0]
    assert (np.abs(counts - 80) < 5 * np.sqrt(80)).all(), "every part of the list has its share"
    neighbours = (np.diff(chosen) == 1).mean()
    assert 0.5 * 800 / 5000 < neighbours < 2 * 800 / 4500, "one says nothing of the next"


@pytest.mark.parametrize(
    ("labelled_pictures", "units", "asked", "wanted"),
    [
        (10_000, 1000, None, 2000),
        (10_000, 100_000, None, 671),
        (300, 1000, None, 150),
        (0, 1000, None, 0),
        (1, 1000, None, 0),
        (10_000, 1000, 5000, 5000),
        (10_000, 1000, 5001, 5000),
        (10_000, 1000, 0, 0),
    ],
)
def test_how_many_there_are(labelled_pictures: int, units: int, asked: int | None, wanted: int):
    labels = np.concatenate([np.full(500, -1), np.zeros(labelled_pictures, np.int64)])
    assert held_out_count(labels, units, asked) == wanted


@pytest.mark.parametrize("size", [1, 7, 64])
def test_other_batches_hold_out_the_same_pictures(plain, small_net, labelled, size):
    other = scan(small_net, labelled, batch_size=size, workers=0)
    np.testing.assert_array_equal(other.held_out, plain.held_out)
    for name in other.layers:
        limit, former = (top.manifest["calibration"]["limits"][name] for top in (other, plain))
        found = other.held_out_values(name).astype(np.float64) * (limit / former)
        seen = found > -(2.0**14)
        np.testing.assert_allclose(found[seen], plain.held_out_values(name)[seen], rtol=2e-3, atol=2e-2)


def arrays_in(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "top_images.npz") as file:
        return dict(file)


def test_all_else_that_is_kept_is_the_same_without_them(small_net, labelled, tmp_path):
    for count in (None, 0):
        scan(small_net, labelled, out=tmp_path / str(count), held_out=count, bottom=True, statistics=True, **OPTIONS)
    held, without = arrays_in(tmp_path / "None"), arrays_in(tmp_path / "0")
    assert set(held) - set(without) == {"held_out.images", "held_out.values"}
    for name, array in without.items():
        assert array.tobytes() == held[name].tobytes(), name
        assert array.dtype == held[name].dtype
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("None", "0")]
    assert manifests[0].pop("held_out") == manifests[0]["identity"].pop("held_out") == SAMPLE
    assert manifests[0] == manifests[1]


def test_a_scan_without_labels_says_nothing_of_them(small_net, picture_paths, tmp_path):
    top = scan(small_net, picture_paths, layers=["fc"], out=tmp_path, **OPTIONS)
    assert "held_out" not in (tmp_path / "manifest.json").read_text()
    assert not any("held_out" in name for name in arrays_in(tmp_path))
    assert top.held_out.shape == (0,)
    assert top.held_out_values("fc").shape == (0, 7)


def stopped(small_net, labelled, folder, monkeypatch, **options) -> None:
    write = ResultFolder.write_checkpoint

    def stop(self, identity, tally):
        write(self, identity, tally)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ResultFolder, "write_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            scan(small_net, labelled, out=folder, checkpoint_every=1, **options, **OPTIONS)


@pytest.mark.parametrize("state", ["begun", "finished"])
def test_a_scan_of_a_former_version_goes_on_without_them(small_net, labelled, tmp_path, monkeypatch, state):
    folder = tmp_path / "maxes"
    if state == "begun":
        stopped(small_net, labelled, folder, monkeypatch, held_out=0)
    else:
        scan(small_net, labelled, out=folder, held_out=0, **OPTIONS)
    assert "held_out" not in next(folder.glob("*.json")).read_text()
    with pytest.raises(ToolboxError, match=r"holds another scan \(its held out differs\)"):
        scan(small_net, labelled, out=folder, held_out=5, **OPTIONS)
    top = scan(small_net, labelled, out=folder, **OPTIONS)
    assert top.is_complete
    assert not len(top.held_out)
    assert not len(TopImages.load(folder).held_out)


def test_a_scan_that_was_begun_with_them_goes_on_with_as_many(small_net, labelled, tmp_path, monkeypatch):
    scan(small_net, labelled, out=tmp_path / "whole", held_out=7, **OPTIONS)
    stopped(small_net, labelled, tmp_path / "maxes", monkeypatch, held_out=7)
    scan(small_net, labelled, out=tmp_path / "maxes", **OPTIONS)
    for name in ("top_images.npz", "manifest.json"):
        assert (tmp_path / "maxes" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_pictures_that_cannot_be_read_are_not_among_them(plain, small_net, labelled, tmp_path):
    gone = int(plain.held_out[4])
    names = [*labelled.names[:gone], str(tmp_path / "gone.png"), *labelled.names[gone + 1 :]]
    top = scan(small_net, replace(labelled, names=tuple(names)), out=tmp_path / "maxes", **OPTIONS)
    assert gone not in top.held_out
    np.testing.assert_array_equal(TopImages.load(tmp_path / "maxes").held_out, np.delete(plain.held_out, 4))


@pytest.mark.parametrize("wrong", [-1, 10_001, 2.5, "many"])
def test_a_wrong_number_is_refused_in_a_sentence(small_net, labelled, wrong):
    with pytest.raises(ToolboxError, match="held out"):
        scan(small_net, labelled, held_out=wrong, **OPTIONS)


def test_parts_that_a_cluster_s_workers_scan_add_up_to_the_same_values(plain, small_net, labelled):
    index = UnitIndex.of(small_net.layers[name] for name in chosen_layers(small_net.layers, None))
    settings = ScanSettings(index, bottom=True, statistics=True, batch_size=8)
    with ScanRun(small_net, labelled, settings, None) as run:
        whole = run.begin()
        record = preprocessing_record(small_net.preprocessing)
        decode = PartDecoder(labelled, record, 8)
        work = PartScanner(
            lambda: small_net, run.identity, whole.calibration.record(), run.held_out, torch.get_num_threads(), "small"
        )
        for first, last in ((4, 6), (0, 1), (1, 4)):
            row = work(decode({"first": first, "last": last}))
            part = whole.another()
            with np.load(io.BytesIO(row["tally"])) as arrays:
                assert len(arrays["held_out.images"]) < SAMPLE, "no worker sends rows that it has not looked at"
                part.load(arrays)
            whole.merge(part)
    for name, array in whole.arrays().items():
        if name.startswith("held_out"):
            np.testing.assert_array_equal(array, plain._arrays[name])
