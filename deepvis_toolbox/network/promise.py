"""What a user's module itself gives for noise, to hold the graph that is made of it against."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree

SEED = 0
"""Of the noise, and of whatever a module draws at random while it is compared."""


@dataclass(frozen=True)
class Promise:
    """A module's own answer to a batch of noise. `module` is the one that the graph is made of."""

    module: nn.Module
    overwriting: frozenset[str]
    """The paths of its parts that work in place, until the graph takes that from them."""
    images: torch.Tensor
    """Two images; one where the module cannot take two at a time."""
    outputs: tuple[torch.Tensor, ...]
    is_stochastic: bool
    """Whether the module draws random numbers, in evaluation mode too."""

    @property
    def takes_one_at_a_time(self) -> bool:
        """Whether the module runs on one image and fails on two."""
        return len(self.images) == 1


def noise(count: int, input_shape: tuple[int, ...]) -> torch.Tensor:
    """Return images of standard normal values, float32 (count, C, H, W), always the same ones."""
    return torch.randn(count, *input_shape, generator=torch.Generator().manual_seed(SEED))


def promise_of(module: nn.Module, input_shape: tuple[int, int, int]) -> Promise | None:
    """Return the module's answer; None where it does not run on such images, which its graph is then refused for.

    The module's buffers, attributes and lists, and the state of the random numbers, are left as they are.
    """
    overwriting = frozenset(path for path, part in module.named_modules() if getattr(part, "inplace", False))
    for count in (2, 1):
        images = noise(count, input_shape)
        with state_kept(module), same_random_numbers(), torch.no_grad():
            before = torch.get_rng_state()
            try:
                outputs = tensors_in(module(images.clone()))
            except Exception:
                continue
            drawn = not torch.equal(before, torch.get_rng_state())
        return Promise(module, overwriting, images, outputs, drawn)
    return None


@contextmanager
def state_kept(module: nn.Module) -> Iterator[None]:
    """Leave what a module keeps of a call (attributes, buffers, entries of lists and dicts) as it was before."""
    parts = list(module.modules())
    attributes = [dict(vars(part)) for part in parts]
    containers = [
        (value, value.copy())
        for kept in attributes
        for value in kept.values()
        if isinstance(value, (list, dict, set)) and value is not module.__dict__
    ]
    buffers = [(buffer, buffer._version, buffer.clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        for part, kept in zip(parts, attributes, strict=True):
            vars(part).clear()
            vars(part).update(kept)
        for value, entries in containers:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(entries)
        for buffer, version, before in buffers:
            if buffer._version != version:
                buffer.copy_(before)


def with_same_parameters(module: nn.Module) -> nn.Module:
    """Return a copy with a state of its own, but for the parameters, which take no more memory."""
    return copy.deepcopy(module, {id(parameter): parameter for parameter in module.parameters()})


def tensors_in(output: Any) -> tuple[torch.Tensor, ...]:
    """Return the tensors of an output, of any shape and dtype: a tensor, or tuples, lists and dicts of them."""
    return tuple(leaf.detach() for leaf in _pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor))


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Let all random numbers start at the same place within, and go on afterwards as if nothing had been drawn."""
    others = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        np.random.seed(SEED)
        random.seed(SEED)
        try:
            yield
        finally:
            random.setstate(others[0])
            np.random.set_state(others[1])
