"""Puts the parts of a scan together, as `deepvis-merge` does; `--help` says more."""

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a script: its own folder is on the path, the packages are beside it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from deepvis_toolbox.programs import merge

if __name__ == "__main__":
    merge()
