"""`python -m deepvis_toolbox.optimize.judge`: what other networks say of class pictures; `--help` says more."""

import sys

import deepvis_toolbox.early_signals  # noqa: F401 - before all else
from deepvis_toolbox.command_line.ending import run_program

if __name__ == "__main__":
    sys.exit(run_program("deepvis_toolbox.judging.judge_command"))
