"""Preferred images as pieces of a figure's work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.optimize.files.shown_image import shown
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings, settings_from
from deepvis_toolbox.optimize.method.preferred import preferred_images
from deepvis_toolbox.paper.figure import Arrays, Piece
from deepvis_toolbox.paper.study import Study
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit

BATCH = 8
"""Always so many at once, so that a run that was killed gives the same in the end."""
TRIED_STEPS = 3
PROGRESS = {"lr_policy": "progress", "lr_params": {"max_lr": 1e8, "desired_prog": 2.0}}
"""Steps that suit any network: each as large as should raise the activation by two."""


@dataclass(frozen=True)
class Shown:
    """One ascent as a figure shows it."""

    picture: RGBImage | None
    """None where no direction was found."""
    activation: float


def free_settings(steps: int, **parameters: Any) -> AscentSettings:
    """Return settings of the plainest ascent in pixels, regularized by `parameters` alone."""
    return settings_from({**PROGRESS, "max_iter": steps, **parameters}, "settings")


def ascent_piece(
    study: Study,
    name: str,
    units: Sequence[Unit],
    seeds: Sequence[int],
    settings: AscentSettings,
    with_values: bool = False,
) -> Piece:
    """Return the piece that makes the pictures of units of one layer, all seeds of the first unit first.

    `with_values`: the images too, as float32 (N, C, H, W), zero-centred pixels.
    """

    def make(progress: Progress) -> Arrays:
        return made_ascents(study, units, seeds, settings, Passes(progress, settings.max_iter), with_values)

    identity = {
        "units": [str(unit) for unit in units],
        "seeds": list(seeds),
        "settings": settings.as_record(),
        "values": with_values,
        "batch": BATCH,
    }
    return Piece(name, identity, len(units) * len(seeds) * settings.max_iter * max(1, settings.views), make)


def made_ascents(
    study: Study,
    units: Sequence[Unit],
    seeds: Sequence[int],
    settings: AscentSettings,
    progress: Progress,
    with_values: bool = False,
) -> Arrays:
    """Make them: `pictures` uint8 (N, H, W, 3), `activations` float32 (N,), `nothing` bool (N,); and `values`."""
    results = preferred_images(study.net, units, seeds, settings, batch_size=BATCH, progress=progress)
    pictures = [shown(study.net, result.unit, settings, result.best) for result in results]
    found: dict[str, NDArray] = {
        "pictures": np.stack(pictures),
        "activations": np.array([_finite_max(result.objective, settings.push_dir) for result in results], np.float32),
        "nothing": np.array([result.found_nothing(settings.start_at) for result in results]),
    }
    if with_values:
        found["values"] = np.stack([result.best for result in results])
    return found


def _finite_max(objective: NDArray[np.float32], direction: int) -> float:
    finite = objective[np.isfinite(objective)]
    return float(direction * (direction * finite).max()) if finite.size else 0.0


def all_shown(found: Arrays) -> list[Shown]:
    """Return the pictures of a piece in order."""
    rows = zip(found["pictures"], found["activations"], found["nothing"], strict=True)
    return [Shown(None if nothing else picture, float(activation)) for picture, activation, nothing in rows]


def best_of(shown_ones: Sequence[Shown]) -> Shown:
    """Return the one with the largest activation of those that found something."""
    return max(shown_ones, key=lambda one: (one.picture is not None, one.activation))


def settings_words(settings: AscentSettings) -> str:
    """Return what a caption says of settings: all parameters that are not off."""
    record = settings.as_record()
    steps = f"{record.pop('max_iter')} steps"
    policy, step = record.pop("lr_policy"), record.pop("lr_params")
    how = f"{policy} ({', '.join(f'{name} {value:g}' for name, value in step.items())})"
    ignored = {"push_dir": 1, "parametrization": "pixels", "start_at": "mean_plus_rand"}
    if not record.get("blur_radius"):
        record.pop("blur_every", None)
    rest = [
        f"{name} {value:g}" if isinstance(value, float | int) else f"{name} {value}"
        for name, value in record.items()
        if value not in (0, None, False, "") and value != ignored.get(name)
    ]
    return ", ".join([steps, f"step size {how}", *rest])


class Passes(Silence):
    """An ascent's part of the run's progress: pictures in, passes out."""

    def __init__(self, whole: Progress, each: float) -> None:
        self._whole, self._each = whole, each

    def advance(self, amount: float = 1) -> None:
        """Note that so many more pictures are done."""
        self._whole.advance(amount * self._each)

    def note(self, text: str) -> None:
        """Show what the ascent says."""
        self._whole.note(text)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._whole.say(line)


def pieces_of_units(units: Sequence[Unit], count: int) -> Iterator[tuple[int, Sequence[Unit]]]:
    """Yield the units in parts of at most `count`, numbered, so that a killed run loses little."""
    for number, first in enumerate(range(0, len(units), count)):
        yield number, units[first : first + count]


def joined(parts: Sequence[Arrays]) -> dict[str, NDArray]:
    """Return the arrays (N, …) of several pieces, of any dtype, one behind the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tried_settings(study: Study) -> AscentSettings:
    """Return the settings of the few steps that say how long the rest takes."""
    return free_settings(min(TRIED_STEPS, study.extent.steps))
