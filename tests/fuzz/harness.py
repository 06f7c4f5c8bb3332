"""What a format's harness is: whole files to begin with, how they are broken, and how the program uses them."""

from __future__ import annotations

import importlib
import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar

from deepvis_toolbox.errors import ToolboxError
from tests.fuzz.mutations.by_ending import mutations_for
from tests.fuzz.mutations.plain_bytes import Mutation
from tests.fuzz.outcome import lacked_memory

Files = Mapping[str, bytes]
"""A case: what each file holds, by its path below the case's folder."""

SEED_SHARE = 0.02
"""How many cases are a seed as it is, which must load: a harness that never loads anything shows nothing."""


class Harness:
    """A format. Its docstring's first line says what of the program reads it."""

    name = ""
    targets: tuple[str, ...] = ()
    """Which files are broken, by their names; all where none is named."""

    def seeds(self) -> list[Files]:
        """Return whole cases, the same at every call."""
        raise NotImplementedError

    def use(self, folder: Path) -> None:
        """Open what lies in `folder`, and use it once as the program does."""
        raise NotImplementedError

    def former_failures(self) -> Mapping[str, Files]:
        """Return cases that once were neither loaded nor refused, by what is wrong with them."""
        return {}

    def mutations(self, name: str) -> Sequence[Mutation]:
        """Return the changes that a file of this name may get."""
        return mutations_for(name)

    def broken(self, files: Files, dice: random.Random) -> Files:
        """Return a case with something wrong in one of its files."""
        name = dice.choice(self._targets_in(files))
        donors = [seed[name] for seed in self.kept_seeds if name in seed]
        content = files[name]
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            mutate = dice.choice(self.mutations(name))
            content = mutate(content, dice, donors)
        return {**files, name: content}

    def case(self, number: int) -> Files:
        """Return the case of this number, always the same one."""
        dice = random.Random(f"{self.name} {number}")
        files = dice.choice(self.kept_seeds)
        return files if dice.random() < SEED_SHARE else self.broken(files, dice)

    @cached_property
    def kept_seeds(self) -> list[Files]:
        """`seeds`, made once."""
        return self.seeds()

    def _targets_in(self, files: Files) -> list[str]:
        return [name for name in files if not self.targets or PurePosixPath(name).name in self.targets]


_HARNESSES: dict[str, Harness] = {}
_Kind = TypeVar("_Kind", bound=type[Harness])


def harness(name: str) -> Callable[[_Kind], _Kind]:
    """Register a class of `formats/` under the name that the command line takes."""

    def register(kind: _Kind) -> _Kind:
        kind.name = name
        _HARNESSES[name] = kind()
        return kind

    return register


def harnesses() -> Mapping[str, Harness]:
    """Return those of all files in `formats/`, by name."""
    for path in sorted((Path(__file__).parent / "formats").glob("*.py")):
        importlib.import_module(f"tests.fuzz.formats.{path.stem}")
    return _HARNESSES


def quietly(step: Callable[[], object]) -> None:
    """Run a step that the program goes on behind when it is refused."""
    try:
        step()
    except ToolboxError as error:
        if lacked_memory(error):
            raise


def tried(*steps: Callable[[], object]) -> None:
    """Run all steps, also behind one that is refused; the first refusal is raised at the end."""
    refusals: list[ToolboxError] = []
    for step in steps:
        try:
            step()
        except ToolboxError as error:
            if lacked_memory(error):
                raise
            refusals.append(error)
    if refusals:
        raise refusals[0]


def in_memory() -> str | None:
    """Return a folder that is on no disk, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def write_case(files: Files, folder: Path) -> None:
    """Write a case's files below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def read_case(folder: Path) -> Files:
    """Return the case that lies in `folder`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
