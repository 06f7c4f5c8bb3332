"""Joins the single pictures in the store: 3×3 montages of units, one picture of a whole layer, comparisons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np

from deepvis_toolbox.drawing.text import Font, draw_text, wrapped
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.compare import Panel, comparison
from deepvis_toolbox.optimize.files.output import SHOWN
from deepvis_toolbox.optimize.files.picture_files import KIND, PictureFiles, StoreFiles
from deepvis_toolbox.optimize.files.reached import rank_of, reached_by, record_beside
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.montage import BACKGROUND, enlarged, legible_montage, scaled_to, whole_layer
from deepvis_toolbox.unit_images.picture_file import is_published, read_picture, write_picture
from deepvis_toolbox.unit_images.store import COMPARED
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit

Judged = Callable[[Target, Sequence[RGBImage]], Sequence[str]]
LARGEST_TILE = 100
"""Pixels; a unit's picture in the picture of its whole layer is no larger."""
PANEL = 9
"""How many pictures a montage shows: those with the smallest seeds, from whichever run, the surest first."""
NOTHING_FOUND = "no direction found"
SMALLEST_SAID = 72
"""Pixels; where a picture is missing, all are enlarged to this at least, so that its place can say why."""
SAID_ALONE = 100
"""Pixels; where no picture is there at all."""


def write_montages(
    net: Network,
    files: PictureFiles,
    targets: Sequence[Target],
    problems: list[str],
    failed: Collection[Path] = (),
) -> list[Path]:
    """Write the montage of every unit that has pictures, and of every layer whose units all have one; their paths.

    Nothing is done for files under the original's names, or for what is no unit. `problems` is told of damaged pictures
    and files that cannot be written; the other montages are written all the same. `failed`: where the pictures of
    ascents that found no direction would be; their places say so.
    """
    if not isinstance(files, StoreFiles):
        return []
    units = [target for target in dict.fromkeys(targets) if isinstance(target, Unit)]
    written = [_told(problems, partial(_write_unit_montage, files, unit, failed)) for unit in units]
    for layer in dict.fromkeys(unit.layer for unit in units if not files.tag(unit)):
        written.append(_told(problems, partial(_write_whole_layer, net, files, layer)))
    return [path for path in written if path is not None]


def write_comparison(
    panels: Sequence[tuple[str, PictureFiles]],
    targets: Sequence[Target],
    problems: list[str],
    failed: Collection[Path] = (),
    judged: Judged = lambda target, pictures: [],  # noqa: ARG005
) -> list[Path]:
    """Write, for every target, one picture of its pictures under several presets: (title, the files of that run)
    each, with what they reach. `failed`: as `write_montages`. `judged`: says of a target's pictures, RGB uint8, what
    others make of them, a line each."""
    runs = [(title, files) for title, files in panels if isinstance(files, StoreFiles)]
    compared = dict.fromkeys(targets if runs else ())
    written = [_told(problems, partial(_write_comparison, runs, target, failed, judged)) for target in compared]
    return [path for path in written if path is not None]


def _told(problems: list[str], write: Callable[[], Path | None]) -> Path | None:
    try:
        return write()
    except ToolboxError as error:
        problems.append(str(error))
        return None


def _write_comparison(
    runs: Sequence[tuple[str, StoreFiles]], target: Target, failed: Collection[Path], judged: Judged
) -> Path | None:
    drawn = []
    for title, files in runs:
        found, missing = found_pictures(files, target, failed)
        if found:
            there = [path for path in found if path not in missing]
            notes = [*reached_by(files, target, there), *judged(target, [read_picture(path) for path in there])]
            drawn.append(Panel(title, _pictures(found, missing), notes if there else []))
    if not drawn:
        return None
    files = runs[0][1]
    path = files.named(target, f"{COMPARED}_{files.place(target)}".rstrip("_"))
    write_picture(path, comparison(drawn))
    return path


def _write_unit_montage(files: StoreFiles, unit: Unit, failed: Collection[Path]) -> Path | None:
    found, missing = surest_first(files, unit, failed)
    if not found:
        return None
    shown = _pictures(found, missing)
    published = files.store.holds_published(KIND, unit)  # then ours goes beside it
    if not files.tag(unit) and not published:
        return files.store.write_montage(KIND, unit, legible_montage(shown))
    path = files.store.single_path(KIND, unit, f"{files.tag(unit) or 'made_'}montage")
    write_picture(path, legible_montage(shown))
    return path


def found_pictures(files: StoreFiles, target: Target, failed: Collection[Path]) -> tuple[list[Path], set[Path]]:
    """Return the pictures' files of the smallest seeds, and those among them of ascents that failed."""
    example = files.named(target, f"{files.tag(target)}s0000_{SHOWN}", files.suffix)
    pattern = example.stem.replace("_s0000_", "_s[0-9]*_")
    missing = {path for path in failed if path.parent == example.parent and fnmatchcase(path.stem, pattern)}
    there = [path for suffix in (*files.suffixes, files.suffix) for path in example.parent.glob(f"{pattern}{suffix}")]
    found = {path.stem: path for path in [*there, *missing]}  # of a picture in both formats, that of this run
    return sorted(found.values(), key=lambda path: (len(path.stem), path.stem))[:PANEL], missing


def surest_first(files: StoreFiles, unit: Unit, failed: Collection[Path]) -> tuple[list[Path], set[Path]]:
    """Return the same in the order of a montage: that of what they reach, those that failed at the end."""
    found, missing = found_pictures(files, unit, failed)
    return sorted(found, key=lambda path: rank_of(None if path in missing else record_beside(path))), missing


def _pictures(in_order: Sequence[Path], missing: Collection[Path]) -> list[RGBImage]:
    pictures = [None if path in missing else read_picture(path) for path in in_order]
    there = [picture for picture in pictures if picture is not None]
    if len(there) == len(pictures):
        return there
    height, width = there[0].shape[:2] if there else (SAID_ALONE, SAID_ALONE)
    times = -(-SMALLEST_SAID // min(height, width))
    said = _said(height * times, width * times)
    return [said if picture is None else enlarged(picture, max(height, width) * times) for picture in pictures]


def _said(height: int, width: int) -> RGBImage:
    """Return what stands in place of a picture for which no direction was found."""
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    font = Font(max(11, min(height, width) // 7))
    lines = wrapped(NOTHING_FOUND, font, width - 4)
    top = (height - (len(lines) - 1) * font.line_height + font.capital_height) // 2
    for number, line in enumerate(lines):
        draw_text(picture, line, width // 2, top + number * font.line_height, font, (170, 170, 170), "centre")
    return picture


def _write_whole_layer(net: Network, files: StoreFiles, layer: str) -> Path | None:
    if is_published(files.store.whole_layer_path(KIND, layer)):  # an archive's stays as it is
        return None
    channels = net.layers[layer].channels
    if len(files.store.units(KIND, layer)) < channels:
        return None
    tiles = []
    for channel in range(channels):
        tile = files.store.read_best(KIND, Unit(layer, channel))
        if tile is None:
            return None
        height, width = (min(side, LARGEST_TILE) for side in tile.shape[:2])
        tiles.append(scaled_to(tile, height, width))
    return files.store.write_whole_layer(KIND, layer, whole_layer(tiles))
