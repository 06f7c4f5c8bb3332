"""The command lines that make missing unit images, for the network as this run of the toolbox opened it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

SAVE_FIRST = "save the network with --save-model DIR and start with --model DIR; then a command stands here"
DESCRIBE_FIRST = "write the flags into a model.yaml and start with --model FILE; then a command stands here"

_SWAPS = {"RGB": "(0,1,2)", "BGR": "(2,1,0)"}


@dataclass(frozen=True)
class PictureCommands:
    """What the network was opened with, as on this program's command line; None and empty: not given."""

    model: str
    engine: str = "torch"
    folder: str | None = None
    """Where unit images are, where the user has chosen that."""
    prototxt: str | None = None
    weights: str | None = None
    mean: str | None = None
    input_size: str | None = None
    channels: str | None = None
    only_here: bool = False
    """Flags were given that change the network's input and that only this program has."""

    def command_for(self, kind: UnitImageKind, unit: Unit) -> str:
        """The command that makes this unit's pictures; where there is none, the sentence that leads to one."""
        words = self._preferred() if kind == "regularized_opt" else self._top()
        if words is None:
            return SAVE_FIRST if self.prototxt else DESCRIBE_FIRST
        return shlex.join([*words, "--units", str(unit)])

    def _preferred(self) -> list[str] | None:
        """`optimize_image.py` knows most of the flags, by the original's names."""
        if self.only_here or self.channels == "gray" or (self.weights and not self.prototxt):
            return None
        caffe = [("--deploy-proto", self.prototxt), ("--net-weights", self.weights)]
        return [
            *("python", "optimize_image.py"),
            *_flags(*(caffe if self.prototxt else [("--model", self.model)]), *self._engine()),
            *_flags(("--mean", self.mean), ("--data-size", _size(self.input_size))),
            *_flags(("--channel-swap-to-rgb", _SWAPS.get(self.channels or "")), ("--output", self.folder)),
        ]

    def _top(self) -> list[str] | None:
        """The pipeline opens a network by its name only."""
        if self.only_here or any((self.prototxt, self.weights, self.mean, self.input_size, self.channels)):
            return None
        return [
            *("python", "-m", "deepvis_toolbox.pipeline"),
            *_flags(("--model", self.model), *self._engine(), ("--images", "FOLDER"), ("--store", self.folder)),
        ]

    def _engine(self) -> list[tuple[str, str | None]]:
        return [("--engine", None if self.engine == "torch" else self.engine)]


def _flags(*given: tuple[str, str | None]) -> list[str]:
    """Each flag with its value; one that begins with a dash needs the equals sign."""
    words: list[str] = []
    for flag, value in given:
        if value is not None:
            words += [f"{flag}={value}"] if value.startswith("-") else [flag, value]
    return words


def _size(text: str | None) -> str | None:
    """`48` and `48,32` as they are, `48x32` with a comma."""
    return None if text is None else text.lower().replace("x", ",")
