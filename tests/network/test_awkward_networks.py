"""Every network of `awkward_networks` computes in every verb what plain torch computes, or is refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import _pytree

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network import awkward_operations, awkward_wrappings
from tests.network.awkward_networks import EQUAL, REFUSED, SIZE

assert awkward_operations.EQUAL is awkward_wrappings.EQUAL is EQUAL  # both have entered theirs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

RECTIFYING = (
    "ReluBackward", "HardtanhBackward", "ThresholdBackward", "LeakyReluBackward", "RreluWithNoiseBackward",
    "ClampBackward", "ClampMinBackward", "MaximumBackward", "WhereBackward",
)  # fmt: skip
"""What autograd calls the rectifiers that are one operation."""


def made(idiom: str) -> nn.Module:
    torch.manual_seed(5)
    return EQUAL[idiom]().eval()


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def output(module: nn.Module, x: torch.Tensor, idiom: str) -> torch.Tensor:
    """The module's first output for each picture, run as it can be run."""
    alone = idiom in ("one picture at a time", "flattened with the batch", "mixes the batch") or "running" in idiom
    parts = [module(part) for part in (x.split(1) if alone else (x,))]
    tensors = [
        min((leaf for leaf in _pytree.tree_leaves(part) if torch.is_tensor(leaf)), key=torch.Tensor.dim)
        for part in parts
    ]
    return torch.cat([tensor.reshape(-1, 5) for tensor in tensors])


@pytest.mark.parametrize("idiom", EQUAL)
def test_an_opened_network_has_the_modules_values_and_gradients(idiom: str) -> None:
    module = made(idiom)
    network = opened(module, SIZE)
    last, x = network.label_layers[-1], images()
    with torch.no_grad():
        wanted = output(module, x.clone(), idiom)
    torch.testing.assert_close(network.forward(x, [last])[last], wanted, rtol=1e-4, atol=1e-5)
    seen: dict[str, torch.Tensor] = {}
    network.visit(x, [last], lambda name, value, _: seen.update({name: value.clone()}))
    torch.testing.assert_close(seen[last], wanted, rtol=1e-4, atol=1e-5)
    recording = network.record(x)
    torch.testing.assert_close(recording.activations([last])[last], wanted, rtol=1e-4, atol=1e-5)
    leaf, diff = x.clone().requires_grad_(), torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(output(module, leaf * 1, idiom), leaf, diff)
    torch.testing.assert_close(recording.backward(last, diff)["data"], gradient, rtol=1e-3, atol=1e-5)


def functions_below(tensor: torch.Tensor) -> Iterator[Any]:
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        function = waiting.pop()
        if function is not None and function not in seen:
            seen.add(function)
            yield function
            waiting.extend(below for below, _ in function.next_functions)


def deconv_by_hand(module: nn.Module, x: torch.Tensor, diff: torch.Tensor, idiom: str) -> torch.Tensor:
    """Autograd's own pass through the module, where what passes a rectifier is max(signal, 0)."""
    leaf = x.clone().requires_grad_()
    given = output(module, leaf * 1, idiom)
    for function in functions_below(given):
        if type(function).__name__.startswith(RECTIFYING):
            function.register_hook(
                lambda below, above: tuple(None if own is None else above[0].clamp_min(0) for own in below)
            )
    return torch.autograd.grad(given, leaf, diff)[0]


SEVERAL_OPERATIONS = (
    "masked_fill",
    "minus the",
    "times its sign",
    "half of",
    "by hand",
    "quick gelu",
    "where with a slope",
)


@pytest.mark.parametrize("idiom", EQUAL)
def test_deconv_is_the_rule_by_hand_on_the_modules_own_pass(idiom: str) -> None:
    if any(words in idiom for words in SEVERAL_OPERATIONS):
        pytest.skip("autograd has no one operation to put the rule on; see the test of single rectifiers")
    module = made(idiom)
    network = opened(module, SIZE)
    x, diff = images(), torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    wanted = deconv_by_hand(module, x, diff, idiom)
    found = network.backward(x, network.label_layers[-1], diff, "deconv")["data"]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("idiom", [idiom for idiom in EQUAL if idiom.startswith("rectifier")])
@pytest.mark.parametrize("mode", ["deconv", "guided"])
def test_a_rectifier_is_known_by_what_it_computes(mode: str, idiom: str) -> None:
    module = made(idiom)
    network = opened(module, SIZE)
    x, diff = images(), torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    (rectified,) = [layer.name for layer in network.layers.values() if layer.rectifier]
    origin = network.label_layers[-1]
    found = network.backward(x, origin, diff, mode, at=[rectified, "conv"])  # type: ignore[arg-type]
    above = network.backward(x, origin, diff, "grad", at=["mix"])["mix"]
    signal = torch.nn.functional.conv_transpose2d(above, module.mix.weight.detach()).clamp_min(0)
    if mode == "guided":
        signal = signal * (network.forward(x, [rectified])[rectified] > 0)
    torch.testing.assert_close(found[rectified], signal, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["conv"], signal, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("idiom", REFUSED)
def test_what_cannot_be_opened_is_refused_with_the_sentence_that_helps(idiom: str) -> None:
    make, told = REFUSED[idiom]
    with pytest.raises(ToolboxError, match=told) as caught:
        opened(make().eval(), SIZE, "fx")
    assert "\n" not in str(caught.value)
