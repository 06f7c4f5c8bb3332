"""Preferred images of one unit on demand, a step at a time: who calls it decides when there is time for the next."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import torch

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.kept_numbers import keep_numbers
from deepvis_toolbox.optimize.files.montages import write_montages
from deepvis_toolbox.optimize.files.output import Output
from deepvis_toolbox.optimize.files.picture_files import KIND
from deepvis_toolbox.optimize.files.presets import default_settings
from deepvis_toolbox.optimize.files.reached import rank_of, record_beside
from deepvis_toolbox.optimize.files.shown_image import shown
from deepvis_toolbox.optimize.method.ascent import Ascent
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.journal import Journal
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.starts import start_image
from deepvis_toolbox.optimize.method.targets import Target, checked_target, objective_of
from deepvis_toolbox.optimize.production import Summary, keep_picture, pictures_to_make, store_files
from deepvis_toolbox.scan.patches.patch_store import owned_units, write_patches
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.growth import Growth
from deepvis_toolbox.unit_images.montage import montage3x3
from deepvis_toolbox.unit_images.picture_file import read_picture
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit, checked_unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

_log = logging.getLogger(__name__)

PAUSED_KEPT = 8
"""So many units may be left half made; of the one left longest ago, only its finished pictures stay."""
SEEDS = tuple(range(9))


class OnDemand:
    """Makes pictures of whichever unit is asked for; the others wait where they were. For one thread."""

    def __init__(
        self,
        network: Network,
        store: UnitImageStore,
        settings: AscentSettings | None = None,
        seeds: Sequence[int] = SEEDS,
        maxes: Path | None = None,
    ) -> None:
        """Take `settings`: the model's default preset, where it has one, unless given.

        `maxes`: the result of a scan; with it, a unit's top images and their deconvs are made first.
        """
        self._network = network
        self._settings = settings
        self._store, self._output = store, Output(store_files(network, store))
        self._seeds = tuple(seeds)
        self._top = None if maxes is None else _TopImagePatches(network, store, maxes)
        self._begun: OrderedDict[Unit, _UnitPictures] = OrderedDict()
        self._failed: dict[Unit, Growth] = {}

    def advance(self, unit: Unit) -> None:
        """Do one more step for the unit; nothing where all is made. What fails is told by `growth`, not raised, and
        begins anew when it is asked for again."""
        pictures = self._begun.get(unit)
        if pictures is None:
            (owner,) = owned_units(self._store, [checked_unit(unit, self._network.layers)])
            settings = self._settings or default_settings(self._network, owner)
            pictures = self._begun[unit] = _UnitPictures(
                self._network, owner, self._seeds, settings, self._output, self._store, self._top
            )
            if len(self._begun) > PAUSED_KEPT:
                self._begun.popitem(last=False)[1].stop()
        self._begun.move_to_end(unit)
        pictures.advance()
        if pictures.failed:
            self._failed[unit] = self.growth(unit)
            del self._begun[unit]

    def is_done(self, unit: Unit) -> bool:
        """Return whether all pictures of the unit are made and saved, or cannot be made."""
        pictures = self._begun.get(unit)
        return unit in self._failed or (pictures is not None and pictures.done)

    def growth(self, unit: Unit) -> Growth:
        """Return how far the unit's pictures are; what has failed is told once."""
        if unit in self._failed:
            return self._failed.pop(unit)
        pictures = self._begun.get(unit)
        if pictures is None:
            return Growth(unit, None, "beginning …")
        return Growth(unit, pictures.montage(), pictures.note, pictures.done)


class _TopImagePatches:
    """Patches of a unit's top images, from a scan; it is read when the first unit is asked for."""

    def __init__(self, network: Network, store: UnitImageStore, maxes: Path) -> None:
        self._network, self._store, self._maxes = network, store, maxes
        self._read: TopImages | None = None

    def make(self, target: Target) -> list[str]:
        """Write the unit's top images and their deconvs; the problems met, a sentence each."""
        if not isinstance(target, Unit):
            return []
        try:
            if _came_with_it(self._store, target, "max_im"):
                return []
            self._read = self._read or TopImages.load(self._maxes)
            with FolderLock(self._store.folder):
                return write_patches(self._network, self._read, [target], self._store).problems
        except ToolboxError as error:  # its preferred images are made all the same
            return [str(error)]


def _came_with_it(store: UnitImageStore, unit: Unit, kind: UnitImageKind) -> bool:
    """Return whether the unit has pictures from an archive or from the model's author: on demand it gets no others."""
    if store.holds_published(kind, unit):
        return True
    made_here = store.montage_path(kind, unit).is_file()
    return not made_here and store.has(kind, unit)


class _UnitPictures:
    """One unit's pictures: those finished, and the one that climbs."""

    def __init__(
        self,
        network: Network,
        unit: Unit,
        seeds: Sequence[int],
        settings: AscentSettings,
        output: Output,
        store: UnitImageStore,
        top: _TopImagePatches | None,
    ) -> None:
        self.done, self.failed, self.note = False, False, ""
        self._network, self._settings, self._output, self._seeds = network, settings, output, seeds
        self._target = checked_target(unit, network)
        self._store, self._top = store, top
        self._finished: dict[int, RGBImage] = {}
        self._growing: torch.Tensor | None = None
        self._steps = self._make()

    def advance(self) -> None:
        if self.done:
            return
        try:
            next(self._steps)
        except StopIteration:
            self.done = True
        except ToolboxError as error:  # a full disk, a folder that cannot be written, or that another run writes to
            self._fail(str(error))
        except Exception as error:  # whoever calls goes on with other things
            _log.exception("pictures of %s", self._target)
            self._fail(sentence_of(error))

    def _fail(self, why: str) -> None:
        self.note, self.done, self.failed = why, True, True

    def stop(self) -> None:
        """Let go of what the climbing picture holds. It and this object hold each other; Python sees that only late."""
        self._steps.close()

    def montage(self) -> RGBImage | None:
        """Return all finished pictures and the growing one, in the order of their seeds; when all are made, in that of
        the montage."""
        pictures = list(self._finished.values())
        if self._growing is not None:
            image = self._growing[0].cpu().numpy()
            pictures.append(shown(self._network, self._target, self._settings, image))
        return montage3x3(pictures[:9]) if pictures else None

    def _make(self) -> Generator[None]:
        """Yield each step of each picture; write a picture when it is whole, the montage after the last."""
        problems: list[str] = []
        if self._top:
            self.note = "top images"
            yield
            problems += self._top.make(self._target)
        summary = Summary(problems=problems)
        wanted = pictures_to_make(self._network, [self._target], self._seeds, self._settings, self._output, summary)
        none_made = len(wanted) == len(self._seeds)
        if isinstance(self._target, Unit) and none_made and _came_with_it(self._store, self._target, KIND):
            self.note = summary.problems[0] if summary.problems else "it has pictures already"
            return
        self._read_finished({picture.seed for picture in wanted})
        if wanted:  # before the work is done: whether anybody else has the store
            self._alone().release()
        for picture in wanted:
            yield from self._climb(picture, summary)
        with self._alone():
            failed = summary.failed if self._finished else ()  # of a unit without any, the note says it
            write_montages(self._network, self._output.files, [self._target], summary.problems, failed)
            keep_numbers(self._output.files, [self._target], summary.problems)
        self._finished = {seed: self._finished[seed] for seed in sorted(self._finished, key=self._rank_of)}
        self.note = summary.problems[0] if summary.problems else "made and saved"

    def _alone(self) -> FolderLock:
        """While nobody else writes into the store: for as long as something is written, since who asked may leave."""
        return FolderLock(self._store.folder)

    def _read_finished(self, missing: set[int]) -> None:
        for seed in self._seeds:
            path = self._output.shown_path(AscentTask(self._target, seed))
            if seed not in missing and path.is_file():
                self._finished[seed] = read_picture(path)

    def _rank_of(self, seed: int) -> tuple[bool, float]:
        return rank_of(record_beside(self._output.shown_path(AscentTask(self._target, seed))))

    def _climb(self, picture: AscentTask, summary: Summary) -> Iterator[None]:
        """Yield at each step of a picture; one that failed is told in `summary`, and is neither kept nor shown."""
        network, settings = self._network, self._settings
        objective = objective_of([self._target], network, settings)
        ascent = Ascent(network, objective, settings, [picture.seed])
        canvas = canvas_of(settings, network.preprocessing)
        start = torch.from_numpy(start_image(settings.start_at, picture.seed, canvas))[None]
        number = f"picture {list(self._seeds).index(picture.seed) + 1} of {len(self._seeds)}"

        def watch(step: int, rows: torch.Tensor, x: torch.Tensor, objectives: torch.Tensor) -> None:  # noqa: ARG001
            self._growing = x.clone()
            self.note = f"{number}, step {step + 1} of {settings.max_iter}"

        journal: Journal | None = None
        for journal in ascent.climbing(start.to(network.device), watch):  # noqa: B007 - the last one is the result
            yield
        assert journal is not None
        (result,) = journal.results([self._target], [picture.seed])
        self._growing = None
        with self._alone():
            kept, problem = keep_picture(network, picture, settings, self._output, result)
        if problem:
            summary.problems.append(problem)
        if result.found_nothing(settings.start_at):
            summary.failed.add(self._output.shown_path(picture))
        if kept:
            self._finished[picture.seed] = shown(network, self._target, settings, result.best)
