"""A user's own file, imported because the user names it (`--extend FILE.py`): what it registers is known from then on.

Such a file is trusted as the program itself is: it is Python that runs with all rights of the user.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Generic, TypeVar

from deepvis_toolbox.errors import ToolboxError, sentence_of

FLAG = "--extend"
_PREFIX = "deepvis_extension_"
Result = TypeVar("Result")


def load_extension(file: str | Path) -> None:
    """Import a Python file, unless it was imported before. Raise `ToolboxError` with file and line where it fails."""
    path = _existing(file)
    name = f"{_PREFIX}{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path, loader=SourceFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's file does when it is imported
        del sys.modules[name]
        raise ToolboxError(f"{FLAG} {path}{_line_of(error, path)}: {_reason_of(error)}") from error


def load_extensions(arguments: Sequence[str]) -> None:
    """Import the files that a command line names with `--extend FILE` or `--extend=FILE`, in their order."""
    for place, argument in enumerate(arguments):
        if argument == "--":
            return
        if argument.startswith(f"{FLAG}="):
            load_extension(argument.removeprefix(f"{FLAG}="))
        elif argument == FLAG and place + 1 < len(arguments):
            load_extension(arguments[place + 1])


def loaded_extensions() -> tuple[str, ...]:
    """Return the paths of the files imported so far, in their order."""
    return tuple(str(module.__file__) for name, module in list(sys.modules.items()) if name.startswith(_PREFIX))


@dataclass(frozen=True)
class Extended(Generic[Result]):
    """A call for another process, which first imports there the files that are imported here."""

    call: Callable[[], Result]
    files: tuple[str, ...]

    def __call__(self) -> Result:
        """Import the files, then make the call."""
        for file in self.files:
            load_extension(file)
        return self.call()


def extended(call: Callable[[], Result]) -> Extended[Result]:
    """Return `call` made ready for another process: what was registered here is registered there before it."""
    return Extended(call, loaded_extensions())


def _existing(file: str | Path) -> Path:
    try:
        path = Path(file).expanduser().resolve()
        if path.is_file():
            return path
        problem = "is a folder; name a Python file in it" if path.is_dir() else "does not exist"
    except (OSError, RuntimeError, ValueError):  # a name too long for a file, ~nobody, a null character
        raise ToolboxError(f'{FLAG}: "{str(file)[:60]}" can be no file') from None
    raise ToolboxError(f'{FLAG}: the file "{file}" {problem}')


def _line_of(error: BaseException, path: Path) -> str:
    """Return `, line 7`: the innermost line of the file that the error passed, where there is one."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _reason_of(error: BaseException) -> str:
    return f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else sentence_of(error)
