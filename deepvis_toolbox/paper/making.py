"""Makes figures: says what they cost, does what is not kept yet, draws, and writes pictures and records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.drawing.sheets import captioned
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.paper.ascents import BATCH, made_ascents, tried_settings
from deepvis_toolbox.paper.figure import FIGURES, Arrays, Drawn, Figure, Piece
from deepvis_toolbox.paper.kept_pieces import KeptPieces
from deepvis_toolbox.paper.study import Study
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.unit_images.picture_file import write_picture
from deepvis_toolbox.version import __version__
from deepvis_toolbox.words.unit import Unit


@dataclass
class Plan:
    """One figure's work: what is there, and what is left."""

    figure: Figure
    kept: KeptPieces
    there: dict[str, Arrays] = field(default_factory=dict)
    left: list[Piece] = field(default_factory=list)

    @property
    def passes(self) -> float:
        """How many images go through the network for what is left."""
        return sum(piece.passes for piece in self.left)


def planned(study: Study, names: Sequence[str], folder: Path) -> tuple[list[Plan], list[str]]:
    """Return the figures' work, and a sentence for each that cannot be made of this network."""
    plans, problems = [], []
    for name in names:
        figure = FIGURES[name]()
        plan = Plan(figure, KeptPieces(folder, name, study.network_record))
        try:
            for piece in figure.pieces(study):
                found = plan.kept.read(piece)
                if found is None:
                    plan.left.append(piece)
                else:
                    plan.there[piece.name] = found
        except ToolboxError as error:
            problems.append(_told(study, name, error))
        else:
            plans.append(plan)
    return plans, problems


def seconds_a_pass(study: Study) -> float:
    """Return how long one image takes forward and backward through the whole network, tried with a few steps.

    Where that cannot be tried, a network without gradients, 0.
    """
    settings = tried_settings(study)
    unit = Unit(study.class_layer.name, 0)
    try:
        made_ascents(study, [unit], range(BATCH), settings, Silence())
        began = time.perf_counter()
        made_ascents(study, [unit], range(BATCH), settings, Silence())
    except ToolboxError:
        return 0.0
    return (time.perf_counter() - began) / (BATCH * settings.max_iter)


def make(study: Study, plans: Sequence[Plan], folder: Path, progress: Progress) -> tuple[list[Path], list[str]]:
    """Make the figures; return the pictures' files, and a sentence for each figure that could not be made.

    `progress` advances by 1 for each pass. What is done is kept at once. `ToolboxError` where something cannot be
    written: what follows could not be either.
    """
    written, problems = [], []
    for plan in plans:
        try:
            drawn = _drawn(study, plan, progress)
        except NotMadeError as error:
            problems.append(_told(study, plan.figure.name, error))
        else:
            written += _write(study, plan.figure, drawn, folder)
    return written, problems


class NotMadeError(ToolboxError):
    """A figure cannot be made of this network."""


def _drawn(study: Study, plan: Plan, progress: Progress) -> Drawn:
    """Do what is left of a figure's work and draw it."""
    for piece in plan.left:
        progress.note(f"figure {plan.figure.name}: {piece.name}")
        try:
            found = piece.make(progress)
        except ToolboxError as error:
            raise NotMadeError(str(error)) from error
        plan.kept.keep(piece, found)
        plan.there[piece.name] = found
    try:
        return plan.figure.draw(study, plan.there)
    except ToolboxError as error:
        raise NotMadeError(str(error)) from error


def _write(study: Study, figure: Figure, drawn: Drawn, folder: Path) -> list[Path]:
    """Write a figure's pages, then the record that says what they show."""
    pages = []
    for page in drawn.pages:
        name = "-".join(filter(None, (f"figure-{figure.name}", file_name_of(page.name) if page.name else "")))
        path = folder / f"{name}{page.suffix}"
        write_picture(path, captioned(page.drawing, figure.title, page.caption))
        pages.append((path, page))
    record: dict[str, Any] = {
        "figure": figure.name,
        "title": figure.title,
        "pages": [{"file": path.name, "caption": page.caption} for path, page in pages],
        "network": study.network_record,
        "extent": study.extent.name,
        "pictures": {"count": len(study.frames), "source": study.source, "sha256": study.frames_hash},
        "parameters": drawn.parameters,
        "numbers": drawn.numbers,
        "program": {"name": "deepvis-toolbox", "version": __version__},
    }
    write_json(folder / f"figure-{figure.name}.json", record)
    return [path for path, _ in pages]


def _told(study: Study, name: str, error: ToolboxError) -> str:
    return f"figure {name} cannot be made of {study.net.name}: {error}"
