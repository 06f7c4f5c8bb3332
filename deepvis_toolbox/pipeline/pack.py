"""Command: a small store of unit images for giving away, with the montages of another one and nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deepvis_toolbox.command_line import run_command
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.unit_images.montage import Picture, montage3x3, scaled_to, tiles_of_3x3
from deepvis_toolbox.unit_images.store import KINDS, UnitImageStore


def pack(source: UnitImageStore, target: UnitImageStore, tile: int) -> tuple[int, int]:
    """Copies every montage, its pictures shrunk to at most `tile` pixels; (montages, bytes) written.

    `ToolboxError` where there are none, or one is damaged.
    """
    written = [
        target.write_montage(kind, layer, unit, _shrunk(montage, tile))
        for kind in KINDS
        for layer in source.layers(kind)
        for unit in source.units(kind, layer)
        if (montage := source.read(kind, layer, unit)) is not None
    ]
    if not written:
        raise ToolboxError(f'"{source.folder}" holds no unit images')
    return len(written), sum(path.stat().st_size for path in written)


def _shrunk(montage: Picture, tile: int) -> Picture:
    tiles = tiles_of_3x3(montage)
    height, width = tiles[0].shape[:2]
    factor = min(1.0, tile / max(height, width))
    smaller = max(1, round(height * factor)), max(1, round(width * factor))
    return montage3x3([scaled_to(image, *smaller) for image in tiles])


def main() -> int:
    """Packs as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m deepvis_toolbox.pipeline.pack", description=__doc__)
    parser.add_argument("source", type=Path, help="a store of unit images")
    parser.add_argument("target", type=Path, help="where the small one is written")
    parser.add_argument("--tile", type=int, default=112, help="pixels of one picture (default: %(default)s)")
    options = parser.parse_args()
    if options.tile < 8:
        raise ToolboxError(f"--tile is {options.tile}; pictures have at least 8 pixels a side")
    count, size = pack(UnitImageStore(options.source), UnitImageStore(options.target), options.tile)
    print(f"{options.target}: {count} montages, {size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
