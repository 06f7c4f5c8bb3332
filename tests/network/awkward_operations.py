"""More of `awkward_networks`: rectifiers that do not say so, and kernels taken from a map's size."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from tests.network.awkward_networks import EQUAL, Around, Forward

# Rectifiers by what they compute.

RECTIFYING: dict[str, Forward] = {
    "clamp(min=0)": lambda _, x: x.clamp(min=0),
    "torch.clamp(x, 0)": lambda _, x: torch.clamp(x, 0),
    "clamp_min": lambda _, x: torch.clamp_min(x, 0.0),
    "clamp_min_": lambda _, x: x.clamp_min_(0.0),
    "clip": lambda _, x: x.clip(min=0),
    "clamp(0, 6)": lambda _, x: x.clamp(0, 6),
    "clamp(0, 1)": lambda _, x: x.clamp(0, 1),
    "threshold": lambda _, x: F.threshold(x, 0, 0),
    "maximum with zero": lambda _, x: torch.maximum(x, torch.zeros(())),
    "maximum with zeros_like": lambda _, x: torch.maximum(x, torch.zeros_like(x)),
    "max with zero": lambda _, x: torch.max(x, torch.tensor(0.0)),
    "where": lambda _, x: torch.where(x > 0, x, 0.0),
    "where with zeros_like": lambda _, x: torch.where(x > 0, x, torch.zeros_like(x)),
    "where with a slope": lambda _, x: torch.where(x >= 0, x, 0.1 * x),
    "times its sign": lambda _, x: x * (x > 0),
    "times its sign as floats": lambda _, x: x * (x > 0).float(),
    "half of the sum with its magnitude": lambda _, x: (x + x.abs()) / 2,
    "masked_fill": lambda _, x: x.masked_fill(x < 0, 0),
    "minus the lesser of minus": lambda _, x: -torch.clamp(-x, max=0),
    "hardtanh(0, 6)": lambda _, x: F.hardtanh(x, 0, 6),
    "aten relu": lambda _, x: torch.ops.aten.relu.default(x),
    "aten packet": lambda _, x: torch.ops.aten.relu(x),
    "rrelu": lambda _, x: F.rrelu(x),
    "swish by hand": lambda _, x: x * torch.sigmoid(x),
    "quick gelu": lambda _, x: x * torch.sigmoid(1.702 * x),
    "hard swish by hand": lambda _, x: x * F.relu6(x + 3) / 6,
}
RECTIFYING_MODULES: dict[str, Callable[[], nn.Module]] = {
    "Threshold": lambda: nn.Threshold(0, 0),
    "Hardtanh(0, 6)": lambda: nn.Hardtanh(0, 6),
    "RReLU": nn.RReLU,
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
}
for _name, _call in RECTIFYING.items():
    EQUAL[f"rectifier: {_name}"] = lambda call=_call: Around(call)  # type: ignore[misc]
for _name, _make in RECTIFYING_MODULES.items():

    def _with(make: Callable[[], nn.Module] = _make) -> nn.Module:
        net = Around(lambda net, x: net.relu(x))
        net.relu = make()  # type: ignore[assignment]
        return net

    EQUAL[f"rectifier: nn.{_name}"] = _with


# Kernels taken from a map's size.

POOLED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "size()[2:]": lambda x: F.avg_pool2d(x, x.size()[2:]),
    "shape[2:]": lambda x: F.avg_pool2d(x, x.shape[2:]),
    "shape[-2:]": lambda x: F.max_pool2d(x, kernel_size=x.shape[-2:]),
    "size(2)": lambda x: F.avg_pool2d(x, x.size(2)),
    "(size(2), size(3))": lambda x: F.avg_pool2d(x, (x.size(2), x.size(3))),
    "size(-1) // 2": lambda x: F.max_pool2d(x, x.size(-1) // 2).mean((2, 3), keepdim=True),
    "a stride": lambda x: F.avg_pool2d(x, 2, stride=x.size(3) // 3).mean((2, 3), keepdim=True),
    "a dilation": lambda x: F.max_pool2d(x, 2, 1, 0, x.size(3) // 4).mean((2, 3), keepdim=True),
}
for _name, _pool in POOLED.items():
    EQUAL[f"pooling over {_name}"] = lambda pool=_pool: Around(lambda net, x: pool(net.relu(x)))  # type: ignore[misc]
