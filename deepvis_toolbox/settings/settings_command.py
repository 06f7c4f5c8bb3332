"""Command: the effective settings, and where each came from."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.command_line.flags import add_settings_flags, add_talk_flags
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, print_json
from deepvis_toolbox.opening.model_folder import model_forms
from deepvis_toolbox.settings.loading import load_settings
from deepvis_toolbox.settings.sections import Settings
from deepvis_toolbox.settings.text import as_markdown, as_yaml, leaves
from deepvis_toolbox.shown_text import settings_without_secrets


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-settings",
        "Prints the effective settings of the window, and where each came from.",
        [
            ("--set window.width=1280 --set sources.input=demo", ""),
            ("> settings_local.yaml", "a file to start from: keep the lines you change"),
        ],
    )
    network = parser.group("network")
    add_flag(
        network, "--model", metavar="NAME", help=f"the network, whose model.yaml may hold settings: {model_forms()}"
    )
    results = parser.group("results out")
    results.add_argument("--markdown", action="store_true", help="print all settings with their meaning, as Markdown")
    add_settings_flags(parser)
    add_talk_flags(parser, json="the values, and where each came from,")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the arguments ask for."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    if given.markdown:
        print(as_markdown(Settings), end="")
        return 0
    settings = load_settings(given.model, given.settings, given.overrides)
    if given.json:
        values = {".".join(path): settings_without_secrets(value) for path, value in leaves(settings)}
        print_json({key: {"value": value, "from": settings.origin(key)} for key, value in values.items()})
        return 0
    print(as_yaml(settings, lambda path: settings.origin(".".join(map(str, path)))))
    return 0
