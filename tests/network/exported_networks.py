"""Small networks that torch.fx cannot follow and torch.export can, as people write them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import checkpoint

from tests.network.like_einops import rearranged

SIZE = (16, 16)

EXPORTED: dict[str, Callable[[], nn.Module]] = {}
"""By what stops torch.fx."""

Forward = Callable[[Any, torch.Tensor], Any]


class Parts(nn.Module):
    """Some parts, which a forward puts together."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 5)
        self.scales = nn.Parameter(torch.tensor([0.5, 1.5, -0.7]))
        self.place = nn.Parameter(torch.randn(1, 16, 8))
        self.stop_after = 2
        self._forward = forward
        nn.init.uniform_(self.norm.running_mean, -0.2, 0.2)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return self._forward(self, x)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        return self.patches(x).flatten(2).transpose(1, 2)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.norm(self.conv(self.patches(x))))


def exported(stops: str) -> Callable[[Forward], Forward]:
    """Enters a forward as one that torch.fx cannot follow."""

    def enter(forward: Forward) -> Forward:
        EXPORTED[stops] = lambda: Parts(forward)
        return forward

    return enter


@exported("a loop over a parameter")
def _loop(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x)
    mixed = torch.zeros(x.shape)
    for scale in net.scales:
        mixed = mixed + F.relu(x * scale)
    return net.head(mixed.mean((2, 3)))


@exported("an early exit by a flag and a size")
def _early_exit(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x)
    for step in range(5):
        x = F.relu(net.conv(x) + torch.full(x.shape, 0.1 * step))
        if step + 1 >= net.stop_after:
            return net.head(x.mean((2, 3)))
    raise RuntimeError("it never stops")


@exported("reshapes as of einops")
def _einops(net: Parts, x: torch.Tensor) -> torch.Tensor:
    return net.head(net.fc2(F.gelu(net.fc1(rearranged(net.features(x), 2)))).mean(1))


@exported("a dict of outputs, with a mask in it")
def _dict(net: Parts, x: torch.Tensor) -> dict[str, Any]:
    x = net.features(x)
    parts = {name: x.mean((2, 3)) * scale for name, scale in zip(("a", "b"), net.scales, strict=False)}
    return {"logits": net.head(parts["a"] + parts["b"]), "mask": torch.ones(x.shape[0], 4), "parts": len(parts)}


@dataclasses.dataclass
class Output:
    """As of transformers, whose outputs are dataclasses."""

    logits: torch.Tensor
    loss: torch.Tensor | None = None
    hidden: tuple[torch.Tensor, ...] = ()


@exported("a dataclass of outputs")
def _dataclass(net: Parts, x: torch.Tensor) -> Output:
    tokens = net.tokens(x) + torch.zeros(x.shape[0], 16, 8)
    hidden = F.gelu(net.fc1(tokens))
    return Output(net.head(net.fc2(hidden).mean(1)), hidden=(hidden,))


@exported("a mask built from the shape")
def _mask(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.tokens(x)
    batch, count, _ = x.shape
    mask = torch.zeros(batch, count, count).masked_fill(torch.ones(count, count).triu(1).bool(), float("-inf"))
    weights = torch.softmax(net.fc1(x) @ net.fc2(x).transpose(1, 2) + mask, -1)
    return net.head(F.relu(weights @ x).mean(1))


class Tied(Parts):
    """A decoder with the encoder's weights, as an autoencoder's."""

    def __init__(self) -> None:
        super().__init__(_tied)
        self.fc2.weight = self.fc1.weight


def _tied(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x).mean((2, 3))
    x = x + torch.zeros(*x.shape)
    return net.head(net.fc2(F.relu(F.linear(net.fc1(x), net.fc1.weight.t()))))


EXPORTED["tied weights"] = Tied


class Encoder(nn.Module):
    """torch's own encoder, which torch.fx keeps whole, so that it has no layers."""

    def __init__(self, *, norm_first: bool = False) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.place = nn.Parameter(torch.randn(1, 16, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first, dropout=0.1)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.encoder(x + torch.ones(x.shape[0], 1, 1) * self.place).mean(1))


EXPORTED["nn.TransformerEncoder"] = Encoder
EXPORTED["nn.TransformerEncoder, norm first"] = lambda: Encoder(norm_first=True)


@exported("modules made in forward")
def _made(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = nn.ReLU()(net.norm(nn.Sequential(net.patches, nn.Identity())(x)))
    return net.head(nn.Flatten()(nn.AdaptiveAvgPool2d(1)(x)))


@exported("torch.zeros of the shape")
def _zeros(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x)
    padding = torch.zeros(x.shape[0], 2, *x.shape[2:])
    return net.head(torch.cat([x[:, :6], padding], 1).mean((2, 3)))


@exported("a decision on the shape, in a function under no_grad")
def _shapes(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x)
    with torch.no_grad():
        wide = torch.arange(x.shape[-1] * 2 if x.shape[-1] % 2 == 0 and x.numel() > 64 else 4).float()
    if x.shape[0] * x.shape[1] > 0 and wide.numel() == 8:
        x = F.interpolate(x, size=[int(side) * 2 for side in x.shape[2:]], mode="bilinear") + wide
    return net.head(F.relu(x).mean((2, 3)))


class Attends(nn.MultiheadAttention):
    """Attention with another order of arguments, as in the codes of papers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


class WithAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.attention = Attends(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(F.relu(x + self.attention(x)).mean(1))


EXPORTED["super().forward of MultiheadAttention"] = WithAttention


@exported("windows counted by int()")
def _windows(net: Parts, x: torch.Tensor) -> torch.Tensor:
    """As in the official Swin."""
    x = net.features(x).permute(0, 2, 3, 1)
    windows = x.view(x.shape[0], 2, 2, 2, 2, 8).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 8)
    windows = F.gelu(net.fc1(windows))
    count = int(windows.shape[0] / (4 * 4 / 2 / 2))
    return net.head(windows.view(count, 2, 2, 2, 2, -1).mean((1, 2, 3, 4)))


@exported("parts of a tensor that are written to")
def _written(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x)
    shifted = torch.zeros_like(x)
    shifted[:, :4, 1:] = x[:, :4, :-1]  # as of the temporal shift module
    shifted[:, 4:] = x[:, 4:]
    shifted[:, 0] *= 2
    return net.head(F.relu(shifted).mean((2, 3)))


class Straight(torch.autograd.Function):
    """Rounds, with the derivative of nothing."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor, steps: int) -> torch.Tensor:
        return (x * steps).round() / steps

    @staticmethod
    def backward(_: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None]:
        return signals[0] * 3, None


@exported("a derivative of its own, behind torch.zeros")
def _own_derivative(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x) + torch.zeros(*net.patches(x).shape)
    return net.head(Straight.apply(x, 16).mean((2, 3)))


@exported("a checkpoint, and modules made in forward")
def _checkpoint(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = nn.Identity()(net.features(x))
    x = checkpoint.checkpoint(lambda x: F.relu(net.conv(x)), x, use_reentrant=False)
    return net.head(x.mean((2, 3)))


class Brighter(nn.Module):
    """Decides by its values; the advice of the sentence of refusal was followed."""

    kind = "gate"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.abs().max() < 1000 else x


class WithKept(Parts):
    def __init__(self) -> None:
        super().__init__(
            lambda net, x: net.head(net.gate(net.features(x) + torch.ones(x.shape[0], 1, 1, 1)).mean((2, 3)))
        )
        self.gate = Brighter()


EXPORTED["a kept module that decides by values"] = WithKept


@exported("constants that are written to")
def _constants(net: Parts, x: torch.Tensor) -> torch.Tensor:
    x = net.features(x) + torch.zeros(*net.patches(x).shape)
    gates = torch.ones(8)
    before = gates * 2
    gates[2:5] = 0.5
    gates[0] = -1
    return net.head((x * (gates + before * 0.1).view(1, 8, 1, 1)).mean((2, 3)))


class Counted(nn.Module):
    """Gives a number beside its tensors."""

    kind = "counted"

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int, torch.Tensor]:
        return x * 2, 1, x + 1


class WithCounted(Parts):
    def __init__(self) -> None:
        super().__init__(_counted)
        self.counted = Counted()


def _counted(net: Parts, x: torch.Tensor) -> torch.Tensor:
    twice, number, more = net.counted(net.features(x))
    return net.head(F.relu(twice * number + more * 0.5 + torch.zeros(more.shape)).mean((2, 3)))


EXPORTED["a kept module that gives several things"] = WithCounted
