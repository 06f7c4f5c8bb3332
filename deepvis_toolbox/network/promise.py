"""What a user's module itself gives for noise, to hold the graph that is made of it against."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree

from deepvis_toolbox.errors import reason_of
from deepvis_toolbox.words.input_channels import filled_by

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
    """Whether what it gives depends on random numbers that it draws, in evaluation mode too."""
    draws_unseen: bool = False
    """Whether some of these are NumPy's or Python's, which no graph holds."""

    @property
    def takes_one_at_a_time(self) -> bool:
        """Whether the module runs on one image and fails on two."""
        return len(self.images) == 1


def noise(count: int, input_shape: tuple[int, ...]) -> torch.Tensor:
    """Return images of normal values, float32 (count, C, H, W), always the same ones.

    The first is of mean 0 and deviation 1. The others have less contrast and are lighter, so that a network that takes
    statistics over the whole batch gives itself away.
    """
    images = torch.randn(count, *input_shape, generator=torch.Generator().manual_seed(SEED))
    images[1:] = images[1:] / 4 + 3
    return images


def promise_of(
    module: nn.Module, input_shape: tuple[int, int, int], counts: tuple[int, ...] = (2, 1)
) -> Promise | None:
    """Return the module's answer to the first of so many images that it takes; None where it runs on none of them,
    which its graph is then refused for.

    The module's buffers, attributes and lists, and the state of the random numbers, are left as they are.
    """
    overwriting = frozenset(path for path, part in module.named_modules() if getattr(part, "inplace", False))
    for count in counts:
        images = noise(count, input_shape)
        with state_kept(module), same_random_numbers(), torch.no_grad():
            before = _random_states()
            try:
                outputs = tensors_in(module(images.clone()))
            except Exception:
                continue
            after = _random_states()
        own = _holds_generator(module)
        drawn = (own or before != after) and not _gives_the_same(module, images, outputs)
        return Promise(module, overwriting, images, outputs, drawn, drawn and (own or before[1:] != after[1:]))
    return None


def why_it_does_not_run(own: nn.Module, input_shape: tuple[int, int, int]) -> str:
    """Return the sentence that says why a module which `promise_of` has no answer of does not run on such images."""
    shape = "×".join(map(str, input_shape))
    try:
        with state_kept(own), same_random_numbers(), torch.no_grad():
            own(noise(1, input_shape))
    except Exception as error:  # whatever a user's module does
        reason = reason_of(error)
        wanted = next((part.in_channels for part in own.modules() if isinstance(part, nn.Conv2d)), input_shape[0])
        takes_others = "channels" in reason and wanted != input_shape[0]
        hint = f"; its first convolution takes {wanted} channels: {filled_by(wanted)}" if takes_others else ""
        hint = hint or (_OF_ANOTHER_PRECISION if _TYPES_DIFFER.search(reason) else "")
        return f"{type(own).__name__} does not run on a {shape} image: {reason}{hint}"
    return f"{type(own).__name__} does not run on a {shape} image"


_OF_ANOTHER_PRECISION = (
    "; weights are computed in float32 here, whatever they are kept in: in forward, cast to the type of the weights "
    "(x.to(self.fc.weight.dtype)), or leave x.half(), x.to(torch.float16) and the like away"
)
_TYPES_DIFFER = re.compile(r"\b(Half|BFloat16|Double)\b.*\b[Ff]loat\b|\b[Ff]loat\b.*\b(Half|BFloat16|Double)\b")

_GENERATORS = (np.random.Generator, np.random.RandomState, torch.Generator, random.Random)


def _holds_generator(module: nn.Module) -> bool:
    """Return whether some part of the module keeps random numbers of its own."""
    kept = [value for part in module.modules() for value in vars(part).values()]
    return any(
        isinstance(value, _GENERATORS) or isinstance(getattr(value, "__self__", 0), _GENERATORS) for value in kept
    )


def _gives_the_same(module: nn.Module, images: torch.Tensor, outputs: tuple[torch.Tensor, ...]) -> bool:
    """Return whether the module gives these outputs whatever random numbers it draws."""
    for seed in range(SEED + 1, SEED + 5):
        with state_kept(module), same_random_numbers(seed), torch.no_grad():
            again = tensors_in(module(images.clone()))
        if len(again) != len(outputs) or not all(map(torch.equal, again, outputs)):
            return False
    return True


def _random_states() -> tuple[object, object, object]:
    """Return what tells whether somebody has drawn a random number in between: torch's, NumPy's and Python's."""
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state(legacy=False)), random.getstate()


_SMALL = 1 << 16
"""So many numbers of a parameter are copied: vectors that a forward may turn (power iteration), not kernels."""


@contextmanager
def state_kept(module: nn.Module) -> Iterator[None]:
    """Leave what a module keeps of a call as it was before: attributes, buffers, entries of lists and dicts, and
    parameters, unless the numbers of a large one are overwritten in place."""
    parts = list(module.modules())
    attributes = [dict(vars(part)) for part in parts]
    containers = [
        (value, value.copy())
        for kept in attributes
        for value in kept.values()
        if isinstance(value, (list, dict, set)) and value is not module.__dict__
    ]
    buffers = [(buffer, buffer._version, buffer.clone()) for buffer in module.buffers()]
    parameters = [(own, own.data, own.data.clone() if own.numel() <= _SMALL else None) for own in module.parameters()]
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
        for own, data, numbers in parameters:
            if own.data.data_ptr() != data.data_ptr():
                own.data = data
            if numbers is not None and not torch.equal(own.data, numbers):
                own.data.copy_(numbers)


def with_same_parameters(module: nn.Module) -> nn.Module:
    """Return a copy with a state of its own, but for the parameters, which take no more memory."""
    return copy.deepcopy(module, {id(parameter): parameter for parameter in module.parameters()})


def tensors_in(output: Any) -> tuple[torch.Tensor, ...]:
    """Return the tensors of an output, of any shape and dtype, detached; else as `leaves_in`."""
    return tuple(leaf.detach() for leaf in leaves_in(output))


def leaves_in(output: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of an output, of any shape and dtype, in order: a tensor, or tuples, lists, dicts and plain
    objects of them."""
    for leaf in _pytree.tree_leaves(output):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif not isinstance(leaf, (type, nn.Module)) and not callable(leaf):
            yield from leaves_in(list(getattr(leaf, "__dict__", {}).values()))


@contextmanager
def same_random_numbers(seed: int = SEED) -> Iterator[None]:
    """Let all random numbers start at the same place within, and go on afterwards as if nothing had been drawn."""
    others = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(others[0])
            np.random.set_state(others[1])
