"""Checks that a unit whose values are no numbers spoils no other unit's pictures, and is named when it is opened."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deepvis_toolbox import load_network
from deepvis_toolbox.scan.patches.patch_store import write_patches
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from find_maxes import list_pictures, scan
from tests.nets import opened


class LostUnit(nn.Module):
    """Unit 1 is `lost` in every picture; the others see grey through a rectifier."""

    def __init__(self, lost: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fires = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()
        self.register_buffer("added", torch.tensor([0, lost, 0, 0]).reshape(1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fires(self.conv(x) + self.added)


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_one_unit_that_is_no_number_makes_no_other_one_differ_and_nothing_is_made_twice(tmp_path, lost):
    (tmp_path / "pictures").mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        noise = random.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / "pictures" / f"{number:02d}.png")
    net = opened(LostUnit(lost), (8, 8))
    layer = list(net.layers)[-1]
    top = scan(net, list_pictures(tmp_path / "pictures"), layers=[layer], batch_size=5, workers=0)
    store, units = UnitImageStore(tmp_path / "store"), [Unit(layer, channel) for channel in range(4)]
    summary = write_patches(net, top, units, store)
    assert summary.problems == []
    assert all(store.has("max_im", units[channel]) for channel in (0, 2, 3))
    again = write_patches(net, top, units, store)
    assert (again.made, again.problems) == (0, [])


def test_a_deconv_that_the_weights_of_another_unit_spoil_is_told_once_for_each_unit(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        grey = np.full((8, 8, 3), 60 * number, np.uint8)
        Image.fromarray(grey).save(tmp_path / "pictures" / f"{number}.png")
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())
    module[0].weight.data[1] = float("nan")
    net = opened(module, (8, 8))
    top = scan(net, list_pictures(tmp_path / "pictures"), layers="1", workers=0)
    store, units = UnitImageStore(tmp_path / "store"), [Unit("1", channel) for channel in range(3)]
    problems = write_patches(net, top, units, store).problems
    assert [problem.split(",")[0] for problem in problems] == [f"1:{unit}: its deconv is not finite" for unit in (0, 2)]
    assert write_patches(net, top, units, store).made == 0


FACTORY = """
import torch
from torch import nn

def make():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    module[1].running_var[2] = float("{}")
    return module.eval()
"""


@pytest.mark.parametrize(("value", "said"), [("nan", 1), ("1", 0), ("inf", 0)])
def test_a_factorys_module_with_nan_in_it_is_opened_and_the_parameter_is_named(
    tmp_path, monkeypatch, caplog, value, said
):
    (tmp_path / f"lost_{value}.py").write_text(FACTORY.format(value))
    monkeypatch.syspath_prepend(tmp_path)
    load_network(f"lost_{value}:make", device="cpu", input_size=16, mean=0).close()
    assert caplog.text.count("weights that are NaN: 1.running_var") == said
