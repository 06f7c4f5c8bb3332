"""How every command begins and ends: 0 where all was done, 2 for a mistake or problems, 128 and more after a signal."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from deepvis_toolbox.command_line.signals import EndedBySignal, raised_as_exceptions
from deepvis_toolbox.command_line.standard_streams import lost_output, make_streams_last
from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.extensions import load_extensions
from deepvis_toolbox.process_tuning import tune_process

DONE, PROBLEMS = 0, 2
"""The exit status of all commands. Problems: a mistake, or a part of what was asked for that could not be done. After a
signal that asked them to end: 128 and its number, 130 after Ctrl-C."""


def run_program(module: str) -> int:
    """Run the `main` of a command's module as `run_command` does, and import it only then: what asks a process to end
    while torch is imported is answered, too."""
    status = run_command(lambda: import_module(module).main())
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while Python takes its leave, Ctrl-C ends it without a word
    return status


def run_command(main: Callable[[], int | None]) -> int:
    """Run `main` and return the exit status; a `ToolboxError` becomes one line on stderr and status 2.

    The process is set up first, before anything has opened files or started threads (see `make_streams_last` and
    `tune_process`). Then the files that the command line names with `--extend` are imported, so that the help of `main`
    lists what they add.
    """
    make_streams_last()
    try:
        with raised_as_exceptions():
            tune_process()
            if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
                sys.stdout.reconfigure(errors="surrogateescape")  # names of files leave as they came, text or not
            load_extensions(sys.argv[1:])
            return _with_output_kept(main() or DONE)
    except ToolboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return PROBLEMS
    except KeyboardInterrupt as interrupt:
        ended = interrupt if isinstance(interrupt, EndedBySignal) else EndedBySignal(signal.SIGINT)
        print(ended.sentence, file=sys.stderr)
        return ended.status


def _with_output_kept(status: int) -> int:
    """Return the exit status of a command that has done its work: also whether what it printed was kept."""
    lost = lost_output()
    if lost is None:
        return status
    print(f"error: what the command printed could not be written: {os_reason_of(lost)}", file=sys.stderr)
    return PROBLEMS
