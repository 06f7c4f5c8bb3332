"""The backward modes: what each does to the signal at a rectifier.

`grad` leaves autograd's own derivative. The others replace it, by a hook on the recorded pass, for one call:
`deconv` (Zeiler & Fergus 2014) rectifies the signal, whatever the forward pass did; `guided` (Springenberg et al. 2015)
also asks for a positive activation. For the smooth rectifiers (SiLU, GELU, Hardswish, Mish) the activation is positive
where the value below is, and the rules are the same: a smooth rectifier is taken for the ReLU that it rounds off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from deepvis_toolbox.words.backward import BackwardMode

Signals = tuple[torch.Tensor | None, ...]
SignalRule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""rule(signal above the rectifier, activation) -> signal below it; both of the rectifier's shape."""


def deconv_rule(signal: torch.Tensor, _activation: torch.Tensor) -> torch.Tensor:
    """max(signal, 0)."""
    return signal.clamp_min(0)


def guided_rule(signal: torch.Tensor, activation: torch.Tensor) -> torch.Tensor:
    """max(signal, 0) where the activation is positive, else 0."""
    return torch.ops.aten.threshold_backward(signal.clamp_min(0), activation, 0)


RULES: dict[str, SignalRule] = {"deconv": deconv_rule, "guided": guided_rule}
"""A mode that is not here is plain backprop. A new mode is one rule."""


@contextmanager
def rectifiers_obey(mode: BackwardMode, rectified: Iterable[torch.Tensor]) -> Iterator[None]:
    """While it lasts, a backward pass through each tensor's rectifier follows `mode`. Leaves no hook behind.

    `rectified`: the rectifiers' outputs, each the result of one recorded operation.
    """
    rule = RULES.get(mode)
    handles = [_obey(rule, tensor) for tensor in rectified] if rule else []
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _obey(rule: SignalRule, rectified: torch.Tensor) -> torch.utils.hooks.RemovableHandle:
    activation = rectified.detach()

    def replace(inputs: Signals, outputs: tuple[torch.Tensor, ...]) -> Signals:
        return tuple(None if given is None else rule(outputs[0], activation) for given in inputs)

    assert rectified.grad_fn is not None
    return rectified.grad_fn.register_hook(replace)  # type: ignore[no-any-return]
