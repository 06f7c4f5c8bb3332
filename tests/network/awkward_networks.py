"""Small networks with the awkward idioms of the field, and what must become of each: the same values, or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

SIZE = (12, 12)

Forward = Callable[[Any, torch.Tensor], Any]

EQUAL: dict[str, Callable[[], nn.Module]] = {}
"""By idiom: networks that are opened, and compute what the module computes."""
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {}
"""By idiom: networks that are refused, and a pattern of the sentence."""


class Around(nn.Module):
    """A convolution with something behind it, a rectifier, and a classifier over what is left."""

    def __init__(self, between: Forward) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.mix = nn.Conv2d(4, 4, 1)
        self.linear = nn.Linear(4, 4)
        self.last = nn.Linear(4, 5)
        self.between = between
        nn.init.uniform_(self.norm.running_mean, -0.2, 0.2)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.ending(self.between(self, self.conv(x)))

    def ending(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.mix(x).mean((2, 3)))


class Whole(Around):
    """As `Around`, where what stands between does the ending too."""

    def ending(self, x: torch.Tensor) -> torch.Tensor:
        return x


def equal(idiom: str, base: type[Around] = Around) -> Callable[[Forward], Forward]:
    """Enters a forward as one that is opened."""

    def enter(between: Forward) -> Forward:
        EQUAL[idiom] = lambda: base(between)
        return between

    return enter


def refused(idiom: str, told: str, base: type[Around] = Around) -> Callable[[Forward], Forward]:
    """Enters a forward as one that is refused with a sentence."""

    def enter(between: Forward) -> Forward:
        REFUSED[idiom] = (lambda: base(between), told)
        return between

    return enter


# Hooks and weights that are computed at every call.


def hooked(part: str, *, before: bool = False) -> Callable[[], nn.Module]:
    """A network where a hook doubles what a part gives (or reads)."""

    def make() -> nn.Module:
        net = Around(lambda net, x: net.relu(net.norm(x)))
        own = getattr(net, part)
        if before:
            own.register_forward_pre_hook(lambda _, given: (given[0] * 2,))
        else:
            own.register_forward_hook(lambda _, __, given: given * 2)
        return net

    return make


for _part in ("conv", "norm", "last", "mix"):
    EQUAL[f"hook on {_part}"] = hooked(_part)
    EQUAL[f"pre-hook on {_part}"] = hooked(_part, before=True)


def reweighted(part: str, change: Callable[[nn.Module], Any]) -> Callable[[], nn.Module]:
    """A network where a part's weight is computed from others."""

    def make() -> nn.Module:
        net = Around(lambda net, x: net.relu(net.norm(x)))
        change(getattr(net, part))
        return net

    return make


EQUAL["old weight norm of conv"] = reweighted("conv", torch.nn.utils.weight_norm)
EQUAL["spectral norm of linear"] = reweighted("last", parametrizations.spectral_norm)
EQUAL["spectral norm of conv"] = reweighted("conv", parametrizations.spectral_norm)
EQUAL["weight norm of conv"] = reweighted("conv", parametrizations.weight_norm)
EQUAL["old spectral norm of linear"] = reweighted("last", torch.nn.utils.spectral_norm)
EQUAL["old spectral norm of conv before norm"] = reweighted("conv", torch.nn.utils.spectral_norm)
EQUAL["pruned conv before norm"] = reweighted("conv", lambda part: prune.random_unstructured(part, "weight", 0.5))
EQUAL["pruned linear"] = reweighted("last", lambda part: prune.random_unstructured(part, "weight", 0.5))


# Branches on types.


@equal("branch on is_tensor")
def _is_tensor(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.relu(x) if torch.is_tensor(x) else net.norm(x)


@equal("branch on isinstance")
def _isinstance(net: Around, x: torch.Tensor) -> torch.Tensor:
    if isinstance(x, (list, tuple)):
        return net.norm(x[0])
    return net.relu(x) if isinstance(x, torch.Tensor) else net.norm(x)


@refused("branch on type", r"awkward_networks.py:\d+: `.*` of Around: what \"(norm|mix)\" reads")
def _type(net: Around, x: torch.Tensor) -> torch.Tensor:
    x = x * 2 if type(x) is torch.Tensor else x
    return net.norm(x)


@refused("try and except", r"what \"norm\" reads .*, from \"neg\" in .*awkward_networks.py:\d+: `x = -x` on")
def _try(net: Around, x: torch.Tensor) -> torch.Tensor:
    try:
        x = x * (2 if x.sum() > 0 else 1)
    except Exception:
        x = -x
    return net.norm(x)


@refused("a call that is left out", r"Around: the module itself calls \"norm\" once more|what \"mix\" reads")
def _left_out(net: Around, x: torch.Tensor) -> torch.Tensor:
    x = net.norm(x)
    return net.norm(x) if type(x) is torch.Tensor else x


# Names.


class NamedLikeAnother(Around):
    def __init__(self) -> None:
        super().__init__(lambda net, x: net.relu_1(net.relu(net.relu(x))))
        self.relu_1 = nn.ReLU()


class NamedLikeTheInput(Around):
    def __init__(self) -> None:
        super().__init__(lambda net, x: net.relu(net.data(x)))
        self.data = nn.Conv2d(4, 4, 1)


class NamedLikeAnOperation(Around):
    def __init__(self) -> None:
        super().__init__(lambda net, x: net.relu(net.add_1((x + 1) + x)))
        self.add_1 = nn.Conv2d(4, 4, 1)


EQUAL["module called like a second use"] = NamedLikeAnother
EQUAL["module called data"] = NamedLikeTheInput
EQUAL["module called add_1"] = NamedLikeAnOperation


# The batch in another place.


@equal("tokens first", Whole)
def _tokens_first(net: Around, x: torch.Tensor) -> torch.Tensor:
    x = x.flatten(2).permute(2, 0, 1)
    x = net.linear(F.relu(net.linear(x)))
    return net.last(x.permute(1, 0, 2).mean(1))


@equal("windows in the batch", Whole)
def _windows(net: Around, x: torch.Tensor) -> torch.Tensor:
    n = x.shape[0]
    x = x.reshape(n, 4, 2, 6, 2, 6).permute(0, 2, 4, 3, 5, 1).reshape(n * 4, 36, 4)
    x = F.relu(net.linear(x))
    return net.last(x.reshape(n, 4, 36, 4).mean((1, 2)))


@equal("channel shuffle")
def _shuffle(net: Around, x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    return net.relu(x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w))


@equal("squeeze of everything", Whole)
def _squeeze(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.last(torch.squeeze(F.adaptive_avg_pool2d(net.relu(x), 1)))


@equal("squeeze as a method", Whole)
def _squeeze_method(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.last(F.adaptive_avg_pool2d(net.relu(x), 1).squeeze())


@equal("one picture at a time", Whole)
def _alone(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.last(net.relu(x).mean((2, 3)).view(1, -1))


@equal("flattened with the batch", Whole)
def _flat(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.last(net.relu(x).mean((2, 3)).flatten())


@equal("mixes the batch")
def _mixes(net: Around, x: torch.Tensor) -> torch.Tensor:
    return net.relu(x - x.mean((0, 2, 3), keepdim=True))


def without_running_statistics() -> nn.Module:
    """A BatchNorm that takes the batch's own statistics in evaluation mode too."""
    net = Around(lambda net, x: net.relu(net.norm(x)))
    net.norm = nn.BatchNorm2d(4, track_running_stats=False)
    return net


EQUAL["batch norm without running statistics"] = without_running_statistics


# Outputs that are no single tensor.


@equal("a dict of outputs", Whole)
def _dict(net: Around, x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"features": x, "out": net.last(net.mix(net.relu(x)).mean((2, 3)))}


@equal("a tuple of outputs", Whole)
def _tuple(net: Around, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return net.last(net.relu(x).mean((2, 3))), x


class Outputs(NamedTuple):
    logits: torch.Tensor
    more: torch.Tensor | None


@equal("a named tuple of outputs", Whole)
def _named_tuple(net: Around, x: torch.Tensor) -> Outputs:
    return Outputs(net.last(net.relu(x).mean((2, 3))), None)


@equal("a dense block's list")
def _dense(net: Around, x: torch.Tensor) -> torch.Tensor:
    parts = [x]
    for _ in range(2):
        parts.append(net.mix(net.relu(parts[-1])))
    return sum(parts[1:], parts[0])


@equal("attention with tokens first", Whole)
def _attention(net: Around, x: torch.Tensor) -> torch.Tensor:
    tokens = x.flatten(2).permute(2, 0, 1)
    net_out = net.attention(tokens, tokens, tokens, need_weights=False)[0]
    return net.last(F.relu(net_out).mean(0))


def attending() -> nn.Module:
    """nn.MultiheadAttention as it is by default."""
    net = Whole(_attention)
    net.attention = nn.MultiheadAttention(4, 2)
    return net


EQUAL["attention with tokens first"] = attending
