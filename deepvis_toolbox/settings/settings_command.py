"""Command: the effective settings, and where each came from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.command_line.extend_flag import add_extend_flag
from deepvis_toolbox.opening.model_folder import model_forms
from deepvis_toolbox.settings.loading import LOCAL_FILE, load_settings
from deepvis_toolbox.settings.sections import Settings
from deepvis_toolbox.settings.text import as_markdown, as_yaml


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="settings.py",
        description="Prints the effective settings, and where each came from.",
        epilog="""examples:
  python settings.py
  python settings.py --model models/squeezenet --set window.width=1280 --set sources.input=demo
  python settings.py > settings_local.yaml      (a file to start from: keep the lines you change)
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", help=f"the network, whose model.yaml may hold settings: {model_forms()}")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    parser.add_argument("--local", type=Path, metavar="FILE", help=f"read this file instead of {LOCAL_FILE}")
    parser.add_argument("--markdown", action="store_true", help="print all settings with their meaning, as Markdown")
    add_extend_flag(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `python settings.py`."""
    given = _parser().parse_args(arguments)
    if given.markdown:
        print(as_markdown(Settings), end="")
        return 0
    settings = load_settings(given.model, given.local, given.overrides)
    print(as_yaml(settings, lambda path: settings.origin(".".join(map(str, path)))))
    return 0


def run() -> None:
    """`deepvis-settings` and `python settings.py`."""
    sys.exit(run_command(main))
