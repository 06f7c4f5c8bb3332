"""The pipeline's stages, scan, crops with deconvs, preferred images: each says what it would take and then does it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.output import Output
from deepvis_toolbox.optimize.files.presets import by_default_settings, default_settings
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask, preferred_images
from deepvis_toolbox.optimize.production import Summary, make_unit_images, pictures_to_make, store_files
from deepvis_toolbox.pipeline.beside_scan import beside_scan
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.scan.patches.patch_store import PatchOptions, owned_units, patches_to_make, write_patches
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.result_folder import ResultFolder
from deepvis_toolbox.scan.scan_settings import OPTIONS
from deepvis_toolbox.scan.scanning import UnreadableError, scan
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.numbers import add_numbers
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit

_TRIAL_PICTURES = 16
_TRIAL_STEPS = 4
_TRIALS = 8
"""So many of the things that are left are tried at most: layers differ a hundredfold."""


@dataclass(frozen=True)
class Job:
    """What the pipeline makes: unit images of `units` in `store`. The scan of `pictures` is kept in `maxes`."""

    net: Network
    units: tuple[Unit, ...]
    store: UnitImageStore
    pictures: PictureList | None
    maxes: Path
    seeds: tuple[int, ...]
    settings: AscentSettings | None = None
    """Of preferred images; None: each unit's default."""
    workers: int | None = None
    accept_versions: bool = False
    """Of the scan: see there."""

    @property
    def layers(self) -> list[str]:
        """The layers of the units, in the network's order."""
        wanted = {unit.layer for unit in self.units}
        return [name for name in self.net.layers if name in wanted]


class Stage(ABC):
    """One step of the pipeline."""

    title: str
    unit: str
    """What it counts."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def amount(self) -> int:
        """Return how many things are left to do."""

    def total(self) -> int:
        """Return how much `run` advances its progress in all: where it also counts what was done before, more than
        is left."""
        return self.amount()

    @abstractmethod
    def seconds_each(self) -> float:
        """Return how long one takes, tried out on a few."""

    @abstractmethod
    def run(self, progress: Progress) -> list[str]:
        """Do it; `progress` advances by 1 for each thing. The problems met, a sentence each."""


class ScanStage(Stage):
    """Finds the pictures that excite each unit most; of all layers, so that one scan serves every later run."""

    title, unit = "scan", "pictures"

    def amount(self) -> int:
        record = ResultFolder(self.job.maxes).record()
        if record is None:
            return len(self._pictures)
        batches = sum(last - first for first, last in record["batches_done"])
        return max(0, len(self._pictures) - batches * int(record["identity"]["batch_size"]))

    def total(self) -> int:
        return len(self._pictures)

    def seconds_each(self) -> float:
        """Try it with the first pictures that are not all unreadable."""
        for first in range(0, len(self._pictures), _TRIAL_PICTURES):
            tried = replace(
                self._pictures,
                names=self._pictures.names[first : first + _TRIAL_PICTURES],
                labels=self._pictures.labels[first : first + _TRIAL_PICTURES],
            )
            began = time.perf_counter()
            with suppress(UnreadableError):
                scan(self.job.net, tried, workers=0, correlations=False)
                return (time.perf_counter() - began) / (len(tried) + 8)  # the first batch is looked at twice
        return 0.0  # the scan itself will say that none can be read

    def run(self, progress: Progress) -> list[str]:
        job = self.job
        how = {"workers": job.workers, "accept_versions": job.accept_versions, **self._as_it_was_begun()}
        top = scan(job.net, self._pictures, out=job.maxes, progress=progress, **how)
        return [f"{top.pictures.path(index)}: {reason}" for index, reason in top.skipped.items()]

    def _as_it_was_begun(self) -> dict[str, Any]:
        """Return what another command or device chose for the scan that is there, if it holds all that is wanted."""
        record = ResultFolder(self.job.maxes).record()
        if record is None:
            return {}
        identity = record["identity"]
        layers = [layer["name"] for layer in identity["layers"]]
        wanted = {self.job.store.owner(layer) for layer in self.job.layers}
        if not wanted <= set(layers) or identity["top"] < PatchOptions.count:
            return {}
        return {"layers": layers, **{name: identity[name] for name in OPTIONS}}

    @property
    def _pictures(self) -> PictureList:
        assert self.job.pictures is not None
        return self.job.pictures


class CropStage(Stage):
    """Cuts out what excites each unit, and its deconv."""

    title, unit = "top images and deconvs", "units"

    @property
    def options(self) -> PatchOptions:
        """How the model has its patches made."""
        return PatchOptions(looks=self.job.net.description.unit_images.looks)

    def amount(self) -> int:
        return len(self._left)

    def total(self) -> int:
        return len(owned_units(self.job.store, self.job.units))

    def seconds_each(self) -> float:
        return mean_over_layers(self.job, [unit.layer for unit in self._left], self._seconds_of)

    def _seconds_of(self, layer: str) -> float:
        net = self.job.net
        x = torch.zeros((8, *net.input_shape), device=net.device)
        began = time.perf_counter()
        recording = net.record(x, [layer])
        value = recording.activations([layer])[layer]
        recording.backward(layer, torch.ones_like(value), "deconv", [net.input_name])
        return (time.perf_counter() - began) * 9 / 8 * 1.5  # half as much again for cutting and writing

    @cached_property
    def _left(self) -> list[Unit]:
        """The units whose patches are not there yet; all where the scan is still to come."""
        owned = owned_units(self.job.store, self.job.units)
        try:
            top = TopImages.load(self.job.maxes)
        except ToolboxError:  # `run` says so, if it is still so then
            return owned
        return [unit for unit, _ in patches_to_make(top, owned, self.job.store, self.options)]

    def run(self, progress: Progress) -> list[str]:
        top = TopImages.load(self.job.maxes)
        if top.missing:
            progress.say(top.missing)
        if self.job.pictures is not None:  # they may have moved since the scan
            top.pictures = top.pictures.below(self.job.pictures.root)
        problems = write_patches(self.job.net, top, self.job.units, self.job.store, self.options, progress).problems
        self._keep_largest(top)
        return problems

    def _keep_largest(self, top: TopImages) -> None:
        """Let the store know what the units' best photographs reach, for the records of preferred images."""
        store = self.job.store
        largest = {
            unit: float(value)
            for unit in owned_units(store, self.job.units)
            if np.isfinite(value := top.largest(unit.layer)[unit.channel])
        }
        store.claim(self.job.net)
        add_numbers(store, {}, largest)


class PreferredStage(Stage):
    """Makes each unit's preferred images by gradient ascent."""

    title, unit = "preferred images", "pictures"

    def amount(self) -> int:
        return len(self.left)

    def seconds_each(self) -> float:
        return mean_over_layers(self.job, [picture.target.layer for picture in self.left], self._seconds_of)

    def _seconds_of(self, layer: str) -> float:
        target = next(picture.target for picture in self.left if picture.target.layer == layer)
        settings = self.job.settings or default_settings(self.job.net, target)
        took = []
        for steps in (1, 1, 1 + _TRIAL_STEPS):  # the first also pays for what is prepared once
            began = time.perf_counter()
            preferred_images(self.job.net, [target], [0], replace(settings, max_iter=steps))
            took.append(time.perf_counter() - began)
        return max(took[2] - took[1], took[2] / 10) * settings.max_iter / _TRIAL_STEPS

    def run(self, progress: Progress) -> list[str]:
        job, beside = self.job, beside_scan(self.job.net, self.job.maxes, self.job.pictures, progress.say)
        return [
            problem
            for settings, units in self._runs()
            for problem in make_unit_images(
                job.net, units, job.seeds, settings, job.store, progress, beside=beside
            ).problems
        ]

    def _runs(self) -> list[tuple[AscentSettings, list[Unit]]]:
        """Return the units with the settings that they climb with."""
        if self.job.settings:
            return [(self.job.settings, self._units)]
        return by_default_settings(self.job.net, self._units)

    @property
    def _units(self) -> list[Unit]:
        """Without those that have an archive's pictures, which would be shown all the same."""
        return [unit for unit in self.job.units if not self.job.store.holds_published("regularized_opt", unit)]

    @cached_property
    def left(self) -> list[AscentTask]:
        """The pictures that are not there yet."""
        job = self.job
        output = Output(store_files(job.net, job.store))
        return [
            picture
            for settings, units in self._runs()
            for picture in pictures_to_make(job.net, units, job.seeds, settings, output, Summary())
        ]


def mean_over_layers(job: Job, left: Sequence[str], seconds_of: Callable[[str], float]) -> float:
    """Return how long one of the things that are left takes; `left` are their layers, of which a few are tried, each
    once."""
    in_order = sorted(left, key=job.layers.index)
    count = min(_TRIALS, len(in_order))
    chosen = [in_order[(2 * trial + 1) * len(in_order) // (2 * count)] for trial in range(count)]
    seconds = {layer: seconds_of(layer) for layer in dict.fromkeys(chosen)}
    return sum(seconds[layer] for layer in chosen) / max(1, count)


STAGES: dict[str, type[Stage]] = {"scan": ScanStage, "crops": CropStage, "preferred": PreferredStage}
"""In the order in which they run."""


class Share(Silence):
    """A stage's part of the one progress display, which counts estimated seconds."""

    def __init__(self, whole: Progress, stage: Stage, seconds_each: float) -> None:
        self._whole, self._stage, self._seconds_each = whole, stage, seconds_each

    def advance(self, amount: float = 1) -> None:
        """Note that `amount` more of the stage's things are done."""
        self._whole.advance(amount * self._seconds_each)

    def note(self, text: str) -> None:
        """Show what the stage says, with its name."""
        self._whole.note(f"{self._stage.title}: {text}")

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._whole.say(line)
