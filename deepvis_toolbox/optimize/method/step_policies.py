"""Step policies: how far to go along the gradient, for each picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.method.parameters import is_finite_number
from deepvis_toolbox.registry import Registry


class StepPolicy(ABC):
    """Gives each picture's step size from its objective and its gradient."""

    name: ClassVar[str]
    parameters: ClassVar[Mapping[str, str]]
    """The numbers it needs, by name, each with what it means in a few words."""

    def __init__(self, parameters: Mapping[str, float]) -> None:
        """`parameters` has exactly the names of the class's `parameters`, all finite."""
        self.values = {name: float(parameters[name]) for name in self.parameters}

    @abstractmethod
    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:
        """Return step sizes (N,), of `progress`'s dtype.

        `objective` (N,): the objectives now. `progress` (N,), positive: by how much the objective would
        change, to first order, for a step size of 1; the squared norm of the gradient. `direction`: 1 up, -1 down.
        """


class MomentPolicy(StepPolicy):
    """Changes every parameter by itself, by moments of its own gradient (Kingma & Ba 2015, algorithm 1)."""

    parameters: ClassVar = {"lr": "by how much a parameter changes in a step, at most"}
    FIRST, SECOND, SMALLEST = 0.9, 0.999, 1e-12

    def __init__(self, parameters: Mapping[str, float]) -> None:
        super().__init__(parameters)
        self._mean: dict[int, torch.Tensor] = {}
        self._square: dict[int, torch.Tensor] = {}

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says, for a gradient that is always the same."""
        return self.values["lr"] / progress.sqrt()

    def change(self, gradient: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
        """Return the change of the parameters, as `gradient`: float32 (M, …) of the pictures `rows`, int64 (M,).

        `step` counts from 0; every picture that climbs is seen at every step.
        """
        pairs = zip(rows.tolist(), gradient, strict=True)
        return torch.stack([self._change_of(row, own, step + 1) for row, own in pairs])

    def _change_of(self, row: int, gradient: torch.Tensor, step: int) -> torch.Tensor:
        mean = self._mean.setdefault(row, torch.zeros_like(gradient))
        square = self._square.setdefault(row, torch.zeros_like(gradient))
        mean.lerp_(gradient, 1 - self.FIRST)
        square.lerp_(gradient.square(), 1 - self.SECOND)
        deviation = (square / (1 - self.SECOND**step)).sqrt_().add_(self.SMALLEST)
        return self._towards(mean, gradient, step).div_(deviation).mul_(self.values["lr"])

    def _towards(self, mean: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        return mean / (1 - self.FIRST**step)


PolicyClass = TypeVar("PolicyClass", bound=StepPolicy)

STEP_POLICIES: Registry[type[StepPolicy]] = Registry("step policy", sets_name=True)


def register_step_policy(name: str) -> Callable[[type[PolicyClass]], type[PolicyClass]]:
    """Return a decorator that makes a step policy known by its name; its docstring's first line explains it."""
    return STEP_POLICIES.register(name)


def step_policy(name: str, parameters: Mapping[str, float]) -> StepPolicy:
    """Return the policy of that name. `ToolboxError` where it does not exist or its parameters are not the ones it
    needs."""
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

    parameters: ClassVar = {"lr": "the step size"}

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return torch.full_like(progress, self.values["lr"])


@register_step_policy("progress")
class ProgressPolicy(StepPolicy):
    """As far as changes the objective by `desired_prog`, to first order, but at most `max_lr`."""

    parameters: ClassVar = {
        "max_lr": "the largest step size",
        "desired_prog": "by how much the objective is to change in a step",
    }

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return (self.values["desired_prog"] / progress).clamp(max=self.values["max_lr"])


@register_step_policy("progress01")
class Progress01Policy(StepPolicy):
    """For probabilities: as `progress`, with ever smaller progress the nearer the objective is to its end of 0 to 1."""

    parameters: ClassVar = {
        "max_lr": "the largest step size",
        "early_prog": "by how much the objective is to change in a step at first",
        "late_prog_mult": "and later: this part of what remains to its end",
    }

    def step_size(self, objective: torch.Tensor, progress: torch.Tensor, direction: int) -> torch.Tensor:
        """Do as the base class says."""
        remaining = (1 - objective if direction > 0 else objective).to(progress)
        desired = (self.values["late_prog_mult"] * remaining).clamp(max=self.values["early_prog"])
        return (desired / progress).clamp(max=self.values["max_lr"])


@register_step_policy("adam")
class Adam(MomentPolicy):
    """Every parameter by itself, by the running mean of its gradient over that of its square (Kingma & Ba 2015)."""


@register_step_policy("nadam")
class Nadam(MomentPolicy):
    """As `adam`, looking a step ahead (Dozat 2016)."""

    def _towards(self, mean: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:
        ahead = mean * (self.FIRST / (1 - self.FIRST ** (step + 1)))
        return ahead.add_(gradient, alpha=(1 - self.FIRST) / (1 - self.FIRST**step))
