"""Holds an opened network against its module in plain torch: every layer that is a module's, gradients, ascent."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils import _pytree

from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import opened

SIZE = (16, 16)


def images(count: int = 2, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def plain(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the module's own parts give for images, the last time that they are called."""
    found: dict[str, torch.Tensor] = {}

    def listen(path: str, part: nn.Module) -> Any:
        def keep(_: nn.Module, __: Any, given: Any) -> None:
            if isinstance(given, torch.Tensor):
                found[path] = given.detach().clone()  # what comes next may overwrite it

        return part.register_forward_hook(keep)

    hooks = [listen(path, part) for path, part in module.named_modules()]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return found


def hold_against(module: nn.Module, size: tuple[int, int] = SIZE) -> TorchNetwork:
    """Open the module, whose output is its last layer. In batches of 1, 2 and 3 the network must give what the module
    gives: values, gradients at the image, and one unit's value and gradient in an ascent."""
    network = opened(module, size)
    last = list(network.layers)[-1]
    for count in (1, 2, 3):
        x = images(count, size)
        leaf = x.clone().requires_grad_()
        own = plain(module, x.clone())
        output = next(leaf for leaf in _pytree.tree_leaves(module(leaf * 1)) if isinstance(leaf, torch.Tensor))
        given = network.forward(x, list(network.layers))
        torch.testing.assert_close(given[last], output.detach(), rtol=1e-4, atol=1e-5)
        for layer in set(own) & set(given):
            torch.testing.assert_close(given[layer], own[layer], rtol=1e-4, atol=1e-5)
        diff = torch.randn(output.shape, generator=torch.Generator().manual_seed(count))
        (wanted,) = torch.autograd.grad(output, leaf, diff, retain_graph=True)
        torch.testing.assert_close(network.backward(x, last, diff)["data"], wanted, rtol=1e-3, atol=1e-5)
        _hold_ascent_against(network, last, leaf, output)
    return network


def _hold_ascent_against(network: TorchNetwork, last: str, leaf: torch.Tensor, output: torch.Tensor) -> None:
    layer = network.layers[last]
    for place in {layer.centre, (0, 0)} if layer.is_spatial else {None}:
        at = (slice(None), 0, *(place or (0,) * (output.ndim - 2)))
        (wanted,) = torch.autograd.grad(output[at].sum(), leaf, retain_graph=True)
        found = network.ascent_pass(last, place)(leaf.detach(), torch.zeros(len(leaf), dtype=torch.int64))
        torch.testing.assert_close(found.below[:, 0], output[at].detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.gradient, wanted, rtol=1e-3, atol=1e-5)
