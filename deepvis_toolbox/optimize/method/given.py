"""What a call of the library was given, read: what is clear is taken, the rest refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings, settings_from
from deepvis_toolbox.optimize.method.composites import Composite
from deepvis_toolbox.optimize.method.sums import parse_targets
from deepvis_toolbox.optimize.method.targets import Direction, LikePicture, Target, checked_target
from deepvis_toolbox.words.unit import Unit


def given_targets(units: Target | str | Iterable[Target | str], net: Network) -> list[Target]:
    """Return the checked targets; an address may mean several. `ToolboxError` for what is no target of the network."""
    if isinstance(units, str | Unit | Direction | LikePicture | Composite):
        units = [units]
    elif not isinstance(units, Iterable):
        raise ToolboxError(f'units are a list such as [Unit("fc", 9)] or ["fc:9"], not {units!r}')
    found: list[Target] = []
    for unit in units:
        if isinstance(unit, str):
            found += parse_targets(unit, net)
        elif isinstance(unit, Unit | Direction | LikePicture | Composite):
            found.append(unit)
        else:
            raise ToolboxError(f'{unit!r} is no unit; write Unit("fc", 9) or "fc:9"')
    return [checked_target(target, net) for target in found]


def given_seeds(seeds: Iterable[int]) -> list[int]:
    """Return the seeds. `ToolboxError` for one number, which could also mean how many, and for what is no number."""
    if isinstance(seeds, Integral):
        raise ToolboxError(f"seeds is a list; write seeds=[{seeds}] for that one, or seeds=range({seeds}) for so many")
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise ToolboxError(f"seeds is a list of whole numbers, such as [0, 1], not {seeds!r}")
    found = list(seeds)
    for seed in found:
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise ToolboxError(f"seeds is a list of whole numbers, such as [0, 1]; {seed!r} is none")
    return [int(seed) for seed in found]


def given_settings(settings: AscentSettings | Mapping[str, Any] | None) -> AscentSettings:
    """Return the settings; the defaults for None. `ToolboxError` for a preset's name, which is a model's to know."""
    if settings is None:
        return AscentSettings()
    if isinstance(settings, AscentSettings):
        return settings
    if isinstance(settings, Mapping):
        return settings_from(settings, "settings")
    if isinstance(settings, str):
        raise ToolboxError(
            f'settings is an AscentSettings, not a name; for the preset "{settings}" write settings=preset(net, '
            f'"{settings}"), with preset from deepvis_toolbox.optimize.files.presets'
        )
    raise ToolboxError(f"settings is an AscentSettings, such as AscentSettings(decay=1e-4), not {settings!r}")
