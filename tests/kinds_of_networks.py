"""One small network of each kind that people open, and the flags that open it: `KINDS` by what is special about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.caffe.one_layer import prototxt_text
from tests.caffe.random_weights import write_random_weights
from tests.conftest import ROOT
from tests.nets import Branching, Residual
from tests.network.exported_networks import EXPORTED
from tests.network.test_channels_last import Block, Whole
from tests.transformers import VisionTransformer
from tests.windowed import Swin

Flags = list[str]


class Kind(NamedTuple):
    """How to open a network, and which of its units are tried."""

    flags: Callable[[Path], Flags]
    """Write what it needs into a folder, and return the flags."""
    on_a_map: str
    """The address of a unit with places, or of tokens."""
    flat: str = ""
    """The address of a unit without; empty where the network has none."""


KINDS: dict[str, Kind] = {}


def kind(what: str, on_a_map: str, flat: str = "") -> Callable[[Callable[[Path], Flags]], Callable[[Path], Flags]]:
    """Enter a function that writes a network and returns its flags."""

    def enter(flags: Callable[[Path], Flags]) -> Callable[[Path], Flags]:
        KINDS[what] = Kind(flags, on_a_map, flat)
        return flags

    return enter


PRESET = "presets: {default: {max_iter: 3, lr_policy: constant, lr_params: {lr: 10.0}}}\n"


def described(folder: Path, network: str, *more: str, size: str = "32", how: str = "mean: 127, std: 64") -> Flags:
    """Write a model.yaml whose preferred images take three steps; return the flags that open it."""
    lines = ["name: mine", network, f"input: {{size: {size}, {how}}}", *more]
    (folder / "model.yaml").write_text("\n".join(lines) + "\n" + PRESET)
    return ["--model", str(folder), "--trust", str(folder), "--path", str(ROOT)]


def made(folder: Path, name: str, *more: str, **options: str) -> Flags:
    """As `described`, for a function of this module."""
    return described(folder, f"factory: {__name__}:{name}", *more, **options)


def _seeded(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def seeded() -> nn.Module:
        torch.manual_seed(1)
        return make().eval()

    return seeded


residual, vit = _seeded(Residual), _seeded(VisionTransformer)
branching = _seeded(Branching)
exported_only = _seeded(EXPORTED["torch.zeros of the shape"])
windows = _seeded(EXPORTED["windows counted by int()"])
dictionary = _seeded(EXPORTED["a dict of outputs, with a mask in it"])
convnext = _seeded(lambda: Whole([Block(8), Block(8)], nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)))


swin = _seeded(Swin)


class _Ending(nn.Module):
    """Two convolutions, and what stands behind them."""

    def __init__(self, ending: nn.Module, channels: int = 3) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.ending = ending

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ending(F.relu(self.conv2(F.relu(self.conv1(x)))))


def _pooled(*ending: nn.Module) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *ending)


one_channel = _seeded(lambda: _Ending(_pooled(nn.Linear(8, 5)), 1))
halved = _seeded(lambda: Residual().half())
pair = _seeded(lambda: _Ending(_pooled(nn.Linear(8, 5)), 6))
many_bands = _seeded(lambda: _Ending(_pooled(nn.Linear(8, 5)), 13))
one_class = _seeded(lambda: _Ending(_pooled(nn.Linear(8, 1), nn.Sigmoid())))
one_number = _seeded(lambda: _Ending(_pooled(nn.Linear(8, 1))))
many_labels = _seeded(lambda: _Ending(_pooled(nn.Linear(8, 5), nn.Sigmoid())))
mlp = _seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.ReLU(), nn.Linear(16, 5)))
autoencoder = _seeded(lambda: _Ending(nn.Sequential(nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid())))


class Segmenter(nn.Module):
    """Scores of four classes at every pixel, as fully convolutional networks give them."""

    def __init__(self, *, softmax: bool = False) -> None:
        super().__init__()
        self.features, self.classifier = _Ending(nn.Identity()), nn.Conv2d(8, 4, 1)
        self.softmax = nn.Softmax(1) if softmax else nn.Identity()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = self.classifier(self.features(x))
        return {"out": self.softmax(F.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=False))}


segmenter, segmenter_with_softmax = _seeded(Segmenter), _seeded(lambda: Segmenter(softmax=True))


class Detector(nn.Module):
    """Two scales with three anchors of 4 coordinates, objectness and two classes, as (N, anchors, rows, columns, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.down = _Ending(nn.Identity()), nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.heads = nn.ModuleList([nn.Conv2d(8, 21, 1), nn.Conv2d(8, 21, 1)])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        fine = self.features(x)
        given = []
        for head, features in zip(self.heads, (fine, F.relu(self.down(fine))), strict=True):
            n, _, rows, columns = features.shape
            given.append(head(features).view(n, 3, 7, rows, columns).permute(0, 1, 3, 4, 2).contiguous())
        return given


detector = _seeded(Detector)


class Stepped(nn.Module):
    """Takes a timestep, and the image again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.embedding = nn.Conv2d(6, 8, 3, padding=1), nn.Embedding(1000, 8)
        self.fc = nn.Linear(8, 5)

    def forward(self, image: torch.Tensor, timestep: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.conv(torch.cat([image, other], 1)) + self.embedding(timestep)[:, :, None, None])
        return self.fc(features.mean((2, 3)))


stepped = _seeded(Stepped)


class OneByOne(nn.Module):
    """Reads the rows of one picture, one after the other; it takes no two pictures at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gates, self.fc = (
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.LSTM(8 * 16, 12, batch_first=True),
            nn.Linear(12, 5),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = F.relu(self.conv(x)).permute(0, 2, 1, 3).reshape(1, 16, -1)
        return self.fc(self.gates(rows)[0][:, -1])


one_by_one = _seeded(OneByOne)


brain_float, double = _seeded(lambda: Residual().bfloat16()), _seeded(lambda: Residual().double())
several_devices = _seeded(lambda: nn.DataParallel(Residual()))
compiled = _seeded(lambda: torch.compile(Residual()))
torchs_attention = _seeded(lambda: VisionTransformer(how="module"))
oblong_vit = _seeded(lambda: VisionTransformer((32, 48), how="explicit", others=3))
torchs_encoder = _seeded(EXPORTED["nn.TransformerEncoder"])


def lazy() -> nn.Module:
    """Layers that have got their sizes from the first picture that they saw."""
    torch.manual_seed(1)
    made = nn.Sequential(nn.LazyConv2d(8, 3, padding=1), nn.ReLU(), _pooled(nn.LazyLinear(5))).eval()
    made(torch.zeros(1, 3, 32, 32))
    return made


class Outputs(NamedTuple):
    """A tuple with names."""

    classes: torch.Tensor
    depth: torch.Tensor
    features: list[torch.Tensor]


class ManyHeads(nn.Module):
    """Classes, a map, and the features that they were made of, in a tuple with names and a list inside."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.depth, self.fc = _Ending(nn.Identity()), nn.Conv2d(8, 1, 1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> Outputs:
        found = self.features(x)
        return Outputs(self.fc(found.mean((2, 3))).softmax(1), self.depth(found).sigmoid(), [found, found * 2])


many_heads = _seeded(ManyHeads)


def _plain(what: str, name: str, on_a_map: str, flat: str = "", **options: str) -> None:
    KINDS[what] = Kind(lambda folder: made(folder, name, **options), on_a_map, flat)


_plain("a module that torch.fx follows", "residual", "relu_1:1", "fc:1")
_plain("a module that torch.export follows", "exported_only", "relu:1", "head:1", size="16")
_plain("half precision", "halved", "relu_1:1", "fc:1")
_plain("a transformer", "vit", "blocks.0.mlp.1:3", "head:1")
_plain("bfloat16", "brain_float", "relu_1:1", "fc:1")
_plain("double precision", "double", "relu_1:1", "fc:1")
_plain("lazy layers", "lazy", "1:1", "2.2:1")
_plain("DataParallel", "several_devices", "relu_1:1", "fc:1")
_plain("torch.compile", "compiled", "relu_1:1", "fc:1")
_plain("a transformer of torch's own attention", "torchs_attention", "blocks.0.mlp.1:3", "head:1")
_plain("a transformer with registers, not square", "oblong_vit", "blocks.1.attn.softmax:1", "head:1", size="[32, 48]")
_plain("nn.TransformerEncoder", "torchs_encoder", "encoder.layers.0.linear1:1", "head:1", size="16")
_plain("several outputs", "many_heads", "depth:0", "fc:1")
_plain("channels last", "convnext", "blocks.0.act:2", "head:1")
_plain("windows in the batch", "windows", "relu:1", "head:1", size="16")
_plain("shifted windows", "swin", "stages.0.1.attn.matmul_1:3", "head:1", size="[32, 48]")
_plain("heads of attention", "vit", "blocks.0.attn.v:3", "head:1")
_plain("one channel", "one_channel", "relu_1:1", "ending.2:1", how="mean: 127, std: 64, channels: gray")
_plain("a pair in six channels", "pair", "relu_1:1", "ending.2:1", how="mean: 127, std: 64, channels: RGB+RGB")
_plain("thirteen channels", "many_bands", "relu_1:1", "ending.2:1", how="mean: 99, std: 64, channels: 1+BGR+9")
_plain("not square", "residual", "relu_1:1", "fc:1", size="[24, 40]")
_plain("no classes", "branching", "cat:1")
_plain("one class", "one_class", "relu_1:1", "ending.2:0")
_plain("one number", "one_number", "relu_1:1", "ending.2:0")
_plain("many labels", "many_labels", "relu_1:1", "ending.2:1")
_plain("no maps", "mlp", "2:3", "3:1")
_plain("a picture as output", "autoencoder", "ending.1:1")
_plain("classes at every pixel", "segmenter", "classifier:1")
_plain("classes at every pixel, as probabilities", "segmenter_with_softmax", "softmax:1")
_plain("a detector", "detector", "heads.0:8")
_plain("a dict of outputs", "dictionary", "relu:1", "head:1", size="16")
_plain("one picture at a time", "one_by_one", "relu:1", "fc:1")


@kind("an exported program", "relu:1", "fc:1")
def _pt2(folder: Path) -> Flags:
    program = torch.export.export(
        residual(), (torch.randn(2, 3, 32, 32),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
    )
    torch.export.save(program, folder / "net.pt2")
    return described(folder, "program: net.pt2")


@kind("an ONNX file", "relu_1:1", "fc:1")
def _onnx(folder: Path) -> Flags:
    from tests.onnx_files.made_files import exported

    exported(residual(), folder / "net.onnx")
    return described(folder, "framework: onnx\nonnx: net.onnx")


@kind("an ONNX file of a transformer", "blocks.0.mlp.1:1", "head:1")
def _onnx_transformer(folder: Path) -> Flags:
    from tests.onnx_files.made_files import exported

    exported(vit(), folder / "net.onnx")
    return described(folder, "framework: onnx\nonnx: net.onnx")


@kind("an ONNX file of 8-bit numbers", "relu_1:1", "fc:1")
def _onnx_of_8_bits(folder: Path) -> Flags:
    from tests.onnx_files.made_files import exported, quantised

    seen = [np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)]
    quantised(exported(residual(), folder / "float.onnx"), folder / "net.onnx", seen)
    return described(folder, "framework: onnx\nonnx: net.onnx")


@kind("an ONNX file up to a layer", "relu:1")
def _onnx_until(folder: Path) -> Flags:
    import onnx

    from tests.onnx_files.made_files import exported

    model = onnx.load(str(exported(residual(), folder / "net.onnx")))
    last = next(node for node in model.graph.node if node.op_type == "Gemm")
    last.op_type = "NonMaxSuppression"
    del last.attribute[:]
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return described(folder, "framework: onnx\nonnx: net.onnx\nuntil: relu_2")


@kind("an exported program of a transformer", "blocks.0.mlp.1:1", "head:1")
def _pt2_transformer(folder: Path) -> Flags:
    shapes = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(vit(), (torch.randn(2, 3, 32, 32),), dynamic_shapes=shapes)
    torch.export.save(program, folder / "net.pt2")
    return described(folder, "program: net.pt2")


@kind("Caffe's files", "conv1:1", "fc:1")
def _caffe(folder: Path) -> Flags:
    layers = """layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
                  convolution_param { num_output: 6 kernel_size: 5 stride: 2 } }
                layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
                layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
                  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
                layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc"
                  inner_product_param { num_output: 5 } }
                layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""
    (folder / "deploy.prototxt").write_text(prototxt_text((1, 3, 32, 32), layers))
    write_random_weights(folder / "deploy.prototxt", folder / "net.caffemodel")
    return described(folder, "framework: caffe\nprototxt: deploy.prototxt\nweights: net.caffemodel", how="mean: 127")


@kind("another input, given once for all", "relu:1", "fc:1")
def _inputs(folder: Path) -> Flags:
    return made(folder, "stepped", "inputs: {timestep: [500], other: image}")


@kind("a pair in two inputs", "relu:1", "fc:1")
def _two_pictures(folder: Path) -> Flags:
    return made(folder, "stepped", "inputs: {timestep: [500], other: image 2}")


@kind("an added layer", "relu_1/own:1", "fc/more:1")
def _added(folder: Path) -> Flags:
    random = np.random.RandomState(0)
    for layer, name, channels in (("relu_1", "own", 8), ("fc", "more", 5)):
        np.savez(
            folder / f"{name}.npz", directions=random.randn(4, channels).astype(np.float32), layer=layer, name=name
        )
    return made(folder, "residual", "added_layers: [own.npz, more.npz]")


def flags_of(kind: str, folder: Path) -> Sequence[str]:
    """Write what the kind needs into the folder, and return the flags that open it."""
    return ["--device", "cpu", *KINDS[kind].flags(folder)]
