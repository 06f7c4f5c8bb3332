"""What stands for a slow module, against the module."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from deepvis_toolbox.network.execution import quickened


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    [
        (11, 4, 0, (227, 227)),
        (7, 2, 3, (40, 51)),
        (3, 2, 1, (32, 33)),
        (2, 3, 0, (20, 22)),
        ((5, 3), 2, (2, 0), (19, 18)),
    ],
)
def test_a_first_convolution_has_pytorchs_values_and_gradient(
    kernel: int, stride: int, padding: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    own = nn.Conv2d(3, 8, kernel, stride, padding).double().requires_grad_(False)
    quick = quickened(own)
    assert quick is not own
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = own(x)
    torch.testing.assert_close(quick(x), expected)
    signal = torch.randn_like(expected)
    torch.testing.assert_close(torch.autograd.grad(quick(x), x, signal), torch.autograd.grad(expected, x, signal))


@pytest.mark.parametrize("shape", [(9216, 4096), (1280, 1000), (7, 5), (3, 1)])
@pytest.mark.parametrize("lead", [(1,), (9,), (0,), (2, 3)], ids=str)
def test_a_linear_layer_has_pytorchs_values_and_gradient(shape: tuple[int, int], lead: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    own = nn.Linear(*shape, bias=shape[0] != 7).requires_grad_(False)
    quick = quickened(own)
    assert quick is not own
    x = torch.randn(*lead, shape[0], requires_grad=True)
    exact = copy.deepcopy(own).double()
    signal = torch.randn(*lead, shape[1])
    expected = exact(x.double())
    for result in (quick(x), quick(x.detach())):
        torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=1e-5)
    for arriving in (signal, signal * (torch.rand_like(signal) < 0.1), torch.zeros_like(signal)):
        gradient = torch.autograd.grad(quick(x), x, arriving)[0]
        expected_gradient = torch.autograd.grad(expected, x, arriving.double(), retain_graph=True)[0]
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(3, 8, 3),
        nn.Conv2d(16, 8, 3, 2),
        nn.Conv2d(4, 8, 3, 2, groups=2),
        nn.Conv2d(3, 8, 3, 2),
        nn.ReLU(),
        nn.Linear(3, 2),
    ],
    ids=["stride one", "many channels", "groups", "weights that are trained", "another module", "trained linear"],
)
def test_other_modules_are_left_alone(module: nn.Module) -> None:
    assert quickened(module) is module
