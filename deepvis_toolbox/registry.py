"""One table for everything that can be added: members under their names, listed in the order in which they came."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from threading import RLock
from typing import Any, Generic, TypeVar

from deepvis_toolbox.errors import ToolboxError, nearest_name

Member = TypeVar("Member")
Added = TypeVar("Added")

WITHOUT_DOCSTRINGS = 2
"""From this `sys.flags.optimize` on."""


@dataclass(frozen=True)
class Word:
    """A name's meaning, where the name must be known before what it stands for can be imported."""

    meaning: str
    """One sentence, for lists and help texts."""


class Registry(Generic[Member]):
    """Members of one sort by name: `in`, `[name]`, `len`, and iteration over the names.

    `noun` is what a member is called in messages. `home` is a package whose modules enter the built-in members when
    they are imported; that happens when the table is first looked at, so that a registry costs nothing until then.
    `words`: the table of the same names and their meanings, where they must be known without the members; a name that
    is added here is entered there as well. `admit(name, member, members)` raises `ToolboxError` for a member that does
    not go with those that are there. `sets_name`: an entered class gets its name as its attribute `name`.
    """

    def __init__(
        self,
        noun: str,
        home: str = "",
        words: Registry[Word] | None = None,
        admit: Callable[[str, Member, Mapping[str, Member]], None] | None = None,
        sets_name: bool = False,
    ) -> None:
        self.noun = noun
        self._home, self._words, self._admit, self._sets_name = home, words, admit, sets_name
        self._is_loaded, self._is_loading, self._lock = not home, False, RLock()
        self._members: dict[str, Member] = {}

    def add(self, name: str, member: Added) -> Added:
        """Enter `member`, and return it. Raise `ToolboxError` where the name is taken or cannot be one."""
        entered: Any = member
        if self._home and not _module_of(member).startswith(f"{self._home}."):
            self._load()  # the built-in ones come first
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ToolboxError(f"the name of a {self.noun} must be text that can be printed, not {name!r}")
        if name in self._members:
            there = _module_of(self._members[name])
            raise ToolboxError(
                f'there is a {self.noun} "{name}" already{f" ({there})" if there else ""}; choose another name'
            )
        if self._admit is not None:
            self._admit(name, entered, self._members)
        if self._sets_name:
            entered.name = name
        self._members[name] = entered
        if self._words is not None and name not in self._words:
            self._words.add(name, Word(self.meaning(name)))
        return member

    def register(self, name: str) -> Callable[[Added], Added]:
        """Return a decorator that enters a class or a function under `name`."""
        return lambda member: self.add(name, member)

    def __getitem__(self, name: str) -> Member:
        """Return the member. Raise `ToolboxError` that names the nearest name, and all of them."""
        self.check(name)
        return self._members[name]

    def check(self, name: str) -> None:
        """Raise `ToolboxError` where there is no member of that name."""
        if name not in self:
            raise ToolboxError(f'there is no {self.noun} "{name}"{self.hint(str(name))}')

    def hint(self, name: str) -> str:
        """Return the end of a sentence about an unknown name: the nearest one, and which there are."""
        self._load()
        nearest = nearest_name(name, self._members)
        return f"{nearest + ' It' if nearest else '; it'} is one of {', '.join(self._members)}"

    def meaning(self, name: str) -> str:
        """Return the sentence for lists: the member's `meaning`, or the first line of what documents it."""
        member = self[name]
        told = getattr(member, "meaning", None)
        return told if isinstance(told, str) else first_line(member)

    def listed(self) -> list[str]:
        """Return `name: meaning` of every member, for help texts."""
        return [f"{name}: {self.meaning(name)}" for name in self]

    def is_built_in(self, name: str) -> bool:
        """Return whether the member came from this program, not from a user's own file."""
        return _module_of(self[name]).startswith(f"{__package__}.")

    def __contains__(self, name: object) -> bool:
        self._load()
        return isinstance(name, str) and name in self._members

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(tuple(self._members))

    def __len__(self) -> int:
        self._load()
        return len(self._members)

    def values(self) -> ValuesView[Member]:
        """Return the members in order."""
        self._load()
        return self._members.values()

    def items(self) -> ItemsView[str, Member]:
        """Return names and members in order."""
        self._load()
        return self._members.items()

    def _load(self) -> None:
        """Import every module of the home package, once; another thread that looks at the table meanwhile waits."""
        if self._is_loaded:
            return
        with self._lock:
            if self._is_loaded or self._is_loading:  # its modules may look at the table while they are imported
                return
            self._is_loading = True
            try:
                package = importlib.import_module(self._home)
                for module in pkgutil.iter_modules(package.__path__):
                    importlib.import_module(f"{self._home}.{module.name}")
                self._is_loaded = True
            finally:
                self._is_loading = False


def _module_of(member: Any) -> str:
    """Return the module that a class or function was written in; of anything else, its type's."""
    own = member if inspect.isclass(member) or inspect.isroutine(member) else type(member)
    return str(getattr(own, "__module__", ""))


def first_line(member: Any) -> str:
    """Return the first line of a docstring, without the full stop; where Python was told to leave docstrings out, that
    it was."""
    if sys.flags.optimize >= WITHOUT_DOCSTRINGS:
        return "(python -OO leaves out what it does)"
    lines = (inspect.getdoc(member) or "").strip().splitlines()
    return lines[0].rstrip(".") if lines else ""
