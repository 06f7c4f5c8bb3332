"""Networks of the same weights that compute something else are told apart: in scans, stores and records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.identity import first_other
from deepvis_toolbox.network.answer import answer_of, fixed_images
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.record import difference, identity
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.scan.patches.patch_store import write_patches
from deepvis_toolbox.unit_images.claim import NetworkIdentity
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from find_maxes import scan
from tests.nets import opened

SIZE = (24, 24)


class Edited(nn.Module):
    """A convolution, and something without weights behind it."""

    def __init__(self, behind: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.behind = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), behind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.behind(self.norm(self.conv(x)))


def net(behind: Any, eps: float = 1e-5) -> Network:
    module = Edited(behind).eval()
    module.norm.eps = eps
    return opened(module, SIZE)


EDITS = {
    "pool": nn.AvgPool2d(2),
    "stride": nn.MaxPool2d(2, 1),
    "activation": nn.Sequential(nn.MaxPool2d(2), nn.ReLU()),
    "constant": lambda x: F.max_pool2d(x, 2) * 1.01,
    "shift": lambda x: F.max_pool2d(x, 2) + 0.1,
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_forward_gives_another_answer_with_the_same_weights(edit: str) -> None:
    one, other = net(nn.MaxPool2d(2)), net(EDITS[edit])
    assert one.weights_hash == other.weights_hash
    found, wanted = ({"last": list(each.answer.values())[-1]} for each in (other, one))
    assert first_other(found, wanted) == "last"
    assert first_other(net(nn.MaxPool2d(2)).answer, one.answer) == ""


def test_the_answer_is_the_mean_absolute_activation_of_fixed_images() -> None:
    network = net(nn.MaxPool2d(2))
    small, large = fixed_images(network.input_shape)
    assert small.std() == pytest.approx(1, rel=0.2)
    torch.testing.assert_close(small * 64, large)
    for number, image in enumerate((small, large)):
        for name, value in network.forward(image[None], list(network.layers)).items():
            assert network.answer[name][number] == pytest.approx(float(value.abs().mean()), rel=1e-5)


def test_a_scan_does_not_go_on_with_another_network_of_the_same_weights(tmp_path: Path, picture_paths: Any) -> None:
    scan(net(nn.MaxPool2d(2)), picture_paths, out=tmp_path, workers=0, layers=["norm"])
    scan(net(nn.MaxPool2d(2)), picture_paths, out=tmp_path, workers=0, layers=["norm"])
    with pytest.raises(ToolboxError, match=r'same weights and computes something else in "norm", differs'):
        scan(net(nn.MaxPool2d(2), eps=0.5), picture_paths, out=tmp_path, workers=0, layers=["norm"])


def test_a_scan_of_a_former_version_says_nothing_of_it_and_is_used(tmp_path: Path, picture_paths: Any) -> None:
    first = scan(net(nn.MaxPool2d(2)), picture_paths, out=tmp_path, workers=0, layers=["norm"])
    arrays = (tmp_path / "top_images.npz").stat()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["identity"]["answer"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    again = scan(net(nn.MaxPool2d(2)), picture_paths, out=tmp_path, workers=0, layers=["norm"])
    assert (again.images["norm"] == first.images["norm"]).all()
    assert (tmp_path / "top_images.npz").stat().st_mtime_ns == arrays.st_mtime_ns


def test_patches_and_stores_are_of_one_network(tmp_path: Path, picture_paths: Any) -> None:
    one, other = net(nn.MaxPool2d(2)), net(nn.MaxPool2d(2), eps=0.5)
    top = scan(one, picture_paths, workers=0, layers=["norm"])
    store = UnitImageStore(tmp_path)
    write_patches(one, top, [Unit("norm", 0)], store)
    with pytest.raises(ToolboxError, match=r'another network of the same weights.*"norm"'):
        store.check_network(other)
    with pytest.raises(ToolboxError, match=r'of the same weights: layer "norm" computed something else'):
        write_patches(other, top, [Unit("norm", 0)], UnitImageStore(tmp_path / "new"))
    assert NetworkIdentity.by_weights(other).is_same(NetworkIdentity.of(one))  # nobody has asked it


def test_preferred_images_of_another_network_are_made_again() -> None:
    one, other = net(nn.MaxPool2d(2)), net(nn.MaxPool2d(2), eps=0.5)
    task, settings = AscentTask(Unit("norm", 0), 0), AscentSettings()
    wanted, there = identity(one, task, settings), identity(other, task, settings)
    assert difference(json.loads(json.dumps(wanted)), wanted) == ""
    assert 'of the same weights, "norm" computed something else' in difference(there, wanted)
    assert difference({key: value for key, value in there.items() if key != "answer"}, wanted) == ""


def test_random_numbers_and_values_that_are_none_do_not_matter() -> None:
    drawing = net(lambda x: F.dropout(x, 0.5, training=True))
    assert answer_of(drawing) == answer_of(drawing)
    nothing = net(lambda x: x / 0.0)
    assert list(nothing.answer) == list(nothing.layers)[:-1]
    assert first_other({"norm": "3"}, nothing.answer) == first_other(None, nothing.answer) == ""
