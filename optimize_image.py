"""Makes preferred images of units by regularized gradient ascent: `python optimize_image.py --help`."""

from __future__ import annotations

import sys

from deepvis_toolbox.command_line import run_command


def _main() -> int:
    from deepvis_toolbox.optimize.command_line import main

    return main()


if __name__ == "__main__":
    sys.exit(run_command(_main))
