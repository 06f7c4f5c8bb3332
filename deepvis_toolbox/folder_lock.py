"""A folder that one run at a time writes to: a lock that says who holds it, and that the system opens when he dies."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from deepvis_toolbox.atomic_files import (
    ABANDONED_SECONDS,
    cannot_write,
    check_standing,
    must_stand,
    remove_partial_files,
)
from deepvis_toolbox.atomic_files import FolderGoneError as FolderGoneError
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.shown_text import shown

try:
    import fcntl
except ImportError:  # Windows has another kind of lock; there, nobody is kept out
    fcntl = None  # type: ignore[assignment]

_SECONDS_BETWEEN_TRIES = 0.02
LOCK = ".in_use"
"""The file in the folder that is locked; it names the process, and goes with it."""
_OPEN_OWN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
"""Never what a link of that name leads to: it would be emptied."""


class FolderLock:
    """The right to write into a folder, from `FolderLock(folder)` to `release`; a context manager.

    `ToolboxError` that names the process, its machine, its beginning and its command where another run has it. A run
    that was killed keeps nothing: the lock is the system's (flock), and the file that it leaves is only a name. Where
    the file system knows no locks, nobody is kept out.

    What killed runs have left half written in the folder itself is removed. Until its release nothing is written below
    the folder once that is removed, moved or replaced: see `must_stand`.
    """

    def __init__(self, folder: str | Path, file: str = "", patience: float = 0.0) -> None:
        """Take `file`: the name in the folder that alone is written, where the rest is free for others.

        `patience`: the seconds to wait for another run's end.
        """
        self._patience = time.monotonic() + patience
        self._path = Path(folder) / (f".{file}{LOCK}" if file else LOCK)
        self._what, self._other = Path(folder) / file, "name" if file else "folder"
        self._file: int | None = None
        self._leave: Callable[[], None] | None = None
        self._file = self._take()
        try:
            self._leave = must_stand(self._path.parent, is_own=not file)
        except OSError as error:
            self.release()
            raise cannot_write(self._path.parent, error) from error
        if not file:
            remove_partial_files(folder, ABANDONED_SECONDS)

    def release(self) -> None:
        """Let others write; a second call does nothing."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
        descriptor, self._file = self._file, None
        if descriptor is not None:
            with suppress(OSError):  # the folder is gone: there is no name to remove
                if _is_still(descriptor, self._path):
                    self._path.unlink()
            _held.discard(self)
            os.close(descriptor)

    def check(self) -> None:
        """Raise `FolderGoneError` where the folder was removed, moved or replaced; whatever is written checks it
        too."""
        check_standing(self._path.parent)

    def forget(self) -> None:
        """Close this process's copy of the file, without letting others write."""
        descriptor, self._file = self._file, None
        if descriptor is not None:
            os.close(descriptor)

    def _take(self) -> int | None:
        while True:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                if fcntl is None:
                    return None
                descriptor = os.open(self._path, _OPEN_OWN, 0o666)
            except OSError as error:
                raise cannot_write(self._path.parent, error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is_still(descriptor, self._path):  # who held it has just removed it
                    os.close(descriptor)
                    continue
                _say_who(descriptor)
            except BlockingIOError:
                holder = _who(descriptor)
                os.close(descriptor)
                if time.monotonic() < self._patience:
                    time.sleep(_SECONDS_BETWEEN_TRIES)
                    continue
                raise ToolboxError(
                    f'another run is writing to "{self._what}" ({holder}); wait for its end, stop it, or choose '
                    f"another {self._other}"
                ) from None
            except OSError:  # a file system without locks
                os.close(descriptor)
                return None
            _held.add(self)
            return descriptor

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """`ToolboxError` where all went well and the folder is gone all the same."""
        try:
            if error is None:
                self.check()
        finally:
            self.release()

    def __del__(self) -> None:
        self.release()


def remove_left_lock(folder: str | Path) -> None:
    """Remove the file of a run that was killed, for whoever has nothing to write there; a run that goes on keeps it."""
    if (Path(folder) / LOCK).exists():
        with suppress(ToolboxError):  # another run has it, or nothing may be written there
            FolderLock(folder).release()


_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    """In a forked process: its copies would keep the folder locked when the run itself has been killed."""
    for lock in list(_held):
        lock.forget()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


_MOST_COMMAND = 160
_MOST_BYTES = 4 * (_MOST_COMMAND + 200)


def _say_who(descriptor: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    command = shown(shlex.join(sys.orig_argv[1:] or sys.argv))
    command = command if len(command) <= _MOST_COMMAND else f"{command[:_MOST_COMMAND]}…"
    who = f"process {os.getpid()} on {socket.gethostname()} since {since}: {command}"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, who.encode(errors="backslashreplace"), 0)


def _who(descriptor: int) -> str:
    """Return what the holder has written; it may be about to."""
    text = os.pread(descriptor, _MOST_BYTES, 0).decode(errors="replace").strip()
    return text if text.isprintable() and text else "it has not said which"
