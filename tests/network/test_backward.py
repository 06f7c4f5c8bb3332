"""Backward passes against finite differences and against plain NumPy, for every mode and every rectifier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import Branching, Classic, Residual, opened
from tests.network.numpy_classic import NumpyClassic

MODES = ("grad", "deconv", "guided")


def image(seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("origin", ["fc", "relu2"])
@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_layer_gets_what_a_numpy_version_computes(mode: str, origin: str, passes: bool) -> None:
    torch.manual_seed(1)
    module = Classic()
    network = opened(module, passes_lrn=passes)
    reference = NumpyClassic(module, image()[0].numpy())
    places = ["data", "conv1", "relu1", "pool1", "norm1", "relu2"]
    diff = torch.randn(1, *network.layers[origin].shape, generator=torch.Generator().manual_seed(2))
    found = network.backward(image(), origin, diff, mode, at=places)  # type: ignore[arg-type]
    wanted = reference.down(origin, diff[0].numpy(), mode, passes)
    for place in places:
        largest = np.abs(wanted[place]).max()
        assert np.abs(found[place][0].numpy() - wanted[place]).max() <= 1e-5 * largest, place
    with torch.no_grad():
        np.testing.assert_allclose(network.forward(image(), ["fc"])["fc"][0], reference.fc, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("net", "origin"), [(Classic, "fc"), (Residual, "fc"), (Branching, "avg_pool2d")])
def test_plain_backprop_is_the_slope_that_finite_differences_give(net: type[nn.Module], origin: str) -> None:
    torch.manual_seed(3)
    module = net().eval()
    network = opened(module)
    diff = torch.randn(1, *network.layers[origin].shape)
    gradient = network.backward(image(), origin, diff)["data"].double()
    last = image().double()
    direction = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(4)).double()
    head = _until(module.double(), origin)
    step = 1e-6
    with torch.no_grad():
        slope = ((head(last + step * direction) - head(last - step * direction)) * diff.double()).sum() / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-3, atol=1e-5)


def _until(module: nn.Module, origin: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The module's own forward pass as far as its logits: without the softmax, where it ends with one."""
    if origin == "fc" and isinstance(module, Classic):
        module.prob = nn.Identity()
    return module


RECTIFIERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "silu": F.silu,
    "gelu": F.gelu,
    "hardswish": F.hardswish,
}
OTHERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "prelu": lambda x: F.prelu(x, torch.tensor([0.25])),
    "elu": F.elu,
    "hardsigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
MODULES: dict[str, Callable[[bool], nn.Module]] = {
    "relu": lambda inplace: nn.ReLU(inplace),
    "relu6": lambda inplace: nn.ReLU6(inplace),
    "leaky_relu": lambda inplace: nn.LeakyReLU(0.2, inplace),
    "silu": lambda inplace: nn.SiLU(inplace),
    "gelu": lambda _: nn.GELU(),
    "hardswish": lambda inplace: nn.Hardswish(inplace),
    "prelu": lambda _: nn.PReLU(),
    "elu": lambda inplace: nn.ELU(inplace=inplace),
    "hardsigmoid": lambda inplace: nn.Hardsigmoid(inplace),
    "sigmoid": lambda _: nn.Sigmoid(),
    "tanh": lambda _: nn.Tanh(),
}


class Sandwich(nn.Module):
    """conv, activation, conv: as a module or a functional call, in place or not, the same one used twice."""

    def __init__(self, kind: str, how: str) -> None:
        super().__init__()
        self.below = nn.Conv2d(3, 6, 3)
        self.above = nn.Conv2d(6, 6, 3)
        self.last = nn.Conv2d(6, 4, 1)
        self.activation = MODULES[kind](how == "in-place module")
        self.kind, self.how = kind, how

    def act(self, x: torch.Tensor) -> torch.Tensor:
        if self.how != "function":
            return self.activation(x)
        return self.activation(x) if self.kind == "prelu" else (RECTIFIERS | OTHERS)[self.kind](x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.act(self.above(self.act(self.below(x)))))


@pytest.mark.parametrize("how", ["function", "module", "in-place module"])
@pytest.mark.parametrize("kind", [*RECTIFIERS, *OTHERS])
@pytest.mark.parametrize("mode", MODES)
def test_each_activation_obeys_its_rule_at_every_use(mode: str, kind: str, how: str) -> None:
    torch.manual_seed(5)
    module = Sandwich(kind, how).eval()
    for part in (module.below, module.above):  # spread the values, so that ReLU6 saturates somewhere
        nn.init.normal_(part.weight, 0, 1.0)
    network = opened(module, (12, 12))
    x, diff = image(size=12), torch.randn(1, 4, 8, 8)

    def rule(signal: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        if kind in RECTIFIERS and mode == "deconv":
            return signal.clamp_min(0)
        value = (RECTIFIERS | OTHERS)[kind](below)
        if kind in RECTIFIERS and mode == "guided":
            return torch.where((value > 0) & (signal > 0), signal, 0.0)
        below = below.detach().requires_grad_()
        return torch.autograd.grad((RECTIFIERS | OTHERS)[kind](below), below, signal)[0]

    acts = network.forward(x, ["below", "above"])
    down = F.conv_transpose2d(diff, module.last.weight.detach())
    at_above = rule(down, acts["above"].clone())
    at_below = rule(F.conv_transpose2d(at_above, module.above.weight.detach()), acts["below"].clone())
    wanted = F.conv_transpose2d(at_below, module.below.weight.detach())
    found = network.backward(x, "last", diff, mode, at=["data", "above", "below"])  # type: ignore[arg-type]
    torch.testing.assert_close(found["above"], at_above, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["below"], at_below, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found["data"], wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", RECTIFIERS)
@pytest.mark.parametrize("mode", MODES)
def test_a_pass_that_starts_at_a_rectified_layer_starts_below_it(mode: str, kind: str) -> None:
    torch.manual_seed(6)
    network = opened(Sandwich(kind, "in-place module"), (12, 12))
    diff = torch.randn(1, 6, 10, 10)
    starts = [network.backward(image(size=12), name, diff, mode)["data"] for name in ("below", "activation")]  # type: ignore[arg-type]
    assert torch.equal(*starts)
    assert starts[0].abs().max() > 0


def test_a_unit_whose_relu_is_off_still_has_a_gradient_to_climb() -> None:
    network = opened(Classic())
    off = (network.forward(image(), ["relu2"])["relu2"][0] == 0).nonzero()[0]
    diff = torch.zeros(1, *network.layers["relu2"].shape)
    diff[0, off[0], off[1], off[2]] = 1
    for mode in MODES:
        assert network.backward(image(), "relu2", diff, mode)["data"].abs().max() > 0  # type: ignore[arg-type]


def test_layers_above_the_origin_get_zeros_and_the_origin_its_own_diff() -> None:
    network = opened(Residual())
    diff = torch.randn(1, *network.layers["conv1"].shape)
    found = network.backward(image(), "conv1", diff, "deconv", at=["conv1", "norm2", "fc", "stem_norm"])
    assert torch.equal(found["conv1"], diff)
    for above in ("norm2", "fc"):
        assert found[above].shape == (1, *network.layers[above].shape)
        assert not found[above].any()
    assert found["stem_norm"].any()


def test_a_module_used_three_times_keeps_its_uses_apart() -> None:
    network = opened(Residual())
    relus = [name for name in network.layers if name.startswith("relu")]
    assert relus == ["relu", "relu_1", "relu_2"]
    values = network.forward(image(), relus)
    assert not torch.equal(values["relu"], values["relu_1"])
    diff = torch.randn(1, 8, 16, 16)
    arrived = network.backward(image(), "relu_2", diff, "grad", at=["relu", "relu_1", "relu_2"])
    assert torch.equal(arrived["relu_2"], diff)
    assert not torch.equal(arrived["relu"], arrived["relu_1"])


def test_a_signal_that_comes_by_two_ways_is_added_before_it_is_rectified() -> None:
    torch.manual_seed(8)
    module = Residual().eval()
    network = opened(module)
    diff = torch.randn(1, 8, 16, 16)
    at = network.backward(image(), "add", diff, "deconv", at=["stem_norm", "relu_1"])
    by_block = F.conv_transpose2d(
        at["relu_1"] * (module.norm1.weight / (module.norm1.running_var + 1e-5).sqrt()).detach().view(1, -1, 1, 1),
        module.conv1.weight.detach(),
        padding=1,
    )
    torch.testing.assert_close(at["stem_norm"], (by_block + diff).clamp_min(0), rtol=1e-4, atol=1e-5)


class Overwriting(nn.Module):
    """Reads a tensor again after an in-place rectifier has changed it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        y = self.last(self.relu(x))
        y = y.mul_(2).add_(x)
        return torch.relu_(y) + y


def test_in_place_operations_mean_what_they_meant_in_the_module() -> None:
    module = Overwriting().eval()
    network = opened(module)
    last = next(reversed(network.layers))
    x = image()
    with torch.no_grad():
        wanted = module(x.clone())
    torch.testing.assert_close(network.forward(x, [last])[last], wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network.record(x).activations([last])[last], wanted, rtol=1e-5, atol=1e-5)
    assert (network.forward(x, ["conv"])["conv"] < 0).any()


class HidesRectifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 8, stride=8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.conv(x).flatten(2).transpose(1, 2)).mean(1)


def test_deconv_through_a_module_that_hides_its_rectifier_is_refused_not_guessed() -> None:
    network = opened(HidesRectifier())
    diff = torch.ones(1, 8)
    assert network.backward(image(), "mean", diff)["data"].any()
    with pytest.raises(ToolboxError, match="encoder, which hides a rectifier"):
        network.backward(image(), "mean", diff, "deconv")
