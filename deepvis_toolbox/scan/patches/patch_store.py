"""Writes units' patches, their deconvs and what is known about them into the store; goes on where it stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import is_written, remove, remove_partial_files, write_text
from deepvis_toolbox.drawing.backward_views import backward_picture
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import frame
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.regular_file import json_in, lines_of, read_regular
from deepvis_toolbox.scan.patches.patches import Patch, PatchMaker, TopEntry, entries_of
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.montage import montage_for_jpeg, shrunk_to
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.backward import PLAIN_DECONV, BackwardLook, look_text
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

UNITS_AT_ONCE = 8
_LIGHT, _DARK = (255, 255, 255), (0, 0, 0)
_KINDS: tuple[UnitImageKind, ...] = ("max_im", "max_deconv")
_LARGEST_INFO = 16 << 20
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a damaged info file raises."""
_TAG_OF_OURS = re.compile(r"\d{3,}(_\w+-[\w-]+)?")
"""How single patches are called, behind the unit's number."""


@dataclass
class PatchSummary:
    """What came of a run."""

    made: int = 0
    """Units."""
    there: int = 0
    """Units whose pictures were there already, of the same top."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PatchOptions:
    """`count`: pictures a unit, up to 9 in the montage. `looks`: the first makes the montage.

    `singles`: also each patch as a file of its own. `tile`: the longer side of a montage's tiles is at most this; 0: as
    large as the receptive field.
    """

    count: int = 9
    looks: tuple[BackwardLook, ...] = (PLAIN_DECONV,)
    singles: bool = False
    tile: int = 0
    batch_size: int = 8


def write_patches(
    net: Network,
    top: TopImages,
    units: Sequence[Unit],
    store: UnitImageStore,
    options: PatchOptions | None = None,
    progress: Progress | None = None,
) -> PatchSummary:
    """Make `max_im` and `max_deconv` of the units, from a scan of the same network.

    `options`: as the network's description says, unless given.

    A unit of a layer that shows another layer's pictures stands for that layer's. What an archive has is left as it is.
    Nobody else writes into the store meanwhile (`FolderLock`): half-written files are those of killed runs, and are
    removed. `progress` advances by 1 for each of the `owned_units`. `ToolboxError` where a unit's layer was not
    scanned, the store holds another network's pictures, or a file cannot be written.
    """
    options = options or PatchOptions(looks=net.description.unit_images.looks)
    progress, summary = progress or Silence(), PatchSummary()
    store.check_network(net)
    owned = owned_units(store, units)
    maker = PatchMaker(net, top, list(dict.fromkeys(mode for mode, _ in options.looks)))
    writer = _UnitWriter(top, store, options)
    wanted = patches_to_make(top, owned, store, options)
    if wanted:
        store.claim(net)
    for folder in {store.layer_folder(kind, unit.layer) for unit, _ in wanted for kind in _KINDS}:
        remove_partial_files(folder)
    summary.there = len(owned) - len(wanted)
    progress.advance(summary.there)
    for begin in range(0, len(wanted), UNITS_AT_ONCE):
        part = wanted[begin : begin + UNITS_AT_ONCE]
        made = maker.patches([entry for _, entries in part for entry in entries], options.batch_size)
        for unit, entries in part:
            patches = [next(made) for _ in entries]
            problems = [*filter(None, (patch.problem for patch in patches)), *_broken(unit, patches)]
            if writer.would_lose_pictures(unit, patches):
                problems.append(f"{unit}: its former pictures stay, since more of these cannot be read")
            else:
                writer.write(unit, patches)
                summary.made += 1
            for problem in problems:
                summary.problems.append(problem)
                progress.say(problem)
            progress.advance(1)
    return summary


def _broken(unit: Unit, patches: Sequence[Patch]) -> Iterator[str]:
    """Give a sentence for each mode in which nothing can be shown of the unit; making it again would not mend it."""
    for mode in dict.fromkeys(mode for patch in patches for mode in patch.broken_modes):
        yield f"{unit}: its {mode} is not finite, as weights or values of the network are; nothing is seen in it"


def owned_units(store: UnitImageStore, units: Sequence[Unit]) -> list[Unit]:
    """Return the units whose pictures the store shows for these, each once: those of shared layers are another
    layer's."""
    return list(dict.fromkeys(Unit(store.owner(unit.layer), unit.channel) for unit in units))


def patches_to_make(
    top: TopImages, owned: Sequence[Unit], store: UnitImageStore, options: PatchOptions
) -> list[tuple[Unit, list[TopEntry]]]:
    """Return those of the units whose patches are not there yet, with what they are made of.

    `ToolboxError` where a unit's layer was not scanned.
    """
    unscanned = sorted({unit.layer for unit in owned} - set(top.layers))
    if unscanned:
        raise ToolboxError(f'layer "{unscanned[0]}" was not scanned; scan it, or leave it out')
    writer = _UnitWriter(top, store, options)
    found = [(unit, entries_of(top, unit, options.count)) for unit in owned]
    return [(unit, entries) for unit, entries in found if entries and not writer.is_there(unit, entries)]


def info_path(store: UnitImageStore, unit: Unit) -> Path:
    """Return where the unit's JSON lines are: a line for each of its top images, best first."""
    montage = store.montage_path("max_im", unit)
    return montage.with_name(f"{montage.stem}_info.jsonl")


class _UnitWriter:
    """Writes one unit's files; the info file goes first and comes last: with it, all are there, and of one run."""

    def __init__(self, top: TopImages, store: UnitImageStore, options: PatchOptions) -> None:
        self._top, self._store, self._options = top, store, options

    def is_there(self, unit: Unit, entries: Sequence[TopEntry]) -> bool:
        """Return whether nothing is to be made: the patches are there without a problem, or an archive has the
        unit's."""
        if any(self._store.holds_published(kind, unit) for kind in _KINDS):
            return True
        try:
            lines = self._read_info(unit)
            whole = all(line["problem"] is None for line in lines)  # what was grey may be readable by now
            same = [self._identity(line) for line in lines] == [self._identity(self._line(e)) for e in entries]
        except _DAMAGE:
            return False
        paths = [*(self._store.montage_path(kind, unit) for kind in _KINDS), *self._singles_of(unit, len(entries))]
        return whole and same and all(is_written(path) for path in paths)

    def would_lose_pictures(self, unit: Unit, patches: Sequence[Patch]) -> bool:
        """Return whether more of the unit's pictures would be grey than are now, as on a disk that is not mounted."""
        if not any(self._store.montage_path(kind, unit).exists() for kind in _KINDS):
            return False
        try:
            there = sum(bool(line.get("grey", line["problem"])) for line in self._read_info(unit))
        except _DAMAGE:
            there = 0
        return sum(patch.is_grey for patch in patches) > there

    def write(self, unit: Unit, patches: Sequence[Patch]) -> None:
        remove(info_path(self._store, unit))
        seen = [_marked(self._sized(patch.image), patch) for patch in patches]
        self._montage("max_im", unit, seen)
        for number, (mode, view) in enumerate(self._options.looks):
            drawn = [backward_picture(patch.gradients[mode], view) for patch in patches]
            look = look_text((mode, view))
            if number == 0:
                self._montage("max_deconv", unit, [self._sized(image) for image in drawn], look)
            if number or self._options.singles:
                self._singles("max_deconv", unit, drawn, look)
        if self._options.singles:
            self._singles("max_im", unit, [_marked(patch.image, patch) for patch in patches])
        self._remove_former_singles(unit, len(patches))
        lines = [json.dumps(self._line(patch.entry) | _made(patch)) for patch in patches]
        write_text(info_path(self._store, unit), "\n".join(lines) + "\n")

    def _montage(self, kind: UnitImageKind, unit: Unit, images: Sequence[NDArray[np.uint8]], said: str = "") -> None:
        self._store.write_montage(kind, unit, montage_for_jpeg(images[:9]), said)

    def _singles(self, kind: UnitImageKind, unit: Unit, images: Sequence[NDArray[np.uint8]], look: str = "") -> None:
        for rank, image in enumerate(images):
            self._store.write_single(kind, unit, _tag(rank, look), image, ".png")

    def _singles_of(self, unit: Unit, count: int) -> list[Path]:
        """Return where the single files of so many patches are, as the options want them."""
        looks = [look_text(look) for look in self._options.looks[0 if self._options.singles else 1 :]]
        tags: list[tuple[UnitImageKind, str]] = [("max_deconv", look) for look in looks]
        if self._options.singles:
            tags.append(("max_im", ""))
        return [
            self._store.single_path(kind, unit, _tag(rank, look), ".png")
            for kind, look in tags
            for rank in range(count)
        ]

    def _remove_former_singles(self, unit: Unit, count: int) -> None:
        """Remove what a run of another count or with other looks has left, which would be shown as this one's."""
        wanted = set(self._singles_of(unit, count))
        for kind in _KINDS:
            montage = self._store.montage_path(kind, unit)
            start = f"{montage.stem}_"
            for path in montage.parent.glob(f"{start}*.png"):
                if path not in wanted and _TAG_OF_OURS.fullmatch(path.stem.removeprefix(start)):
                    remove(path)

    def _read_info(self, unit: Unit) -> list[dict[str, Any]]:
        """Raise nearly anything where there is none, or it is damaged."""
        text = read_regular(info_path(self._store, unit), _LARGEST_INFO).decode("utf-8")
        return [json_in(line, is_finite=False) for line in lines_of(text.removesuffix("\n"))]

    def _sized(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return shrunk_to(image, self._options.tile) if self._options.tile else image

    def _line(self, entry: TopEntry) -> dict[str, Any]:
        label = self._top.pictures.labels[entry.picture]
        return {
            "layer": entry.unit.layer,
            "unit": entry.unit.channel,
            "rank": entry.rank,
            "value": entry.value,
            "place": list(entry.unit.place) if isinstance(entry.unit.place, tuple) else None,
            "label": label if label >= 0 else None,
            "picture": self._top.pictures.names[entry.picture],
            "count": self._options.count,
            "looks": [list(look) for look in self._options.looks],
            "singles": self._options.singles,
            "tile": self._options.tile,
        }

    @staticmethod
    def _identity(line: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in line.items() if key not in ("recomputed", "shown", "problem", "grey")}


def _marked(image: RGBImage, patch: Patch) -> RGBImage:
    """Return a patch's picture of any size, RGB uint8 (h, w, 3), with a frame around what the patch marks."""
    if patch.mark is None or patch.is_grey:
        return image
    down, across = (now / then for now, then in zip(image.shape[:2], patch.image.shape[:2], strict=True))
    top, left, bottom, right = patch.mark
    box = Box(round(top * down), round(left * across), round(bottom * down), round(right * across))
    thickness, marked = max(1, min(image.shape[:2]) // 112), image.copy()
    frame(marked, box, _DARK, 2 * thickness)
    frame(marked, box, _LIGHT, thickness)
    return marked


def _tag(rank: int, look: str) -> str:
    return f"{rank:03d}_{look}".rstrip("_").replace(":", "-")


def _made(patch: Patch) -> dict[str, Any]:
    problem = patch.problem or None
    return {"recomputed": patch.recomputed, "shown": list(patch.rect), "problem": problem, "grey": patch.is_grey}
