"""PyTorch's exported programs."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import torch

from deepvis_toolbox.network.loose_program import graph_of_loose_program
from deepvis_toolbox.opening.program_file import read_program
from tests.fuzz.harness import Files, Harness, harness
from tests.fuzz.mutations.plain_bytes import PLAIN, Mutation
from tests.fuzz.mutations.values import json_changed
from tests.fuzz.mutations.zips import packed, unpacked, zip_changed
from tests.fuzz.tiny import tiny_module

_FILE = "net.pt2"
_SHAPE = (3, 8, 8)


@harness("exported-program")
class ExportedPrograms(Harness):
    """Programs that torch.export has saved (`--model net.pt2`)."""

    def seeds(self) -> list[Files]:
        example = (torch.ones(2, *_SHAPE),)
        fixed = torch.export.export(tiny_module().eval(), example, strict=False)
        shapes = ({0: torch.export.Dim.AUTO},)
        free = torch.export.export(tiny_module().eval(), example, dynamic_shapes=shapes, strict=False)
        return [{_FILE: _saved(program)} for program in (fixed, free)]

    def mutations(self, name: str) -> Sequence[Mutation]:  # noqa: ARG002
        return [*PLAIN, *[zip_changed] * 4, *[_tables_changed] * 16]

    def use(self, folder: Path) -> None:
        program = read_program(folder / _FILE)
        images, channels, height, width = program.image_shape
        graph_of_loose_program(program.module, (channels, min(height or 8, 32), min(width or 8, 32)), images)


def _saved(program: torch.export.ExportedProgram) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file)
    return packed([(name, content) for name, content in unpacked(file.getvalue()) if "sample_inputs" not in name])


def _tables_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A program with another value somewhere in its operations, or in the tables of its tensors."""
    try:
        members = unpacked(content)
    except Exception:  # broken already
        return dice.choice(PLAIN)(content, dice, donors)
    tables = [number for number, (name, _) in enumerate(members) if name.endswith(".json")]
    if not tables:  # each has lost its name
        return dice.choice(PLAIN)(content, dice, donors)
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        number = dice.choice(tables)
        name, table = members[number]
        members[number] = (name, json_changed(table, dice, []))
    return packed(members)
