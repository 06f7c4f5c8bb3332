"""How every command ends: 0 for success, 2 and one sentence for a user's mistake, 130 when interrupted."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable


def run_command(main: Callable[[], int | None]) -> int:
    """Runs `main` and returns the exit status; a `ToolboxError` becomes one line on stderr and status 2."""
    from deepvis_toolbox.errors import ToolboxError

    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text; they leave as they came
    try:
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
