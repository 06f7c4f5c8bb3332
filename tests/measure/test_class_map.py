"""Classes at every place: which networks have them, what they are, and how they lie over the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from deepvis_toolbox import ToolboxError, load_network, measure
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.drawing.class_colours import class_colours, paint_classes
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.live.actions_where import cycle_overlay
from deepvis_toolbox.live.state import State
from tests import kinds_of_networks
from tests.nets import opened

SIZE = (16, 24)


class ByColour(nn.Module):
    """Scores of red, green and blue at every pixel are how much of it there is; of a fourth class, always 60."""

    def __init__(self, end: Callable[[torch.Tensor], object] = lambda x: x) -> None:
        super().__init__()
        self.conv, self.end = nn.Conv2d(3, 4, 1), end
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(4)[:, :3, None, None])
            self.conv.bias.copy_(torch.tensor([0.0, 0, 0, 60]))

    def forward(self, x: torch.Tensor) -> object:
        return self.end(self.conv(x))


def quarters() -> np.ndarray:
    """Red, green, blue, and black from the left to the right."""
    frame = np.zeros((*SIZE, 3), np.uint8)
    for channel in range(3):
        frame[:, 6 * channel : 6 * channel + 6, channel] = 200
    return frame


ENDS: dict[str, Callable[[torch.Tensor], object]] = {
    "scores": lambda x: x,
    "softmax": lambda x: F.softmax(x, 1),
    "log of it": lambda x: F.log_softmax(x, 1),
    "a dict with another output": lambda x: {"out": x, "aux": F.avg_pool2d(x, 2)},
    "the class itself": lambda x: x.argmax(1),
    "resized": lambda x: F.interpolate(F.avg_pool2d(x, 2), size=SIZE, mode="nearest"),
}


BY_LABELS = ("scores", "a dict with another output", "resized")
"""What may be anything, unless there are as many labels."""


@pytest.mark.parametrize("end", ENDS)
def test_the_classes_are_the_largest_of_each_place(end: str) -> None:
    net = opened(ByColour(ENDS[end]).eval(), SIZE, labels=("red", "green", "blue", "dark") if end in BY_LABELS else ())
    (layer,) = [layer for layer in net.layers.values() if layer.has_class_map]
    found = measure.Session(net).take(quarters(), measure.ClassMap(layer.name))
    np.testing.assert_array_equal(found.map, np.repeat([[0, 1, 2, 3]], 6, axis=1).repeat(SIZE[0], 0).reshape(SIZE))
    np.testing.assert_allclose(found.shares, 0.25)
    assert found.largest(2) == [0, 1]
    assert net.label_layers == ()


NONE = {
    "scores, or a flow and how sure it is": nn.Identity(),
    "a picture": nn.Conv2d(4, 3, 1),
    "a depth": nn.Sequential(nn.Conv2d(4, 1, 1), nn.Sigmoid()),
    "features": nn.Sequential(nn.ReLU(), nn.AvgPool2d(2)),
    "features at every pixel": nn.ReLU(),
    "classes of the whole": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)),
}


@pytest.mark.parametrize("end", NONE)
def test_other_networks_have_none(end: str) -> None:
    net = opened(ByColour(NONE[end]).eval(), SIZE)
    assert not [layer for layer in net.layers.values() if layer.has_class_map]


def test_a_layer_that_is_named_is_one_with_the_labels_as_names_and_they_must_be_as_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "by_pooled_colour.py").write_text(
        "from torch import nn\nmake = lambda: nn.Sequential(nn.Conv2d(3, 2, 1), nn.AvgPool2d(4))\n"
    )
    (tmp_path / "labels.txt").write_text("sky\nsea\n")
    yaml = "factory: by_pooled_colour:make\ninput: {size: 16}\nlabels: labels.txt\n"
    (tmp_path / "model.yaml").write_text(yaml + "label_layers: ['1']\n")
    monkeypatch.chdir(tmp_path)
    with load_network(tmp_path, device="cpu", trust=True) as net:
        assert net.layers["1"].has_class_map
        assert net.layers["1"].unit_names == ("sky", "sea")
        assert net.label_layers == ()
    (tmp_path / "model.yaml").write_text(yaml)
    with load_network(tmp_path, device="cpu", trust=True) as net:
        assert net.layers["1"].has_class_map
    (tmp_path / "labels.txt").write_text("sky\nsea\nsand\n")
    (tmp_path / "model.yaml").write_text(yaml + "label_layers: ['1']\n")
    with pytest.raises(ToolboxError, match=r'labels.txt has 3 lines, layer "1" has 2 units'):
        load_network(tmp_path, device="cpu", trust=True)


@pytest.mark.parametrize(("end", "level"), [(nn.Identity(), 0.0), (nn.Sigmoid(), 0.5)])
def test_of_one_class_the_places_where_it_is_likelier_than_not(end: nn.Module, level: float) -> None:
    module = nn.Sequential(nn.Conv2d(3, 1, 1), end).eval()
    with torch.no_grad():
        module[0].weight[0, :, 0, 0] = torch.tensor([1.0, -1.0, 0.0])
    net = opened(module, SIZE, label_layers=("1",))
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    found = measure.Session(net).take(frame, measure.ClassMap("1"))
    with torch.no_grad():
        there = module(net.preprocess(frame))[0, 0].numpy() > level
    assert 0 < there.mean() < 1
    np.testing.assert_array_equal(found.map, np.where(there, 0, -1))
    assert found.shares[0] == pytest.approx(there.mean())


def test_a_layer_without_places_is_refused() -> None:
    net = opened(kinds_of_networks.residual(), (32, 32))
    with pytest.raises(ToolboxError, match=r'layer "fc" has no classes at places'):
        measure.Session(net).take(np.zeros((32, 32, 3), np.uint8), measure.ClassMap("fc"))


def test_classes_are_told_apart_by_colour_and_none_leaves_the_picture() -> None:
    colours = class_colours(21).astype(float)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=2) + 1000 * np.eye(21)
    assert distances.min() > 25
    pixels = np.full((4, 6, 3), 90, np.uint8)
    paint_classes(pixels, np.array([[0, -1]], np.int32), 2)
    assert (pixels[:, 3:] == 90).all()
    assert (pixels[:, :3] == pixels[0, 0]).all()
    assert (pixels[0, 0] != 90).any()


def test_the_window_lays_them_over_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    flags = kinds_of_networks.flags_of("classes at every pixel, as probabilities", tmp_path / "net")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(quarters()).resize((240, 160)).save("picture.png")
    pictures = []
    for keys in ("y y y y wait", "y y y y y wait"):
        given = [*flags, "--input", "picture.png", "--headless", "--script", keys, "--snapshot", "shot.png"]
        assert run_command(lambda given=given: toolbox_command.main(given)) == 0
        with Image.open("shot.png") as shot:
            pictures.append(np.asarray(shot).astype(int))
    assert (pictures[0] != pictures[1]).any(2).sum() > 2000


def test_the_key_knows_classes_only_where_there_are_some() -> None:
    for make, has in ((kinds_of_networks.segmenter_with_softmax, True), (kinds_of_networks.residual, False)):
        state = State()
        state.facts.layers = tuple(opened(make(), (32, 32)).layers.values())
        seen = set()
        for _ in range(8):
            cycle_overlay(state)
            seen.add(state.view.overlay)
        assert ("classes" in seen) == has
