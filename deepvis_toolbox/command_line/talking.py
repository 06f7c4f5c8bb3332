"""What commands say while they run: progress and notes on stderr, results on stdout, for people or for machines."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.errors import ToolboxError, os_reason_of, user_path
from deepvis_toolbox.shown_text import shown

if TYPE_CHECKING:
    from deepvis_toolbox.progress import Progress

FORMAT = "%(levelname)s %(name)s: %(message)s"


def begin_talking(given: argparse.Namespace) -> None:
    """Log on stderr what `-v` asks for."""
    if given.verbose:
        log_to(None, "debug")


def log_to(file: str | None, level: str) -> None:
    """Log on stderr, and to `file` too: what this program has to say from `level` on, and warnings of the others."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if file:
        handlers.append(_file_handler(file))
    for handler in handlers:
        handler.setFormatter(_ShownFormatter(FORMAT))
    logging.basicConfig(level="WARNING", handlers=handlers)
    logging.getLogger("deepvis_toolbox").setLevel(level.upper())


def _file_handler(file: str) -> logging.Handler:
    path = user_path(file)
    try:  # a pipe that nobody reads fails here, where opening it as a file would wait
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0), 0o666))
        return _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise ToolboxError(f'cannot write the log to "{path}": {os_reason_of(error)}') from error


class _LogFile(logging.FileHandler):
    """Says once that the file cannot be written any more, as on a full disk; the program goes on without its log."""

    _has_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_told:
            self._has_told = True
            with suppress(OSError):
                note(f'the log "{self.baseFilename}" is not whole: it cannot be written ({os_reason_of(error)})')


class _ShownFormatter(logging.Formatter):
    """A message is one line, whatever names are in it; where an error came from stays on several."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return shown(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return shown(super().formatException(ei), keep="\n")


def progress_of(given: argparse.Namespace, total: float, what: str, unit: str) -> Progress:
    """Return a progress bar of `total` units, silent with `--quiet`; a context manager."""
    from deepvis_toolbox.progress import Silence, show_progress

    return Silence() if given.quiet or not total else show_progress(total, what, unit)


def note(sentence: str) -> None:
    """Say on stderr what a user should know of the run."""
    print(f"note: {shown(sentence)}", file=sys.stderr, flush=True)


def print_json(record: dict[str, Any]) -> None:
    """Print one JSON object on stdout, and nothing beside it."""
    print(json.dumps(record, indent=2, ensure_ascii=False))
