"""The command lines that make missing unit images, for the network as this run of the toolbox opened it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from deepvis_toolbox.program_names import command_words
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind


@dataclass(frozen=True)
class PictureCommands:
    """What the network was opened with, as on this program's command line."""

    model: str
    engine: str = "torch"
    folder: str | None = None
    """Where unit images are, where the user has chosen that."""
    flags: tuple[tuple[str, str], ...] = ()
    """The other flags that say what the network is and how its input is made, (flag, value); with `--prototxt` they
    take the place of the model."""

    def command_for(self, kind: UnitImageKind, unit: Unit) -> str:
        """Return the command that makes this unit's pictures, as a shell reads it from the working directory."""
        preferred = kind == "regularized_opt"
        words = command_words("deepvis-optimize" if preferred else "deepvis-pipeline")
        named = [] if any(flag == "--prototxt" for flag, _ in self.flags) else [("--model", self.model)]
        engine = [] if self.engine == "torch" else [("--engine", self.engine)]
        images = [] if preferred else [("--images", "FOLDER")]
        store = [] if self.folder is None else [("--store", self.folder)]
        given = [*named, *self.flags, *engine, *images, *store, ("--units", str(unit))]
        return shlex.join([*words, *_flags(given)])


def _flags(given: list[tuple[str, str]]) -> list[str]:
    """Return each flag with its value; one that begins with a dash needs the equals sign."""
    words: list[str] = []
    for flag, value in given:
        words += [f"{flag}={value}"] if value.startswith("-") else [flag, value]
    return words
