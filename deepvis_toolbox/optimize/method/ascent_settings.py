"""How an ascent is done: every parameter of the method, named as the original's flags, checked where it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.optimize.method.later_parameters import LATER_PARAMETERS, later_values, recorded
from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.photographs import PhotographStatistics
from deepvis_toolbox.optimize.method.regularizers.registry import (
    OTHER_PARAMETERS,
    REGULARIZERS,
    in_order,
    parameters_of_regularizers,
)
from deepvis_toolbox.optimize.method.starts import IMAGE, STARTS, ClusterStarts, StartAt
from deepvis_toolbox.optimize.method.step_policies import step_policy

MOST_STEPS = 1_000_000
_MAX_ITER = Parameter("max_iter", 500, "how many steps", low=1, high=MOST_STEPS, whole=True, off=None)
_ROBUST = Parameter("robust", 0.0, "strength of the random shift, scaling and rotation before each step")
_PUSH_DIR = Parameter("push_dir", 1, "1: what the unit likes; -1: what it dislikes", low=-inf, whole=True, off=None)


@dataclass(frozen=True, eq=False, init=False)
class AscentSettings:
    """The parameters of `x <- r_theta(x + eta * gradient)`, in pixel units (0-255) whatever the network's scaling.

    Beside the fields below it takes, and has as attributes, the parameters that the regularizers declare: `decay`,
    `blur_radius`, `blur_every`, `small_val_percentile`, `small_norm_percentile`, `px_benefit_percentile`,
    `px_abs_benefit_percentile`, `tv`, and those of regularizers that were registered since.

    Source: Yosinski et al. 2015, section 3, and the flags of the authors' program. Raises `ToolboxError` where a value
    makes no sense.
    """

    lr_policy: str
    """The name of a step policy: `constant`, `progress`, `progress01`, …"""
    lr_params: Mapping[str, float]
    """The policy's parameters: `lr`; `max_lr`, `desired_prog`; `max_lr`, `early_prog`, `late_prog_mult`."""
    max_iter: int
    """How many times the image is looked at; one step fewer is taken."""
    push_dir: int
    """1: find what the unit likes; -1: what it dislikes (best then means lowest)."""
    start_at: StartAt
    """`mean_plus_rand`, `randu`, `mean`, `image:PATH`, an array (C, H, W), zero-centred, in pixel units, or
    `ClusterStarts`, of which each seed takes one."""
    parametrization: str
    """`pixels`, `fourier`, `fourier-decorrelated`, …: the space in which the steps are steepest."""
    robust: float
    """Strength of the random shift, scaling and rotation before each forward pass; 0 is off, 1 usual."""
    regularizers: Mapping[str, float]
    """The regularizers' parameters by name, all of them, in the order of one step."""
    statistics: PhotographStatistics | None
    """Of photographs at hand, for `norm_prior`, `sorted_prior` and `magnitudes`; None: what batch norms learnt, and
    general amplitudes."""
    later: Mapping[str, float]
    """The `LATER_PARAMETERS` by name, all of them: `size`, `views`, `against`, …; these are attributes as well."""

    def __init__(
        self,
        *,
        lr_policy: str = "constant",
        lr_params: Mapping[str, float] | None = None,
        max_iter: int = 500,
        push_dir: int = 1,
        start_at: StartAt = "mean_plus_rand",
        parametrization: str = "pixels",
        robust: float = 0.0,
        regularizers: Mapping[str, float] | None = None,
        statistics: PhotographStatistics | None = None,
        later: Mapping[str, float] | None = None,
        **more: float,
    ) -> None:
        """Take `more`: single parameters, which go before those in `regularizers` and `later`."""
        of_later = {each.name for each in LATER_PARAMETERS}
        late = later_values({**(later or {}), **{name: more[name] for name in of_later & more.keys()}})
        more_regularizers = {name: value for name, value in more.items() if name not in of_later}
        if late["views"] and robust:
            raise ToolboxError("views and robust both move the image before each step; give one of them")
        chosen = {
            "lr_policy": lr_policy,
            "lr_params": {"lr": 1.0} if lr_params is None else lr_params,
            "max_iter": _MAX_ITER.checked(max_iter),
            "push_dir": _direction(push_dir),
            "start_at": start_at,
            "parametrization": parametrization,
            "robust": _ROBUST.checked(robust),
            "regularizers": _regularizer_values({**(regularizers or {}), **more_regularizers}),
            "statistics": statistics,
            "later": late,
        }
        step_policy(lr_policy, self._stored(chosen).lr_params)
        PARAMETRIZATIONS.check(parametrization)
        if isinstance(start_at, str) and not start_at.startswith(IMAGE):
            STARTS.check(start_at)

    def _stored(self, values: Mapping[str, object]) -> AscentSettings:
        for name, value in values.items():
            object.__setattr__(self, name, value)
        return self

    def __getattr__(self, name: str) -> float:
        """Return a parameter of a regularizer, or one that came later: these are attributes as well."""
        values: Mapping[str, float] = {**self.__dict__.get("regularizers", {}), **self.__dict__.get("later", {})}
        if name in values:
            return values[name]
        raise AttributeError(f"{type(self).__name__} has no parameter {name!r}")

    def as_record(self) -> dict[str, Any]:
        """Return every parameter as plain data for a JSON record; a start image is named by the hash of its values.

        A regularizer of a user's own that is off leaves no trace, nor does a later parameter, so that the record is the
        same as without it.
        """
        record: dict[str, Any] = {name: self.regularizers[name] for name in self._recorded_regularizers()}
        record |= {name: getattr(self, name) for name in OTHER_PARAMETERS}
        record |= recorded(self.later)
        if self.statistics is not None:
            record["statistics"] = self.statistics.key
        record["lr_params"] = {name: float(value) for name, value in self.lr_params.items()}
        if isinstance(self.start_at, ClusterStarts):
            record["start_at"] = self.start_at.key
        elif not isinstance(self.start_at, str):
            record["start_at"] = f"array:{hashlib.sha256(_as_float32(self.start_at).tobytes()).hexdigest()}"
        return record

    def _recorded_regularizers(self) -> list[str]:
        recorded = [each for each in in_order() if REGULARIZERS.is_built_in(each.name) or each.is_on(self.regularizers)]
        return [parameter.name for regularizer in recorded for parameter in regularizer.parameters]


def parameter_names() -> tuple[str, ...]:
    """Return the names of all parameters, as settings, presets and command lines know them."""
    return (*parameters_of_regularizers(), *OTHER_PARAMETERS, *(each.name for each in LATER_PARAMETERS))


def settings_from(values: Mapping[str, Any], where: str) -> AscentSettings:
    """Return settings from plain data such as a preset; `ToolboxError` that names `where` for a key that does not
    exist."""
    known = parameter_names()
    for key in values:
        if key not in known:
            raise ToolboxError(f'{where} has the key "{key}", which is no parameter{nearest_name(str(key), known)}')
    try:
        return AscentSettings(**values)
    except ToolboxError as error:
        raise ToolboxError(f"{where}: {error}") from error


def _regularizer_values(given: Mapping[str, float]) -> dict[str, float]:
    """Return every regularizer's parameters, checked, the default where none is given."""
    known = parameters_of_regularizers()
    for name in given:
        if name not in known:
            raise ToolboxError(f'there is no parameter "{name}"{nearest_name(name, parameter_names())}')
    return {name: parameter.checked(given.get(name, parameter.default)) for name, parameter in known.items()}


def _direction(push_dir: object) -> float:
    direction = _PUSH_DIR.checked(push_dir)
    if direction not in (1, -1):
        raise ToolboxError(f"push_dir is {direction}; it is 1 (what a unit likes) or -1 (what it dislikes)")
    return direction


def _as_float32(image: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(image, np.float32)
