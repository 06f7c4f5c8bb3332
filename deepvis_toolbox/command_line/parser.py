"""The parser of every command. `--help` is one sentence, two examples, then groups of flags in one order."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.program_names import command_line
from deepvis_toolbox.registry import Registry

GROUPS = ("network", "units", "pictures in", "method", "results out", "settings", "talk")
"""The groups that a command may have, in the order of every `--help`."""

_PATHS = frozenset({"FILE", "DIR", "PICTURE", "PART", "PREFIX"})
"""What flags that take a path are called in help texts, one or several of them with | between them."""

Reader = Callable[[str, str], Any]
"""Reads a value: (text, flag) -> value. `ToolboxError` with both in its sentence where the text is wrong."""

Group = argparse._ArgumentGroup


class CommandParser(argparse.ArgumentParser):
    """One command's flags.

    `command`: its name in `program_names`. `sentence`: what it does. `examples`: two (arguments, what they do; may be
    empty). `note`: what else a user should know, below the flags. `lists`: what may be added to, by heading, below
    that.
    """

    def __init__(
        self,
        command: str,
        sentence: str,
        examples: Sequence[tuple[str, str]],
        note: str = "",
        lists: Mapping[str, Registry[Any]] | None = None,
    ) -> None:
        super().__init__(prog=command_line(command), description=sentence, add_help=False, allow_abbrev=False)
        self.examples, self.note, self.lists = examples, note, lists or {}
        self._named: dict[str, Group] = {}

    def group(self, name: str, title: str = "") -> Group:
        """Return the group `name`, one of `GROUPS`, made when it is first asked for; `title` says more in its place."""
        if name not in self._named:
            assert name in GROUPS, name
            self._named[name] = self.add_argument_group(title or name)
        return self._named[name]

    def format_help(self) -> str:
        """Return the sentence, the examples, the groups and the note."""
        formatter = self._get_formatter()
        for name in GROUPS:
            if name in self._named:
                formatter.start_section(self._named[name].title)
                formatter.add_arguments(self._named[name]._group_actions)
                formatter.end_section()
        width = formatter._width
        note = ["", textwrap.fill(self.note, width)] if self.note else []
        lists = [part for heading, table in self.lists.items() for part in ("", f"{heading}:", *_indented(table))]
        sentence = textwrap.fill(self.description or "", width)
        flags = formatter.format_help().strip("\n")
        return "\n".join([sentence, "", *self._examples(), "", flags, *note, *lists, ""])

    def brief(self, *notes: str) -> str:
        """Return what a command says that is called without arguments and does nothing then: the sentence, `notes`, the
        examples."""
        told = [textwrap.fill(text, self._get_formatter()._width) for text in (self.description or "", *notes)]
        return "\n\n".join([*told, "\n".join(self._examples()), f"{self.prog} --help lists all flags."])

    def _examples(self) -> list[str]:
        written = [self.prog + " " + arguments for arguments, _ in self.examples]
        column = min(70, max(map(len, written), default=0))
        lines = (
            f"  {line:<{column}}   ({what})" if what else f"  {line}"
            for line, (_, what) in zip(written, self.examples, strict=True)
        )
        return ["examples:", *lines]

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Return a flag's value as argparse does; refuse an empty path, which would mean the working directory, or as
        if the flag were not there."""
        if not arg_string and _PATHS.intersection(re.split(r"[|.]", str(action.metavar))):
            raise argparse.ArgumentError(action, "is empty; give a path, or leave the flag out")
        if "\0" in arg_string:
            raise argparse.ArgumentError(action, "holds a null character")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        """End the command as after every mistake: one sentence, status 2."""
        raise ToolboxError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def _indented(table: Registry[Any]) -> list[str]:
    return [f"  {line}" for line in table.listed()]


def add_flag(
    group: Group, *flags: str, aliases: Sequence[str] = (), reader: Reader | None = None, **options: Any
) -> None:
    """Add a flag, with its older spellings, which work and are not shown."""
    options.setdefault("dest", flags[-1].lstrip("-").replace("-", "_"))
    group.add_argument(*flags, **_read(reader, flags[-1]), **options)
    for alias in aliases:
        add_alias(
            group, alias, reader, **{key: each for key, each in options.items() if key not in ("help", "default")}
        )


def add_alias(group: Group, flag: str, reader: Reader | None = None, **options: Any) -> None:
    """Add an older spelling that no help shows, with a way of its own to read its value."""
    group.add_argument(flag, help=argparse.SUPPRESS, default=argparse.SUPPRESS, **_read(reader, flag), **options)


def _read(reader: Reader | None, flag: str) -> dict[str, Any]:
    return {} if reader is None else {"type": partial(_value, reader, flag)}


def _value(reader: Reader, flag: str, text: str) -> Any:
    return reader(text, flag)
