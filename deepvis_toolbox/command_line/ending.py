"""How every command begins and ends: 0 for success, 2 and one sentence for a user's mistake, 130 when interrupted."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.extensions import load_extensions
from deepvis_toolbox.process_tuning import tune_process


def run_command(main: Callable[[], int | None]) -> int:
    """Run `main` and return the exit status; a `ToolboxError` becomes one line on stderr and status 2.

    The process is set up first, before anything has started threads (see `tune_process`). Then the files that the
    command line names with `--extend` are imported, so that the help of `main` lists what they add.
    """
    tune_process()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text; they leave as they came
    try:
        load_extensions(sys.argv[1:])
        return main() or 0
    except ToolboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
