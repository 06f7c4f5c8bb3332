"""Presets: named sets of parameters, the paper's four and a model's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings, settings_from
from deepvis_toolbox.optimize.method.targets import Target, checked_target, sees_few_pixels, sees_whole_image

PAPER_PRESETS: dict[str, dict[str, Any]] = {
    "paper1": {
        "decay": 0.0,
        "blur_radius": 0.5,
        "blur_every": 4,
        "small_norm_percentile": 50.0,
        "max_iter": 500,
        "lr_policy": "progress",
        "lr_params": {"max_lr": 100.0, "desired_prog": 2.0},
    },
    "paper2": {
        "decay": 0.3,
        "blur_radius": 0.0,
        "blur_every": 0,
        "small_norm_percentile": 20.0,
        "max_iter": 750,
        "lr_policy": "constant",
        "lr_params": {"lr": 100.0},
    },
    "paper3": {
        "decay": 0.0001,
        "blur_radius": 1.0,
        "blur_every": 4,
        "max_iter": 1000,
        "lr_policy": "constant",
        "lr_params": {"lr": 100.0},
    },
    "paper4": {
        "decay": 0.0,
        "blur_radius": 0.5,
        "blur_every": 4,
        "px_abs_benefit_percentile": 90.0,
        "max_iter": 1000,
        "lr_policy": "progress",
        "lr_params": {"max_lr": 1e8, "desired_prog": 2.0},
    },
}
"""Table 1 of Yosinski et al. 2015, with the step settings its authors published; tuned for CaffeNet."""

DEFAULT = "default"
"""The name of the preset that is used where none is asked for."""
PARTS = "parts"
"""The name of the one that is used for units that see a part of the image alone."""
SMALL = "small"
"""The name of the one that is used for those of them that see a few pixels alone."""
_PIXEL_STEPS: dict[str, Any] = {"lr_policy": "adam", "lr_params": {"lr": 3.0}, "lr_end": 0.1, "shown_percentile": 0.7}
_GENERAL_STEPS: dict[str, Any] = {**_PIXEL_STEPS, "max_iter": 120, "parametrization": "fourier-decorrelated"}
GENERAL_PRESETS: dict[str, dict[str, Any]] = {
    DEFAULT: {
        **_GENERAL_STEPS,
        "decay": 0.002,
        "views": 1,
        "view_smallest": 0.6,
        "view_turn": 5.0,
        "view_noise": 15.0,
        "against": 0.1,
        "spread": 0.03,
        "coarse": 20.0,
    },
    PARTS: {**_GENERAL_STEPS, "decay": 0.01, "robust": 1.0, "spread": 0.03},
    SMALL: {**_PIXEL_STEPS, "max_iter": 60, "decay": 0.01, "blur_radius": 0.5, "blur_every": 4},
}
"""Of models that have none of that name. Steps in pixel values, whatever the size of the network's gradients."""


def presets_of(net: Network) -> dict[str, dict[str, Any]]:
    """Return the paper's presets, those for any network, and the model's own (`presets` in its model.yaml), which come
    first where names are equal."""
    general = {name: dict(values) for name, values in GENERAL_PRESETS.items()}
    if net.norm_statistics:
        general[DEFAULT]["norm_prior"] = 1.0
    return {**PAPER_PRESETS, **general, **{name: dict(values) for name, values in net.description.presets.items()}}


def preset_values(net: Network, name: str) -> dict[str, Any]:
    """Return a preset's parameters, checked. `ToolboxError` where there is none of that name or it has a wrong
    value."""
    known = presets_of(net)
    if name not in known:
        hint = nearest_name(name, known) or f"; there are {', '.join(known)}"
        raise ToolboxError(f'{net.name} has no preset "{name}"{hint}')
    settings_from(known[name], f'preset "{name}"')
    return known[name]


def preset(net: Network, name: str) -> AscentSettings:
    """Return a preset as settings."""
    return settings_from(preset_values(net, name), f'preset "{name}"')


def default_settings(net: Network, target: Target) -> AscentSettings:
    """Return the parameters that a target climbs with where nobody gives any."""
    return preset(net, default_preset(net, target))


def default_preset(net: Network, target: Target) -> str:
    """Return the name of the preset that is used where none is asked for: `small` for a target that sees a few pixels
    alone, `parts` for one that sees a part of the image, else `default`; of a model that has some of these of its own,
    the first of them in this order that it has."""
    own, checked = net.description.presets, checked_target(target, net)
    names = [DEFAULT]
    if not sees_whole_image(net, checked.layer, checked.place):
        names = [SMALL] * sees_few_pixels(net, checked.layer, checked.place) + [PARTS, DEFAULT]
    return next((name for name in names if name in own), names[0])


TargetKind = TypeVar("TargetKind", bound=Target)


def by_default_settings(net: Network, targets: Sequence[TargetKind]) -> list[tuple[AscentSettings, list[TargetKind]]]:
    """Return the targets by the settings that they climb with where nobody gives any; empty for none."""
    groups: dict[str, list[TargetKind]] = {}
    for target in targets:
        groups.setdefault(default_preset(net, target), []).append(target)
    return [(default_settings(net, group[0]), group) for group in groups.values()]
