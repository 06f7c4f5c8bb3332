"""Puts the parts of a scan together, to the bytes of the whole scan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.result_folder import ResultFolder, manifest_of
from deepvis_toolbox.scan.scan_settings import difference
from deepvis_toolbox.scan.top_images import TopImages


def merge(parts: Sequence[str | Path], out: str | Path, partial: bool = False) -> TopImages:
    """Merge the folders `parts` into `out`; return the whole.

    `ToolboxError` where they are parts of different scans, where batches are in twice, or, unless `partial`, missing.
    """
    if not parts:
        raise ToolboxError("name the folders of the parts to merge")
    identity, tally, pictures = ResultFolder(parts[0]).read_tally()
    for part in parts[1:]:
        other_identity, other, _ = ResultFolder(part).read_tally()
        different = difference(identity, other_identity)
        if different:
            raise ToolboxError(f'"{part}" is a part of another scan than "{parts[0]}": its {different} differs')
        tally.merge(other)
    batches = -(-len(pictures) // identity["batch_size"])
    missing = tally.left_of(0, batches)
    if missing and not partial:
        size, gap = identity["batch_size"], missing[0]
        pictures_missing = f"{gap.start * size} to {min(gap.stop * size, len(pictures)) - 1}"
        raise ToolboxError(f"pictures {pictures_missing} are in none of the parts; scan them, or merge with --partial")
    folder = ResultFolder(out)
    with folder.prepare(identity, pictures):
        arrays = folder.write_result(identity, tally)
    return TopImages(manifest_of(identity, tally), arrays, pictures)
