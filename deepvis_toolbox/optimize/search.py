"""`python -m deepvis_toolbox.optimize.search`: the paper's random search for parameters; `--help` says more."""

import sys

import deepvis_toolbox.early_signals  # noqa: F401 - before all else
from deepvis_toolbox.command_line.ending import run_program

if __name__ == "__main__":
    sys.exit(run_program("deepvis_toolbox.optimize.cli.search_command"))
