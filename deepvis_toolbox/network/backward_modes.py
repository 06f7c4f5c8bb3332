"""The backward modes: what each does to the signal at a rectifier. A new mode is one function, registered here.

`grad` leaves autograd's own derivative. The others replace it, by a hook on the recorded pass, for one call:
`deconv` (Zeiler & Fergus 2014) rectifies the signal, whatever the forward pass did; `guided` (Springenberg et al. 2015)
also asks for a positive activation. For the smooth rectifiers (SiLU, GELU, Hardswish, Mish) the activation is positive
where the value below is, and the rules are the same: a smooth rectifier is taken for the ReLU that it rounds off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.registry import Registry, first_line
from deepvis_toolbox.words.backward import BACKWARD_MODES, OFF, BackwardMode

Signals = tuple[torch.Tensor | None, ...]
SignalRule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""rule(signal above the rectifier, activation) -> signal below it; both of the rectifier's shape."""


@dataclass(frozen=True)
class ModeRule:
    """What a backward mode does."""

    at_rectifiers: SignalRule | None
    """None: autograd's own derivative."""
    meaning: str = ""
    """One sentence, for lists and help texts."""
    passes_marked_layers: bool = False
    """Whether the signal passes unchanged through the layers that a model marks so (`deconv: {lrn: pass}`)."""


RULES: Registry[ModeRule] = Registry("backward mode", words=BACKWARD_MODES)
RULES.add("grad", ModeRule(None))


def register_backward_mode(
    name: str, meaning: str = "", *, passes_marked_layers: bool = False
) -> Callable[[SignalRule], SignalRule]:
    """Return a decorator that makes a rule a backward mode, known by its name wherever modes are listed.

    `meaning`: one sentence; else the first line of the rule's docstring. Raises `ToolboxError` where the name is taken.
    """
    if name == OFF:
        raise ToolboxError(f'"{OFF}" means no backward pass; choose another name for the backward mode')

    def enter(rule: SignalRule) -> SignalRule:
        RULES.add(name, ModeRule(rule, meaning or first_line(rule), passes_marked_layers))
        return rule

    return enter


@register_backward_mode("deconv", passes_marked_layers=True)
def deconv_rule(signal: torch.Tensor, _activation: torch.Tensor) -> torch.Tensor:
    """Return max(signal, 0), float32, in the same shape."""
    return signal.clamp_min(0)


@register_backward_mode("guided")
def guided_rule(signal: torch.Tensor, activation: torch.Tensor) -> torch.Tensor:
    """Return max(signal, 0) where the activation is positive, else 0; float32, all of the same shape."""
    return torch.ops.aten.threshold_backward(signal.clamp_min(0), activation, 0)


@contextmanager
def rectifiers_obey(mode: BackwardMode, rectified: Iterable[torch.Tensor]) -> Iterator[None]:
    """While it lasts, a backward pass through each tensor's rectifier follows `mode`. Leaves no hook behind.

    `rectified`: the rectifiers' outputs, float32 (N, …), each the result of one recorded operation.
    """
    rule = RULES[mode].at_rectifiers
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
