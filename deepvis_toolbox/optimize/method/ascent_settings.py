"""How an ascent is done: every parameter of the method, named as the original's flags, checked where it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.starts import IMAGE, STARTS
from deepvis_toolbox.optimize.method.step_policies import is_finite_number, step_policy

MOST_STEPS = 1_000_000
PERCENTILES = ("small_val_percentile", "small_norm_percentile", "px_benefit_percentile", "px_abs_benefit_percentile")


@dataclass(frozen=True, eq=False)
class AscentSettings:
    """The parameters of `x <- r_theta(x + eta * gradient)`, in pixel units (0-255) whatever the network's scaling.

    Source: Yosinski et al. 2015, section 3, and the flags of the authors' program. Raises `ToolboxError` where a value
    makes no sense.
    """

    decay: float = 0.0
    """L2 decay: x is multiplied by 1 - decay after each step; 0 to 1."""
    blur_radius: float = 0.0
    """Standard deviation of the Gaussian blur in pixels; 0 is off."""
    blur_every: int = 1
    """Blur at the steps 0, blur_every, 2 * blur_every, …; 0 is off."""
    small_val_percentile: float = 0.0
    """Values whose size is below this percentile of all values are set to zero."""
    small_norm_percentile: float = 0.0
    """Pixels whose norm over the channels is below this percentile are set to zero."""
    px_benefit_percentile: float = 0.0
    """Pixels whose signed contribution to the objective is below this percentile are set to zero."""
    px_abs_benefit_percentile: float = 0.0
    """Pixels whose absolute contribution to the objective is below this percentile are set to zero."""
    lr_policy: str = "constant"
    """`constant`, `progress` or `progress01`."""
    lr_params: Mapping[str, float] = field(default_factory=lambda: {"lr": 1.0})
    """The policy's parameters: `lr`; `max_lr`, `desired_prog`; `max_lr`, `early_prog`, `late_prog_mult`."""
    max_iter: int = 500
    """How many times the image is looked at; one step fewer is taken."""
    push_dir: int = 1
    """1: find what the unit likes; -1: what it dislikes (best then means lowest)."""
    start_at: str | NDArray[np.floating] = "mean_plus_rand"
    """`mean_plus_rand`, `randu`, `mean`, `image:PATH`, or an array (C, H, W), zero-centred, in pixel units."""
    parametrization: str = "pixels"
    """`pixels`, `fourier` or `fourier-decorrelated`: the space in which the steps are steepest."""
    robust: float = 0.0
    """Strength of the random shift, scaling and rotation before each forward pass; 0 is off, 1 usual."""
    tv: float = 0.0
    """Total variation: how far (pixel values a step) each pixel may move towards its neighbours; 0 is off."""

    def __post_init__(self) -> None:
        _check_numbers(self)
        for name in PERCENTILES:
            if not 0 <= getattr(self, name) <= 100:
                raise ToolboxError(f"{name} is {getattr(self, name)}; a percentile lies between 0 and 100")
        if not 0 <= self.decay <= 1:
            raise ToolboxError(f"decay is {self.decay}; it lies between 0 (off) and 1")
        for name in ("blur_radius", "blur_every", "robust", "tv"):
            if getattr(self, name) < 0:
                raise ToolboxError(f"{name} is {getattr(self, name)}; it must not be negative (0 is off)")
        if self.blur_radius > 1000:
            raise ToolboxError(f"blur_radius is {self.blur_radius} pixels; more than 1000 leaves nothing of any image")
        if not 1 <= self.max_iter <= MOST_STEPS:
            raise ToolboxError(f"max_iter is {self.max_iter}; it lies between 1 and {MOST_STEPS:,}")
        if self.tv > 255:
            raise ToolboxError(f"tv is {self.tv}; a pixel cannot move by more than 255 a step")
        if self.push_dir not in (1, -1):
            raise ToolboxError(f"push_dir is {self.push_dir}; it is 1 (what a unit likes) or -1 (what it dislikes)")
        _check_name("parametrization", self.parametrization, PARAMETRIZATIONS)
        if isinstance(self.start_at, str) and not self.start_at.startswith(IMAGE):
            _check_name("start_at", self.start_at, STARTS)
        step_policy(self.lr_policy, self.lr_params)

    def as_record(self) -> dict[str, Any]:
        """Every parameter as plain data for a JSON record; a start image is named by the hash of its values."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        record["lr_params"] = {name: float(value) for name, value in self.lr_params.items()}
        if not isinstance(self.start_at, str):
            record["start_at"] = f"array:{hashlib.sha256(_as_float32(self.start_at).tobytes()).hexdigest()}"
        return record


def settings_from(values: Mapping[str, Any], where: str) -> AscentSettings:
    """Settings from plain data such as a preset; `ToolboxError` that names `where` for a key that does not exist."""
    known = [each.name for each in fields(AscentSettings)]
    for key in values:
        if key not in known:
            raise ToolboxError(f'{where} has the key "{key}", which is no parameter{nearest_name(str(key), known)}')
    try:
        return AscentSettings(**values)
    except ToolboxError as error:
        raise ToolboxError(f"{where}: {error}") from error


def _check_numbers(settings: AscentSettings) -> None:
    whole = ("blur_every", "max_iter", "push_dir")
    for each in fields(settings):
        value = getattr(settings, each.name)
        if each.name in ("lr_params", "lr_policy", "start_at", "parametrization"):
            continue
        if not is_finite_number(value):
            raise ToolboxError(f"{each.name} is {_short(value)}; it must be a finite number")
        if each.name in whole and value != int(value):
            raise ToolboxError(f"{each.name} is {value}; it must be a whole number")
        object.__setattr__(settings, each.name, int(value) if each.name in whole else float(value))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _check_name(what: str, name: object, known: Mapping[str, object]) -> None:
    if name not in known:
        hint = nearest_name(str(name), known) or f"; it is one of {', '.join(known)}"
        raise ToolboxError(f'{what} "{name}" does not exist{hint}')


def _as_float32(image: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(image, np.float32)
