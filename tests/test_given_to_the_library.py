"""Checks what calls of the library take for a list: what is clear is accepted, the rest refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, load_network, preferred_images
from find_maxes import PictureList, TopImages, scan
from tests.nets import opened

SHORT = AscentSettings(max_iter=2)


@pytest.fixture(scope="module")
def net():
    """Eight layers called 0 to 7, so that "46" has two letters that are names, and one that is called so."""
    torch.manual_seed(0)
    module = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())])
    return opened(module, (8, 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(random.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(tmp_path / f"{number}.png")
    return tmp_path


def test_a_string_is_one_layer_and_not_its_letters(net, folder):
    x = torch.zeros(1, 3, 8, 8)
    assert list(net.forward(x, "4")) == ["4"]
    assert list(net.record(x, "6").activations("6")) == ["6"]
    assert list(net.backward(x, "6", torch.ones(1, 3, 8, 8), at="4")) == ["4"]
    for call in (lambda: net.forward(x, "46"), lambda: net.record(x, "46"), lambda: scan(net, folder, layers="46")):
        with pytest.raises(ToolboxError, match='no layer "46"'):
            call()
    assert scan(net, folder, layers="4", workers=0).layers == ["4"]
    assert scan(net, folder, layers=net.layers["4"], workers=0).layers == ["4"]
    assert scan(net, folder, layers=(name for name in ("4", "6")), workers=0).layers == ["4", "6"]


@pytest.mark.parametrize("layers", [4, [4], [None]])
def test_what_is_no_layers_name_is_refused(net, folder, layers):
    for call in (lambda: net.forward(torch.zeros(1, 3, 8, 8), layers), lambda: scan(net, folder, layers=layers)):
        with pytest.raises(ToolboxError, match="layers are given by their names"):
            call()


def test_a_folder_a_glob_a_list_file_and_one_picture_are_what_they_seem(net, folder):
    wanted = [str(folder / f"{number}.png") for number in range(3)]
    (folder / "list.txt").write_text("0.png\n1.png\n2.png\n")
    for given in (
        str(folder),
        folder,
        f"{folder}/",
        folder / "list.txt",
        tuple(wanted),
        iter(wanted),
        np.array(wanted),
    ):
        assert scan(net, given, layers="7", workers=0).paths == wanted
    assert sorted(scan(net, folder.glob("*.png"), layers="7", workers=0).paths) == wanted
    assert scan(net, folder / "1.png", layers="7", workers=0).paths == [wanted[1]]
    assert scan(net, wanted, labels=iter([3, 4, 5]), layers="7", workers=0).labels.tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "a folder or as a list of paths, not as 5"),
        ([5], "given by their paths; 5 is none"),
        (["a.png", b"b.png"], "b'b.png' is none"),
        ("nowhere/", "does not exist"),
        (Path("nowhere"), "does not exist"),
        ([], "1 to .* pictures, not 0"),
    ],
)
def test_what_is_no_picture_is_refused(net, given, said):
    with pytest.raises(ToolboxError, match=said):
        scan(net, given)


def test_labels_go_with_paths_and_not_with_a_folder(net, folder):
    with pytest.raises(ToolboxError, match="one for each picture"):
        scan(net, folder, labels=[1, 2, 3])


@pytest.mark.parametrize("name", ["top", "batch_size"])
def test_numbers_are_numbers(net, folder, name):
    with pytest.raises(ToolboxError, match="must be a whole number"):
        scan(net, folder, **{name: "9"})


def test_addresses_and_lone_units_are_climbed(net):
    for units in (["7:1"], "7:1", Unit("7", 1), iter([Unit("7", 1)])):
        assert [str(result.unit) for result in preferred_images(net, units, settings=SHORT)] == ["7:1@4,4"]
    several = preferred_images(net, ["7:0-1@2,3", Unit("5", 2)], seeds=range(2), settings={"max_iter": 2})
    assert [(str(result.unit), result.seed) for result in several[1:5]] == [
        ("7:0@2,3", 1), ("7:1@2,3", 0), ("7:1@2,3", 1), ("5:2@4,4", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"units": ["fc:9"]}, 'no layer "fc"'),
        ({"units": ["7"]}, "is not an address"),
        ({"units": [9]}, "9 is no unit"),
        ({"units": 9}, "units are a list"),
        ({"seeds": 3}, r"seeds=\[3\] for that one, or seeds=range\(3\)"),
        ({"seeds": "3"}, "a list of whole numbers"),
        ({"seeds": [1.5]}, "1.5 is none"),
        ({"settings": "default"}, 'for the preset "default" write settings=preset'),
        ({"settings": 3}, "settings is an AscentSettings"),
        ({"settings": {"nonsuch": 3}}, 'the key "nonsuch"'),
    ],
)
def test_what_is_not_clear_is_refused_in_a_sentence(net, given, said):
    with pytest.raises(ToolboxError, match=said):
        preferred_images(net, **{"units": [Unit("7", 1)], **given})


def test_a_path_opens_a_network(tmp_path, monkeypatch):
    (tmp_path / "given_net.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Conv2d(3, 2, 3).eval()\n"
    )
    (tmp_path / "model.yaml").write_text(
        "name: small\nframework: torch\nfactory: given_net:make\ninput: {size: 8, mean: 0}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for given in (tmp_path, tmp_path / "model.yaml", str(tmp_path)):
        with load_network(given, device="cpu", trust=True) as net:
            assert net.name == "small"


def test_numbers_of_numpys_are_numbers_wherever_a_scan_takes_them(net, folder, tmp_path):
    out, plain = tmp_path / "out", {"layers": "7", "workers": 0}
    numbers = {"top": np.int64(2), "batch_size": np.uint8(2), "checkpoint_every": np.int32(2)}
    switches = {"bottom": np.bool_(True), "statistics": np.bool_(False), "correlations": np.True_}
    labels = np.array([1, 2, 3])
    paths = sorted(folder.glob("*.png"))
    scan(net, paths, labels, out=out, shard=(np.int64(0), np.int64(1)), **numbers, **switches, **plain)
    read = TopImages.load(out)
    wanted = scan(net, paths, [1, 2, 3], top=2, batch_size=2, bottom=True, **plain)
    np.testing.assert_array_equal(read.images["7"], wanted.images["7"])
    assert read.labels.tolist() == [1, 2, 3]
    of_numpys = PictureList(tuple(map(str, paths)), tuple(labels))
    assert scan(net, of_numpys, out=tmp_path / "other", **plain).labels.tolist() == [1, 2, 3]


@pytest.mark.parametrize("labels", [[1.7, 0, 0], ["cat", 0, 0], [float("nan"), 0, 0], [-2, 0, 0], [[1], 0, 0]])
def test_labels_that_are_no_class_indices_are_refused(net, folder, labels):
    with pytest.raises(ToolboxError, match="labels are class indices"):
        scan(net, sorted(folder.glob("*.png")), labels, layers="7", workers=0)
    whole = scan(net, sorted(folder.glob("*.png")), [2.0, None, 0], layers="7", workers=0)
    assert whole.labels.tolist() == [2, -1, 0]


@pytest.mark.parametrize("shard", ["0/2", 1, (0, 1, 2), (0.5, 2), None])
def test_a_shard_that_is_no_pair_of_whole_numbers_is_refused(net, folder, shard):
    with pytest.raises(ToolboxError, match=r"it must be \(i, n\)"):
        scan(net, folder, layers="7", workers=0, shard=shard)
