"""Step policies: how far to go along the gradient, for each picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import isfinite
from typing import ClassVar

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError, nearest_name


class StepPolicy(ABC):
    """Gives each picture's step size from its objective and its gradient."""

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]

    def __init__(self, parameters: Mapping[str, float]) -> None:
        """`parameters` has exactly the names of the class's `parameters`, all finite."""
        self.values = {name: float(parameters[name]) for name in self.parameters}

    @abstractmethod
    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:
        """Step sizes (N,), of `progress`'s dtype.

        `objective` (N,): the objectives now. `progress` (N,), positive: by how much the objective would
        change, to first order, for a step size of 1; the squared norm of the gradient. `direction`: 1 up, -1 down.
        """


STEP_POLICIES: dict[str, type[StepPolicy]] = {}


def register_step_policy(name: str) -> Callable[[type[StepPolicy]], type[StepPolicy]]:
    """Makes a step policy known by its name on the command line."""

    def enter(policy: type[StepPolicy]) -> type[StepPolicy]:
        policy.name = name
        STEP_POLICIES[name] = policy
        return policy

    return enter


def is_finite_number(value: object) -> bool:
    """Whether it is a number, NumPy's included, that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def step_policy(name: str, parameters: Mapping[str, float]) -> StepPolicy:
    """The policy of that name. `ToolboxError` where it does not exist or its parameters are not the ones it needs."""
    if name not in STEP_POLICIES:
        hint = nearest_name(str(name), STEP_POLICIES) or f"; it is one of {', '.join(STEP_POLICIES)}"
        raise ToolboxError(f'there is no step policy "{name}"{hint}')
    policy = STEP_POLICIES[name]
    wanted = ", ".join(policy.parameters)
    if not isinstance(parameters, Mapping) or set(parameters) != set(policy.parameters):
        raise ToolboxError(f'the step policy "{name}" needs the parameters {wanted}; given were {parameters}')
    for key, value in parameters.items():
        if not is_finite_number(value):
            raise ToolboxError(f'{key} of the step policy "{name}" is {str(value)[:40]}; it must be a finite number')
    return policy(parameters)


@register_step_policy("constant")
class Constant(StepPolicy):
    """The same step size always."""

    parameters = ("lr",)

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:  # noqa: ARG002
        """As the base class says."""
        return torch.full_like(progress, self.values["lr"])


@register_step_policy("progress")
class ProgressPolicy(StepPolicy):
    """As far as changes the objective by `desired_prog`, to first order, but at most `max_lr`."""

    parameters = ("max_lr", "desired_prog")

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:  # noqa: ARG002
        """As the base class says."""
        return (self.values["desired_prog"] / progress).clamp(max=self.values["max_lr"])


@register_step_policy("progress01")
class Progress01Policy(StepPolicy):
    """For probabilities: as `progress`, with ever smaller progress the nearer the objective is to its end of 0 to 1."""

    parameters = ("max_lr", "early_prog", "late_prog_mult")

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:
        """As the base class says."""
        remaining = (1 - objective if direction > 0 else objective).to(progress)
        desired = (self.values["late_prog_mult"] * remaining).clamp(max=self.values["early_prog"])
        return (desired / progress).clamp(max=self.values["max_lr"])
