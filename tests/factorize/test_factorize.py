"""Directions found in activations: known answers, the command from pictures to a layer that opens, and refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.command_line.ending import PROBLEMS
from deepvis_toolbox.factorize import methods
from deepvis_toolbox.factorize.activation_sample import sample_activations
from deepvis_toolbox.factorize.factorize_command import METHODS, main
from deepvis_toolbox.factorize.methods import Question, measured
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.scan.pictures.picture_list import list_pictures
from tests.nets import opened

sys.path.insert(0, str(Path(__file__).resolve().parent))
from factorize_network import make  # as a user's factory

PICTURES = 24
RANDOM = np.random.RandomState(0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        noise = RANDOM.randint(0, 255, (16, 16, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:02d}.png"), cv2.GaussianBlur(noise, (5, 5), 2))
    return folder


def asked(components: int, steps: int | None = None, active: int | None = None) -> Question:
    return Question(components, 0, steps, active)


def of_parts(rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Values (M, 12) that are sums of 2 of 6 parts without negative values, and the parts, of length 1."""
    parts = np.zeros((6, 12), np.float32)
    for number in range(6):
        parts[number, 2 * number : 2 * number + 3] = RANDOM.uniform(0.5, 1, len(parts[0, 2 * number : 2 * number + 3]))
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    codes = np.zeros((rows, 6), np.float32)
    for row in codes:
        row[RANDOM.permutation(6)[:2]] = RANDOM.uniform(1, 3, 2)
    return codes @ parts, parts


def test_nmf_finds_the_parts_that_values_are_sums_of() -> None:
    x, parts = of_parts()
    found = methods.nmf(x, asked(6), Silence())
    rows = found.decoder / np.linalg.norm(found.decoder, axis=1, keepdims=True)
    assert np.all((parts @ rows.T).max(1) > 0.98)
    assert measured(found, x).explained > 0.95
    assert not measured(found, x).dead


def test_an_autoencoder_finds_more_directions_than_there_are_values() -> None:
    """24 directions in 16 values, of which two at a time are active."""
    true = RANDOM.randn(24, 16)
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    codes = np.zeros((4000, 24))
    for row in codes:
        row[RANDOM.permutation(24)[:2]] = RANDOM.uniform(1, 2, 2)
    x = (codes @ true + 3).astype(np.float32)
    found = methods.topk_sae(x, asked(32, 1500, 2), Silence())
    assert np.mean((true @ found.decoder.T).max(1) > 0.8) > 0.9
    assert measured(found, x).explained > 0.85


def test_pca_is_that_of_the_singular_values() -> None:
    x = (RANDOM.randn(500, 10) * np.arange(1, 11) + 5).astype(np.float32)
    found = methods.pca(x, asked(4), Silence())
    _, values, rows = np.linalg.svd(x - x.mean(0), full_matrices=False)
    assert np.allclose(np.abs(np.sum(found.directions * rows[:4], axis=1)), 1, atol=1e-3)
    assert measured(found, x).explained == pytest.approx(np.sum(values[:4] ** 2) / np.sum(values**2), abs=1e-3)
    assert np.allclose(found.codes(x).mean(0), 0, atol=1e-3)


def test_dead_units_are_counted_and_the_autoencoder_revives_what_has_died() -> None:
    x, _ = of_parts(500)
    dead = methods.Factorization(np.eye(3, 12, dtype=np.float32) - 5, None, "relu", np.zeros((3, 12)), x.mean(0))
    assert measured(dead, x).dead == [0, 1, 2]
    assert measured(dead, x).explained == pytest.approx(0, abs=1e-3)
    found = methods.topk_sae(x, asked(24, 400, 2), Silence())
    assert len(measured(found, x).dead) < 12


def test_what_the_method_says_of_its_codes_is_what_the_layer_gives() -> None:
    """The layer that is written computes the codes that were measured."""
    x, _ = of_parts(300)
    for method in METHODS:
        found = methods.METHODS[method](x, asked(6, 50), Silence())
        net = opened(nn.Sequential(nn.Conv2d(3, 12, 1), nn.ReLU()), (8, 8))
        net.add_layers([found.added_layer("1", "own")])
        values = net.forward(torch.randn(1, 3, 8, 8), ["1", "1/own"])
        below = values["1"][0].flatten(1).T.numpy()
        assert np.allclose(found.codes(below), values["1/own"][0].flatten(1).T.numpy(), atol=1e-4), method


def test_the_sample_is_of_the_layers_own_values_and_bounded(pictures: Path) -> None:
    net = opened(make(), (16, 16))
    listed = list_pictures(pictures)
    layer = net.layers["1"]
    sample = sample_activations(net, layer, listed, 100, 0, 5, 0, Silence())
    assert len(sample.fitted) + len(sample.held_out) == 4 * PICTURES
    assert len(sample.held_out) == 4 * 2
    every = np.concatenate([_vectors(net, path) for path in listed.paths])
    for row in np.concatenate([sample.fitted, sample.held_out]):
        assert np.abs(every - row).max(1).min() < 1e-3
    fewer = sample_activations(net, layer, listed, 7, 0, 5, 0, Silence())
    assert fewer.pictures == 7
    assert len(fewer.fitted) == 7


def _vectors(net, path: str) -> np.ndarray:
    value = net.forward(net.preprocess(cv2.imread(path)[:, :, ::-1].copy()), ["1"])["1"]
    return value[0].flatten(1).T.numpy()


def command(pictures: Path, out: Path, *more: str) -> int:
    words = ["--model", "factorize_network:make", "--input-size", "16", "--device", "cpu", "--layer", "1"]
    return main([*words, "--images", str(pictures), "--out", str(out), "-q", *more])


@pytest.mark.parametrize("method", METHODS)
def test_the_command_writes_what_opens_and_the_same_bytes_again(
    method: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "a" / "parts.npz", tmp_path / "b" / "parts.npz"]
    for out in files:
        flags = ("--steps", "40") if method != "pca" else ()
        assert command(pictures, out, "--method", method, "--components", "4", "--json", *flags) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    told = json.loads(capsys.readouterr().out.partition("}\n{")[0].removesuffix("}") + "}")
    assert told["layer"] == "1/parts"
    assert told["components"] == 4
    assert (0.3 if method == "pca" else 0) < told["explained"] < 1
    with load_network("factorize_network:make", input_size=16, added_layers=[str(files[0])]) as net:
        assert net.layers["1/parts"].shape == (4, 7, 7)


def test_another_seed_is_another_file(pictures: Path, tmp_path: Path) -> None:
    for seed in ("0", "1"):
        flags = ("--method", "topk-sae", "--components", "4", "--steps", "5", "--seed", seed)
        assert command(pictures, tmp_path / seed / "x.npz", *flags) == 0
    assert (tmp_path / "0/x.npz").read_bytes() != (tmp_path / "1/x.npz").read_bytes()


def test_a_picture_that_cannot_be_read_is_left_out_and_told(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes((pictures / "00.png").read_bytes())
    flags = ("--method", "pca", "--components", "2")
    assert command(folder, tmp_path / "x.npz", *flags) == PROBLEMS
    assert "skipped: a.png: " in capsys.readouterr().err
    (folder / "b.png").unlink()
    with pytest.raises(ToolboxError, match="none of the 1 pictures can be read"):
        command(folder, tmp_path / "x.npz", *flags)


REFUSED = {
    "out without its ending": (["--out", "x.pt"], "ends in .npz"),
    "a layer that is not there": (["--layer", "conv9"], 'no layer "conv9"'),
    "nmf of negative values": (["--layer", "0"], "nmf takes layers without negative values"),
    "more axes than values": (["--method", "pca", "--components", "9"], "pca finds at most 8 components"),
    "more active than there are": (["--method", "topk-sae", "--components", "4", "--active", "5"], "more than the 4"),
    "active units of another method": (["--active", "5"], "--active is of --method topk-sae"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_done_is_said_in_a_sentence(what: str, pictures: Path, tmp_path: Path) -> None:
    flags, sentence = REFUSED[what]
    with pytest.raises(ToolboxError, match=sentence):
        command(pictures, tmp_path / "x.npz", *flags)
    assert not (tmp_path / "x.npz").exists()


def test_more_samples_than_memory_are_refused_before_any_is_taken(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepvis_toolbox.factorize.activation_sample.free_memory", lambda: 1000)
    with pytest.raises(ToolboxError, match="take fewer --samples"):
        command(pictures, tmp_path / "x.npz")


def test_without_scikit_learn_a_sentence_says_what_to_install(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ToolboxError, match="pip install scikit-learn; --method topk-sae does"):
        command(pictures, tmp_path / "x.npz")
    assert command(pictures, tmp_path / "x.npz", "--method", "topk-sae", "--components", "4", "--steps", "5") == 0


def test_an_added_layer_can_be_factorized_itself(pictures: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.npz"
    from deepvis_toolbox.opening.added_layer_file import write_added_layer

    write_added_layer(first, AddedLayer("1", "first", np.eye(6, 8, dtype=np.float32)))
    flags = ("--add-layer", str(first), "--layer", "1/first", "--components", "3", "--method", "pca")
    assert command(pictures, tmp_path / "second.npz", *flags) == 0
