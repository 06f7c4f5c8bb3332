"""Runs the pipeline's command in this process, and looks at what it has left on disk."""

from __future__ import annotations

from pathlib import Path

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.pipeline.pipeline_command import main
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind


def run(*arguments: str) -> int:
    return run_command(lambda: main(["--model", "model", "--device", "cpu", *arguments]))


def modified(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def channels(store: UnitImageStore, kind: UnitImageKind, layer: str) -> list[int]:
    """Of which units of the layer there are pictures."""
    return [unit.channel for unit in store.units(kind, layer)]
