"""What a GPU computes is what the CPU computes; skipped where there is none."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, Unit, load_network, preferred_images
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from deepvis_toolbox.words.backward import BACKWARD_MODES
from tests.nets import Branching, Classic, Residual

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
Pair = tuple[Network, Network]


def on_both(module: nn.Module) -> Pair:
    def opened(device: str) -> TorchNetwork:
        description = ModelDescription(type(module).__name__, Preprocessing((32, 32)))
        return TorchNetwork(trace(copy.deepcopy(module), (3, 32, 32)), description, torch.device(device))

    torch.manual_seed(1)
    return opened("cpu"), opened("cuda")


NETWORKS: dict[str, Callable[[], Pair]] = {
    "default": lambda: (load_network(device="cpu"), load_network(device="cuda")),
    "classic": lambda: on_both(Classic()),
    "residual": lambda: on_both(Residual()),
    "branching": lambda: on_both(Branching()),
}


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request: pytest.FixtureRequest) -> Pair:
    torch.manual_seed(0)
    return NETWORKS[request.param]()


def images(network: Network, count: int = 2) -> torch.Tensor:
    return torch.randn(count, *network.input_shape, generator=torch.Generator().manual_seed(3))


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The norm of the difference, relative to the norm: a near tie that falls the other way moves few values."""
    return float((found.cpu() - wanted).norm() / wanted.norm().clamp_min(1e-12))


def test_every_layer_is_the_same(pair: Pair) -> None:
    on_cpu, on_gpu = pair
    x, names = images(on_cpu), list(on_cpu.layers)
    wanted, found = on_cpu.forward(x, names), on_gpu.forward(x, names)
    assert all(value.device.type == "cuda" for value in found.values())
    errors = {name: relative_error(found[name], wanted[name]) for name in names}
    assert max(errors.values()) < 1e-5, max(errors, key=errors.__getitem__)


@pytest.mark.parametrize("mode", BACKWARD_MODES)
def test_every_mode_is_the_same_from_every_layer(pair: Pair, mode: str) -> None:
    on_cpu, on_gpu = pair
    x = images(on_cpu)
    ours, theirs = on_gpu.record(x.cuda()), on_cpu.record(x)
    errors = {}
    for name in on_cpu.layers:
        diff = theirs.activations([name])[name]
        arrived = theirs.backward(name, diff, mode)[on_cpu.input_name]
        errors[name] = relative_error(ours.backward(name, diff.cuda(), mode)[on_gpu.input_name], arrived)
    assert max(errors.values()) < 1e-2, max(errors, key=errors.__getitem__)
    assert np.median(list(errors.values())) < 1e-4


def test_precision_is_the_users_again_afterwards_also_after_an_exception() -> None:
    kinds = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [kind.fp32_precision for kind in kinds]
    network = load_network(device="cuda")
    network.backward(images(network), "fc", torch.ones(2, 1000, device="cuda"))
    assert [kind.fp32_precision for kind in kinds] == before
    with pytest.raises(ToolboxError), full_precision(torch.device("cuda")):
        network.forward(images(network), ["no such layer"])
    assert [kind.fp32_precision for kind in kinds] == before


@pytest.mark.parametrize("unit", [Unit("stem", 3), Unit("block5.expand", 7), Unit("fc", 9), Unit("head", 5, "mean")])
def test_an_ascent_takes_the_same_steps(unit: Unit) -> None:
    settings = {"decay": 0.01, "blur_radius": 0.7, "blur_every": 1, "small_norm_percentile": 15.0,
                "px_abs_benefit_percentile": 20.0, "lr_policy": "progress",
                "lr_params": {"max_lr": 1e8, "desired_prog": 1.0}}  # fmt: skip
    on_cpu, on_gpu = NETWORKS["default"]()
    (start,) = preferred_images(on_cpu, [unit], [0], AscentSettings(max_iter=6, **settings))
    one_step = AscentSettings(max_iter=2, start_at=start.last, **settings)
    (wanted,) = preferred_images(on_cpu, [unit], [0], one_step)
    (found,) = preferred_images(on_gpu, [unit], [0], one_step)
    np.testing.assert_allclose(found.objective[:1], wanted.objective[:1], rtol=1e-4, atol=1e-5)
    off = np.abs(found.last - wanted.last) > 1e-3 * np.abs(wanted.last - start.last).max()
    assert off.mean() < 0.005


@pytest.mark.parametrize("parametrization", ["pixels", "fourier", "fourier-decorrelated"])
def test_everything_beyond_the_paper_runs_there_too(parametrization: str) -> None:
    settings = AscentSettings(max_iter=4, parametrization=parametrization, robust=0.5, tv=0.01)
    (found,) = preferred_images(load_network(device="cuda"), [Unit("block3", 2)], [0], settings)
    assert np.isfinite(found.last).all()
    assert found.objective.shape == (4,)
