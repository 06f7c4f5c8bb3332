"""A graph computes what the user's module does, in-place operations and all, or the user's line is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.network.tracing import trace
from tests.nets import opened


class Activation(nn.Module):
    """A user's own, which torch.fx looks into."""

    def __init__(self) -> None:
        super().__init__()
        self.inplace = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x, inplace=self.inplace)


class Overwrites(nn.Module):
    """Two convolutions with something between them that may overwrite what the first gave."""

    def __init__(self, between: Callable[[Overwrites, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.last = nn.Conv2d(4, 4, 1)
        self.own, self.relu = Activation(), nn.ReLU(inplace=True)
        self.drop, self.same = nn.Dropout(), nn.Identity()
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.between(self, self.conv(x))


def own_activation(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    y = net.own(x)
    return net.last(y) + x


def activation_twice(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    return net.last(net.relu(net.last(net.relu(x)))) + x


def augmented(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    kept = x
    x += 1
    x *= 0.5
    return net.last(x) + kept


def augmented_numbers(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    height = x.shape[2]
    more = height
    more += 2
    return net.last(x) * height + more


def method(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    x.clamp_(min=0, max=0.5).mul_(2)
    return net.last(x)


def through_a_view(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    x = x.flatten(2).transpose(1, 2).relu_()
    return net.last(x.transpose(1, 2).unflatten(2, (10, 10)))


@pytest.mark.parametrize(
    "between", [own_activation, activation_twice, augmented, augmented_numbers, method, through_a_view]
)
def test_the_graph_computes_what_the_module_does(between: Callable[[Overwrites, torch.Tensor], torch.Tensor]) -> None:
    torch.manual_seed(0)
    module = Overwrites(between).eval().requires_grad_(False)
    network = opened(module, (12, 12))
    last = next(reversed(network.layers))
    x = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        wanted = module(x.clone())
    torch.testing.assert_close(network.forward(x, [last])[last], wanted, rtol=1e-4, atol=1e-5)
    recording = network.record(x)
    torch.testing.assert_close(recording.activations([last])[last], wanted, rtol=1e-4, atol=1e-5)
    assert (recording.activations(["conv"])["conv"] < 0).any()
    image = x.clone().requires_grad_()
    diff = torch.randn_like(wanted)
    (gradient,) = torch.autograd.grad(module(image * 1), image, diff)
    torch.testing.assert_close(recording.backward(last, diff)["data"], gradient, rtol=1e-4, atol=1e-4)


def part(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    x[:, 1:3].relu_()
    return net.last(x)


def view(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    flat = x.view(x.size(0), -1)
    F.relu(flat, inplace=True)
    return net.last(x)


def chunk(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    first = x.chunk(2, 1)[0]
    net.relu(first)
    return net.last(x)


def view_read_later(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    flat = x.flatten(2)
    x += 1
    return net.last(x).flatten(2) + flat


def dropout_of(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    same = net.same(net.drop(x))
    net.relu(same)
    return net.last(x)


@pytest.mark.parametrize("between", [part, view, chunk, view_read_later, dropout_of])
def test_overwriting_what_another_view_reads_later_is_refused_with_both_lines(
    between: Callable[[Overwrites, torch.Tensor], torch.Tensor],
) -> None:
    lines, first = inspect.getsourcelines(between)
    with pytest.raises(ToolboxError) as caught:
        trace(Overwrites(between), (3, 12, 12), "fx")
    message = str(caught.value)
    assert f"test_in_place.py:{first + len(lines) - 2}: `{lines[-2].strip()}`" in message
    assert f"`{lines[-1].strip()}` (line {first + len(lines) - 1})" in message


def zeros(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    y = net.last(x)
    return y + x.zero_()


def into(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    y = net.last(x)
    return torch.add(x, y, out=x)


def assigned(net: Overwrites, x: torch.Tensor) -> torch.Tensor:
    y = net.last(x)
    y[:, 0] = 1
    return y


@pytest.mark.parametrize(
    ("between", "advice"),
    [
        (zeros, "zero_ has no other form; compute a new tensor"),
        (into, "leave `out` away"),
        (assigned, "make a new one with torch.cat"),
    ],
)
def test_overwriting_that_has_no_other_form_is_refused_with_its_line(
    between: Callable[[Overwrites, torch.Tensor], torch.Tensor], advice: str
) -> None:
    lines, first = inspect.getsourcelines(between)
    with pytest.raises(ToolboxError) as caught:
        trace(Overwrites(between), (3, 12, 12), "fx")
    assert f"test_in_place.py:{first + 2}:" in str(caught.value)
    assert f"`{lines[2].strip()}`" in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize("between", [part, zeros, assigned])
def test_what_is_written_into_a_part_of_a_tensor_is_followed_by_export(
    between: Callable[[Overwrites, torch.Tensor], torch.Tensor],
) -> None:
    module = Overwrites(between).eval()
    network, x = opened(module, (12, 12)), torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        wanted = module(x.clone())
    last = list(network.layers)[-1]
    torch.testing.assert_close(network.forward(x, [last])[last], wanted, rtol=1e-4, atol=1e-5)


def test_the_users_own_module_keeps_its_in_place_flags() -> None:
    module = Overwrites(own_activation)
    trace(module, (3, 12, 12))
    assert module.own.inplace
    assert module.relu.inplace
