"""Command: a small store of unit images for giving away: what the window shows of another one, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.command_line.flags import add_talk_flags
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.optimize.files.reached import record_beside
from deepvis_toolbox.pipeline.packed_settings import keep_settings, packed_singles, shown_in
from deepvis_toolbox.unit_images.claim import CLAIM, claim_of
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.unit_images.montage import montage_for_jpeg, shrunk_to, tiles_of_3x3
from deepvis_toolbox.unit_images.numbers import UnitNumbers, add_numbers, natural_of, numbers_of, picture_hash
from deepvis_toolbox.unit_images.picture_file import read_picture
from deepvis_toolbox.unit_images.store import UnitImageStore, is_tag
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS, UnitImageKind

SMALLEST_TILE = 8


def pack(source: UnitImageStore, target: UnitImageStore, tile: int) -> tuple[int, int]:
    """Copy every unit's pictures, shrunk to at most `tile` pixels a side; (files, bytes) written.

    A unit with one to four preferred images gets those, which are shown large; the others their 3×3 montage.
    `ToolboxError` where there are none, or one is damaged; where `target` lies in the source or holds another network's
    pictures, or an archive's of a unit that is packed.
    """
    units = [
        (kind, unit) for kind in UNIT_IMAGE_KINDS for layer in source.layers(kind) for unit in source.units(kind, layer)
    ]
    if not units:
        raise ToolboxError(f'"{source.folder}" holds no unit images')
    _check_target(source, target, units)
    with FolderLock(target.folder):
        written = [path for kind, unit in units for path in _pack_unit(source, target, kind, unit, tile)]
        preferred = [unit for kind, unit in units if kind == "regularized_opt"]
        _pack_numbers(source, target, preferred, written)
        keep_settings(source, target, preferred)
    return len(written), sum(path.stat().st_size for path in written)


def _pack_numbers(
    source: UnitImageStore, target: UnitImageStore, units: Sequence[Unit], written: Collection[Path]
) -> None:
    """Keep what the pictures' units reached; what judges say of larger pictures is left to be judged anew. Where a
    former packing's picture still comes first, nothing is kept."""
    natural = {unit: value for unit in units if (value := natural_of(source, unit)) is not None}
    reached = {
        unit: UnitNumbers(picture_sha256=picture_hash(files[0]), reached=_reached(source, unit, found))
        for unit in units
        if (found := numbers_of(source, unit))
        and (files := target.files("regularized_opt", unit))
        and files[0] in written
    }
    if natural or reached:
        add_numbers(target, reached, natural)


def _reached(source: UnitImageStore, unit: Unit, found: UnitNumbers) -> float | None:
    """Return what the first picture of a packed unit reached: as the source, where it begins with the same one, else as
    its record says; None where that is not known."""
    singles = packed_singles(source, unit)
    if not singles or singles[0] == (shown_in(source, unit) or source.files("regularized_opt", unit))[0]:
        return found.reached
    record = record_beside(singles[0])
    return record["best_objective"] if record else None


def _check_target(source: UnitImageStore, target: UnitImageStore, units: Sequence[tuple[UnitImageKind, Unit]]) -> None:
    """Raise `ToolboxError` where pictures would be replaced that are not a former packing of the same store."""
    here, there = source.folder.resolve(), target.folder.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ToolboxError(f'"{target.folder}" and "{source.folder}" are not apart; choose another folder to pack into')
    owner = claim_of(target.folder)
    if (target.folder / CLAIM).exists() and (owner is None or owner != claim_of(source.folder)):  # None: damaged
        raise ToolboxError(
            f'"{target.folder}" holds another network\'s unit images; choose another folder to pack into'
        )
    published = next((unit for kind, unit in units if target.holds_published(kind, unit)), None)
    if published is not None:
        raise ToolboxError(
            f'"{target.folder}" holds an archive\'s pictures ({published}); choose another folder to pack into'
        )


def _pack_unit(
    source: UnitImageStore, target: UnitImageStore, kind: UnitImageKind, unit: Unit, tile: int
) -> Iterator[Path]:
    singles = packed_singles(source, unit) if kind == "regularized_opt" else []
    if singles:
        for number, path in enumerate(singles):
            said = path.stem.removeprefix(f"{file_name_of(unit.layer)}_{unit.channel:04d}_")
            tag = said if is_tag(said) else f"picture{number}"  # somebody else's store has names of its own
            yield target.write_single(kind, unit, tag, shrunk_to(read_picture(path), tile))
        return
    montage = source.read(kind, unit)
    if montage is not None:
        tiles = [shrunk_to(image, tile) for image in tiles_of_3x3(montage)]
        yield target.write_montage(kind, unit, montage_for_jpeg(tiles), source.said(kind, unit))


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "pack",
        "Makes a small store of unit images for giving away: what the window shows of another one, and nothing else.",
        [("unit_images/my-net small/", ""), ("unit_images/my-net small/ --tile 64", "smaller pictures")],
    )
    parser.group("pictures in").add_argument("source", type=Path, help="a store of unit images")
    results = parser.group("results out")
    results.add_argument("target", type=Path, help="where the small one is written")
    add_flag(results, "--tile", reader=partial(values.whole_number, least=SMALLEST_TILE), default=112, metavar="N",
             help="pixels of one picture (default: 112)")  # fmt: skip
    add_talk_flags(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    count, size = pack(UnitImageStore(given.source), UnitImageStore(given.target), given.tile)
    print(f"{given.target}: {count} pictures, {size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
