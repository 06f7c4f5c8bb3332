"""What a regularizer is, and the table of them, in the order in which one step applies them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.method.later_parameters import LATER_PARAMETERS
from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.registry import Registry


class Regularizer(ABC):
    """r_theta of the method: changes the images of a batch after a step. It knows nothing of the network.

    A subclass declares the numbers it takes; that is all it needs for `AscentSettings`, presets, records and the
    command line to know them. It is on where none of them has its `off` value.
    """

    name: ClassVar[str]
    position: ClassVar[float]
    parameters: ClassVar[tuple[Parameter, ...]]

    def __init__(self, *values: float) -> None:
        """Take `values`: checked, in the order of `parameters`."""
        self.values = {each.name: value for each, value in zip(self.parameters, values, strict=True)}

    @abstractmethod
    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:
        """Return the changed images: `x` (N, C, H, W), zero-centred pixels, which may be overwritten.

        `gradient` (N, C, H, W): this step's, in pixel units, in the direction of the ascent. `step` counts from 0.
        """

    @classmethod
    def is_on(cls, values: Mapping[str, float]) -> bool:
        """Return whether these values of parameters, by name, switch it on."""
        return all(each.name in values and values[each.name] != each.off for each in cls.parameters)


RegularizerClass = TypeVar("RegularizerClass", bound=Regularizer)

OTHER_PARAMETERS = ("lr_policy", "lr_params", "max_iter", "push_dir", "start_at", "parametrization", "robust")
"""The parameters of `AscentSettings` that are no regularizer's; none of these may have their names."""


def _admit(name: str, regularizer: type[Regularizer], others: Mapping[str, type[Regularizer]]) -> None:
    """Refuse one that nothing could switch on, or whose parameter is another's."""
    if not getattr(regularizer, "parameters", ()):
        raise ToolboxError(f'the regularizer "{name}" declares no parameters; one must switch it on')
    later = (each.name for each in LATER_PARAMETERS)
    taken = {
        *OTHER_PARAMETERS,
        *later,
        "regularizers",
        "later",
        *(each.name for other in others.values() for each in other.parameters),
    }
    for parameter in regularizer.parameters:
        if parameter.name in taken:
            raise ToolboxError(f'the regularizer "{name}": there is a parameter "{parameter.name}" already')


REGULARIZERS: Registry[type[Regularizer]] = Registry(
    "regularizer", home="deepvis_toolbox.optimize.method.regularizers", admit=_admit, sets_name=True
)


def register_regularizer(name: str, position: float) -> Callable[[type[RegularizerClass]], type[RegularizerClass]]:
    """Return a decorator that makes a regularizer known; those with a smaller `position` are applied first.

    The built-in ones have the positions 1 to 7. Raises `ToolboxError` where its name, or that of a parameter, is taken.
    """

    def enter(regularizer: type[RegularizerClass]) -> type[RegularizerClass]:
        REGULARIZERS.add(name, regularizer)
        regularizer.position = position
        return regularizer

    return enter


def parameters_of_regularizers() -> dict[str, Parameter]:
    """Return every regularizer's parameters by name, in the order of one step."""
    return {each.name: each for regularizer in in_order() for each in regularizer.parameters}


def in_order() -> list[type[Regularizer]]:
    """Return the regularizers in the order of one step."""
    return sorted(REGULARIZERS.values(), key=lambda regularizer: regularizer.position)


def active(values: Mapping[str, float]) -> list[Regularizer]:
    """Return the regularizers that the values of their parameters, by name, switch on, in the order of one step.

    Raises `ToolboxError` for a parameter of none: nothing that was asked for may be left out unseen.
    """
    known = parameters_of_regularizers()
    for name in values:
        if name not in known:
            raise ToolboxError(f'no regularizer has the parameter "{name}"; is the file that adds it named (--extend)?')
    on = [regularizer for regularizer in in_order() if regularizer.is_on(values)]
    return [regularizer(*(values[each.name] for each in regularizer.parameters)) for regularizer in on]
