"""The quick gradient of a first convolution against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepvis_toolbox.network.first_convolution import with_quick_gradient


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
def test_values_and_gradient_are_pytorchs(kernel: int, stride: int, padding: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    own = nn.Conv2d(3, 8, kernel, stride, padding).double().requires_grad_(False)
    quick = with_quick_gradient(own)
    assert quick is not own
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = own(x)
    torch.testing.assert_close(quick(x), expected)
    signal = torch.randn_like(expected)
    torch.testing.assert_close(torch.autograd.grad(quick(x), x, signal), torch.autograd.grad(expected, x, signal))


@pytest.mark.parametrize(
    "module",
    [nn.Conv2d(3, 8, 3), nn.Conv2d(16, 8, 3, 2), nn.Conv2d(4, 8, 3, 2, groups=2), nn.Conv2d(3, 8, 3, 2), nn.ReLU()],
    ids=["stride one", "many channels", "groups", "weights that are trained", "another module"],
)
def test_other_modules_are_left_alone(module: nn.Module) -> None:
    assert with_quick_gradient(module) is module
