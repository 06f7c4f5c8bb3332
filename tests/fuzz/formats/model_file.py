"""What a model's folder says of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from deepvis_toolbox.opening.loading import load_network
from deepvis_toolbox.opening.model_file import read_model_file
from deepvis_toolbox.optimize.files.preset_writing import save_preset
from deepvis_toolbox.optimize.files.presets import default_settings, preset, presets_of
from deepvis_toolbox.settings.loading import load_settings
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from tests.fuzz import caffe_seeds as seeds
from tests.fuzz.harness import Files, Harness, harness, tried
from tests.fuzz.mutations.arrays import npy

_SHORT = b"""framework: caffe
prototxt: deploy.prototxt
weights: weights.caffemodel
input: {mean: [104, 117, 123]}
"""
_LONG = b"""name: seed
framework: caffe
prototxt: deploy.prototxt
weights: weights.caffemodel
input:
  size: [12, 12]
  channels: BGR
  mean: mean.npy
  scale: 0.017
  std: [1, 2, 3]
  crop: 0.875
labels: labels.txt
label_layers: [fc, prob]
deconv: {lrn: pass}
fetch:
  - https://example.org/weights.caffemodel
  - {url: "https://example.org/a.tar", file: a.tar, bytes: 5, mirrors: ["https://example.net/a.tar"], unpack: pictures,
     sha1: "0000000000000000000000000000000000000000"}
unit_images: {folder: unit_images, montage: 2x2, shared: {pool: conv1}, looks: [guided:norm, deconv:raw]}
settings:
  window: {width: 1200}
  live: {backward: deconv}
"""
_PRESETS = b"""framework: torch
factory: torchvision:alexnet
presets:
  default: {decay: 0.01, max_iter: 20}
  mine: {blur_radius: 1.0, blur_every: 4, lr_policy: progress, lr_params: {max_lr: 100.0, desired_prog: 2.0}}
  other: {small_val_percentile: 5, px_benefit_percentile: 10, lr_policy: constant, lr_params: {lr: 3}}
"""


@harness("model-yaml")
class ModelFiles(Harness):
    """A network's description (`models/NAME/model.yaml`, `--model FOLDER`)."""

    targets = ("model.yaml",)

    def seeds(self) -> list[Files]:
        beside = {
            "deploy.prototxt": seeds.NEWER.encode(),
            "weights.caffemodel": seeds.newer_weights(),
            "mean.npy": npy(np.full((3, 16, 16), 100, np.float32)),
            "labels.txt": b"cat\ndog\ncrane\nbus\nteapot\n",
        }
        return [{"model.yaml": text, **beside} for text in (_SHORT, _LONG)]

    def use(self, folder: Path) -> None:
        tried(lambda: load_settings(str(folder)), lambda: _open(folder))


def _open(folder: Path) -> None:
    with load_network(folder, device="cpu") as net:
        if np.prod(net.input_shape) <= 1 << 16:
            net.forward(net.preprocess(np.full((20, 30, 3), 128, np.uint8)), [list(net.layers)[-1]])
        UnitImageStore.for_network(net.description).layers("max_im")
        last = Unit(list(net.layers)[-1], 0)
        tried(*(lambda name=name: preset(net, name) for name in presets_of(net)), lambda: default_settings(net, last))


@harness("presets")
class Presets(Harness):
    """Presets of preferred images in a model.yaml (`--preset NAME`)."""

    def seeds(self) -> list[Files]:
        return [{"model.yaml": _PRESETS}, {"model.yaml": _PRESETS.partition(b"presets")[0]}]

    def use(self, folder: Path) -> None:
        path = folder / "model.yaml"
        presets = read_model_file(path).presets
        net: Any = SimpleNamespace(name="tiny", norm_statistics={}, description=SimpleNamespace(presets=presets))
        tried(
            *(lambda name=name: preset(net, name).as_record() for name in presets),
            lambda: save_preset(path, "added", {"decay": 0.5}),
        )
        if "added" not in presets and "added" not in read_model_file(path).presets:
            raise AssertionError("the preset was not saved, and nothing said so")
