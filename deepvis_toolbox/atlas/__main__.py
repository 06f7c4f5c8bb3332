"""`python -m deepvis_toolbox.atlas`, the same as `deepvis-atlas`."""

import sys

import deepvis_toolbox.early_signals  # noqa: F401 - before all else
from deepvis_toolbox.command_line.ending import run_program

if __name__ == "__main__":
    sys.exit(run_program("deepvis_toolbox.atlas.atlas_command"))
