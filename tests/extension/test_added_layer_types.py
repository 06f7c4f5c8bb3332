"""A Caffe layer type from one file: the reader of a prototxt plans its shapes, and the network computes it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.caffe.one_layer import caffemodel_bytes, prototxt_text

LAYER_TYPE = '''
"""Caffe layers of one laboratory: a cube, and a shuffle of channels that is told its groups in param_str."""
from torch import nn

from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, ModuleLayer, layer_type


class CubeModule(nn.Module):
    kind = "cube"
    elementwise = True

    def forward(self, x):
        return x * x * x


@layer_type("Cube")
class Cube(ElementwiseLayer):
    """x³."""

    def module(self):
        return CubeModule()


@layer_type("Shuffle")
class Shuffle(ModuleLayer):
    """Mixes the channels of several groups."""

    def setup(self):
        channels, _, _ = self.spatial()
        self.groups = self.positive("python_param", int(self.definition.python_param.param_str or 0))
        if channels % self.groups:
            raise self.error("python_param", f"{channels} channels do not make {self.groups} groups")
        return [self.bottom]

    def module(self):
        return nn.ChannelShuffle(self.groups)
'''

LAYERS = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "cube" type: "Cube" bottom: "conv" top: "cube" }
layer { name: "shuffle" type: "Shuffle" bottom: "cube" top: "shuffle" python_param { param_str: "2" } }
"""


@pytest.fixture
def caffe_files(users):
    random = np.random.default_rng(0)
    weights = random.normal(0, 0.2, (6, 3, 3, 3)).astype(np.float32)
    users.write("mine.py", LAYER_TYPE)
    users.write("deploy.prototxt", prototxt_text((1, 3, 12, 14), LAYERS))
    (users.path / "net.caffemodel").write_bytes(caffemodel_bytes({"conv": [weights, np.zeros(6, np.float32)]}, {}))
    return users


def test_added_layer_types_compute_and_have_gradients_and_receptive_fields(caffe_files) -> None:
    program = """
import json
import mine
import torch
from pathlib import Path
from deepvis_toolbox import load_network
from deepvis_toolbox.caffe.graph import blob_shapes
net = load_network(None, device="cpu", prototxt="deploy.prototxt", weights="net.caffemodel", mean=0)
x = torch.randn(2, 3, 12, 14, generator=torch.Generator().manual_seed(1))
values = net.forward(x, ["conv", "cube", "shuffle"])
cubes = values["conv"] ** 3
shuffled = cubes.reshape(2, 2, 3, 10, 12).transpose(1, 2).reshape(2, 6, 10, 12)
diff = torch.randn(values["cube"].shape, generator=torch.Generator().manual_seed(2))
back = net.backward(x, "cube", diff, at=["conv"])["conv"]
wanted = diff * 3 * values["conv"] ** 2 * (values["conv"] > 0)  # what arrives there lies below the rectifier
print(json.dumps([
    float((values["cube"] - cubes).abs().max()), float((values["shuffle"] - shuffled).abs().max()),
    float((back - wanted).abs().max()), list(net.receptive_field("cube", (4, 5))),
    list(blob_shapes(Path("deploy.prototxt"))["shuffle"]), net.layers["cube"].kind,
]))
"""
    cube, shuffle, gradient, field, shape, kind = caffe_files.python(program)
    assert max(cube, shuffle, gradient) < 1e-5
    assert (field, shape, kind) == ([4, 5, 7, 8], [6, 10, 12], "cube")


def test_a_command_opens_a_network_with_added_layer_types(caffe_files) -> None:
    flags = ["--deploy-proto", "deploy.prototxt", "--net-weights", "net.caffemodel", "--mean", "0", "--device", "cpu",
             "--units", "shuffle:1", "--max-iter", "3", "--quiet", "--output", "store"]  # fmt: skip
    done = caffe_files.run("optimize_image.py", "--extend", "mine.py", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1 picture made")
    without = caffe_files.run("optimize_image.py", *flags)
    assert without.returncode == 2
    assert 'layer "cube", field "type": the layer type "Cube" is not supported' in without.stderr


def test_what_an_added_layer_type_refuses_names_file_layer_and_field(caffe_files) -> None:
    caffe_files.write("deploy.prototxt", prototxt_text((1, 3, 12, 14), LAYERS.replace('"2"', '"4"')))
    done = caffe_files.run(
        "optimize_image.py", "--extend", "mine.py", "--deploy-proto", "deploy.prototxt", "--net-weights",
        "net.caffemodel", "--units", "cube:0",
    )  # fmt: skip
    assert done.returncode == 2
    assert 'deploy.prototxt: layer "shuffle" (Shuffle), field "python_param": 6 channels do not make 4' in done.stderr


def test_a_layer_type_that_is_there_already_is_refused(users) -> None:
    users.write("mine.py", LAYER_TYPE.replace('"Cube"', '"ReLU"'))
    done = users.run("settings.py", "--extend", "mine.py")
    assert done.returncode == 2
    assert 'there is a Caffe layer type "ReLU" already (deepvis_toolbox.caffe.layers.activations)' in done.stderr
