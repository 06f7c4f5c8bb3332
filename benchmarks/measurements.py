"""Measures what each question of the live view costs: milliseconds beside the frame's usual answers, and as a share of
a forward pass; on the default network and on one of ResNet-50's size (random weights).

All run in turns in one process, each on a new picture, so that a busy machine slows all of them. The usual answers are
the selected layer's maps and the class probabilities.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from deepvis_toolbox import Edit, Network, Rect, load_network, measure, tune_process  # noqa: E402
from deepvis_toolbox.network.description import ModelDescription  # noqa: E402
from deepvis_toolbox.network.preprocessing import Preprocessing  # noqa: E402
from deepvis_toolbox.network.torch_network import TorchNetwork  # noqa: E402
from deepvis_toolbox.network.tracing import trace  # noqa: E402

BLOCKS = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""(width, blocks, stride) of ResNet-50's stages; a block's output is four times as wide."""


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1, and the way round."""

    def __init__(self, read: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(read, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3, self.norm3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        changes = read != 4 * width or stride > 1
        self.way_round = nn.Conv2d(read, 4 * width, 1, stride, bias=False) if changes else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.relu(self.norm2(self.conv2(y)))
        return self.relu(self.norm3(self.conv3(y)) + self.way_round(x))


class ResNet50(nn.Module):
    """25 million parameters, 4 thousand million multiplications at 224×224."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        blocks: list[nn.Module] = []
        read = 64
        for width, count, stride in BLOCKS:
            for number in range(count):
                blocks.append(Bottleneck(read, width, stride if number == 0 else 1))
                read = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(read, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.blocks(self.stem(x)).mean((2, 3))).softmax(1)


def resnet50() -> Network:
    """Return the network, opened as any module is."""
    size = (224, 224)
    described = ModelDescription("resnet50", Preprocessing(size, std=(58.0, 57.0, 57.0)))
    return TorchNetwork(trace(ResNet50(), (3, *size)), described, torch.device("cpu"))


def questions(net: Network, layer: str, unit: int) -> dict[str, list[measure.Measurement]]:
    """Return what is measured, by the name in the table."""
    classes, spatial = net.label_layers[0], tuple(name for name in net.layers if net.layers[name].is_spatial)
    off = (Edit(layer, (unit,), "zero"),)
    region = Rect(60, 60, 140, 140)
    pinned = measure.Pinned(np.random.default_rng(1).integers(0, 255, (*net.input_shape[1:], 3)).astype(np.uint8))
    return {
        "most active": [measure.MostActive(layer)],
        "activity of every layer": [measure.LayerActivity(tuple(net.layers))],
        "units in a region": [measure.UnitsInRegion(layer, region)],
        "units in a region, all layers": [measure.UnitsInRegionOfLayers(spatial, region)],
        "where the unit is active": [measure.UnitHeat(layer, unit)],
        "Grad-CAM of the unit": [measure.GradCAM(layer, unit)],
        "Grad-CAM of a class": [measure.GradCAM(classes, 5)],
        "backward image": [measure.BackwardImage(layer, unit)],
        "what feeds the unit": [measure.Contributors(layer, unit)],
        "what feeds a class": [measure.Contributors(classes, 5)],
        "what it raises, classes": [measure.Raised(layer, unit, classes)],
        "classes without the unit": [measure.Edited(off, measure.ClassProbabilities())],
        "change of every layer without it": [measure.ChangedLayers(tuple(net.layers), off)],
        "statistics": [measure.LayerStatistics(layer, unit)],
        "pinned: difference": [measure.Difference(pinned, measure.LayerMaps(layer))],
        "pinned: units that differ most": [measure.MostDifferent(pinned, tuple(net.layers)[1:])],
    }


def milliseconds(work: Callable[[], object]) -> float:
    """Return what one call takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def measure_costs(net: Network, layer: str, rounds: int) -> None:
    """Print the table of one network."""
    session, random = measure.Session(net), np.random.default_rng(0)
    height, width = net.input_shape[1:]
    usual: list[measure.Measurement] = [measure.LayerMaps(layer), measure.ClassProbabilities()]
    asked = questions(net, layer, 3)
    own = {name: measure.Session(net) for name in asked if name.startswith("pinned")}  # which keep the pinned picture
    taken: dict[str, list[float]] = {name: [] for name in ("forward", "usual", *asked)}
    for _ in range(rounds):
        pictures = iter(random.integers(0, 255, (len(asked) + 2, height, width, 3)).astype(np.uint8))
        x = net.preprocess(next(pictures))
        taken["forward"].append(milliseconds(lambda x=x: net.forward(x, [net.label_layers[-1]])))
        for name, more in {"usual": [], **asked}.items():
            picture = next(pictures)
            asking = own.get(name, session)
            taken[name].append(milliseconds(lambda a=asking, p=picture, m=more: a.take_all(p, [*usual, *m])))
    middle = {name: float(np.median(times[1:])) for name, times in taken.items()}
    print(f"\n{net.name}, layer {layer}: forward {middle['forward']:.1f} ms, usual answers {middle['usual']:.1f} ms")
    print("| question | ms beside the usual | forward passes |\n|---|---|---|")
    for name in asked:
        beside = middle[name] - middle["usual"]
        print(f"| {name} | {beside:.1f} | {beside / middle['forward']:.2f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args(arguments).rounds
    tune_process()
    measure_costs(load_network("efficientnet-lite0", device="cpu"), "block10.expand", rounds)
    net = resnet50()
    middle = [name for name in net.layers if net.layers[name].shape[1:] == (14, 14)]
    measure_costs(net, middle[len(middle) // 2], rounds)


if __name__ == "__main__":
    main()
