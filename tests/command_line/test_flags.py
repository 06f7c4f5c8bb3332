"""The one language of commands: the same groups and flags in every `--help`, and older spellings that mean the same."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.command_line.flags import given_addresses
from deepvis_toolbox.command_line.parser import GROUPS
from deepvis_toolbox.program_names import INSTALLED, MODULES, SCRIPTS, command_words
from deepvis_toolbox.words.network import DEFAULT_MODEL

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import OPENS_A_NETWORK, PARSERS, REQUIRED

ROOT = Path(__file__).resolve().parents[2]
MISTAKE = "--no-such-flag"


def parsed(command: str, *arguments: str) -> argparse.Namespace:
    return PARSERS[command]().parse_args([*REQUIRED.get(command, []), *arguments])


def flags_in(command: str, group: str) -> list[str]:
    """The flags that the help shows in a group, in order."""
    actions = PARSERS[command]().group(group)._group_actions
    return [action.option_strings[-1] for action in actions if action.option_strings and action.help is not None
            and action.help != argparse.SUPPRESS]  # fmt: skip


def test_every_command_is_tested_here() -> None:
    assert set(PARSERS) == {*SCRIPTS, *MODULES} == {*INSTALLED, "search", "judge", "pack"}


@pytest.mark.parametrize("command", PARSERS)
def test_help_opens_with_one_sentence_and_two_examples_then_groups_in_one_order(command: str) -> None:
    parser = PARSERS[command]()
    sentence, examples, *sections = parser.format_help().split("\n\n")
    assert re.fullmatch(r"[A-Z][^\n]*(\n[^\n]+)*\.", sentence)
    heading, *lines = examples.splitlines()
    assert (heading, len(lines)) == ("examples:", 2)
    assert all(line.startswith(f"  {shlex.join(command_words(command))} ") for line in lines)
    titles = {parser._named[name].title: name for name in parser._named}
    shown = [titles[section.partition(":")[0]] for section in sections if section.partition(":")[0] in titles]
    assert shown == [name for name in GROUPS if name in shown]
    assert shown[-1] == "talk"
    assert len(sections) - len(shown) - len(parser.lists) <= 1  # a note at the end
    for heading, table in parser.lists.items():
        assert next(each for each in sections if each.startswith(f"{heading}:")).count("\n") >= len(table)


@pytest.mark.parametrize("command", PARSERS)
def test_the_examples_of_the_help_are_commands_that_can_be_given(command: str) -> None:
    parser = PARSERS[command]()
    assert len(parser.examples) >= 2
    for arguments, _ in parser.examples:
        assert parser.parse_args(shlex.split(arguments.partition(">")[0]))


@pytest.mark.parametrize("command", OPENS_A_NETWORK)
def test_the_network_is_named_by_the_same_flags_with_the_same_help_everywhere(command: str) -> None:
    reference = {action.dest: action for action in PARSERS["deepvis-scan"]().group("network")._group_actions}
    mine = {action.dest: action for action in PARSERS[command]().group("network")._group_actions}
    names = ["model", "prototxt", "weights", "engine", "device", "input_size", "channels", "mean", "std", "scale"]
    for name in [*names, "until", "crop", "labels"]:
        assert mine[name].help == reference[name].help
        assert mine[name].metavar == reference[name].metavar
    shown = ["--" + name.replace("_", "-") for name in names]
    shown[3:3] = ["--onnx", "--until"]
    assert flags_in(command, "network")[: len(shown)] == shown
    assert parsed(command).model == (None if command == "deepvis" else DEFAULT_MODEL)


@pytest.mark.parametrize("command", ["deepvis-optimize", "deepvis-crop", "deepvis-pipeline", "search"])
def test_units_are_addresses_given_once_or_often_with_commas_or_without(command: str) -> None:
    given = parsed(command, "--units", "head:0-9,12,fc:1", "block3:7@3,12", "--units", "stem:3@mean")
    assert given_addresses(given) == ["head:0-9,12", "fc:1", "block3:7@3,12", "stem:3@mean"]
    assert parsed(command, "--layers", "block*", "fc").layers == ["block*", "fc"]


NETWORK_ALIASES = [
    ("--deploy-proto a --net-weights b", "--prototxt a --weights b"),
    ("--data-size (227,224)", "--input-size 227x224"),
    ("--data-size 227", "--input-size 227"),
    ("--channel-swap-to-rgb (2,1,0)", "--channels BGR"),
    ("--channel-swap-to-rgb (0,1,2)", "--channels RGB"),
    ("--mean (104,117,123)", "--mean 104,117,123"),
    ("--input-size 224,320", "--input-size 224x320"),
]

ALIASES = [
    *[(command, old, new) for command in OPENS_A_NETWORK for old, new in NETWORK_ALIASES],
    ("deepvis-optimize", "--rand-seed 3", "--seeds 3"),
    ("deepvis-optimize", "--output s", "--store s"),
    ("deepvis-optimize", "--output-prefix s --output-template t", "--out s --template t"),
    ("deepvis-optimize", "--quiet", "-q"),
    ("deepvis-scan", "--top 4", "--count 4"),
    ("deepvis-crop", "--out s", "--store s"),
    ("deepvis-settings", "--local s", "--settings s"),
    ("deepvis", "--local s", "--settings s"),
    ("search", "--trials 4 --output s", "--count 4 --out s"),
]


@pytest.mark.parametrize(("command", "old", "new"), ALIASES)
def test_an_older_spelling_means_the_same_and_no_help_shows_it(command: str, old: str, new: str) -> None:
    assert parsed(command, *shlex.split(old)) == parsed(command, *shlex.split(new))
    shown = PARSERS[command]().format_help()
    for flag in {word for word in old.split() if word.startswith("-")} - set(new.split()) - {"--quiet"}:
        assert not re.search(rf"{flag}\b(?!-)", shown)


def test_the_originals_way_to_name_a_unit_and_its_flags_without_effect_still_work() -> None:
    words = "--push-layer conv5 --push-channel 151 --push-spatial (6,6) --push-dir 1 --caffe-root x --skipbig --brave"
    given = parsed("deepvis-optimize", *words.split())
    assert (given.push_layer, given.push_channel, given.push_spatial) == ("conv5", 151, (6, 6))
    shown = PARSERS["deepvis-optimize"]().format_help()
    assert not {"--push-layer", "--push-channel", "--push-spatial", "--caffe-root", "--skipbig"} & set(shown.split())


@pytest.mark.parametrize("command", PARSERS)
def test_an_unknown_flag_is_one_sentence_that_names_it_and_the_help(command: str) -> None:
    with pytest.raises(ToolboxError, match=rf"^[^\n]*{MISTAKE}[^\n]* --help$"):
        parsed(command, MISTAKE)


def test_the_window_tells_its_flags_without_loading_anything_large() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from deepvis_toolbox.live.toolbox_command import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'cv2', 'numpy', 'pydantic', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_seeds_of_the_pipeline_mean_how_many_where_one_number_is_given_as_before(capsys: pytest.CaptureFixture) -> None:
    from deepvis_toolbox.pipeline.pipeline_command import _seeds

    assert _seeds(parsed("deepvis-pipeline")) == (0,)
    assert _seeds(parsed("deepvis-pipeline", "--count", "3")) == (0, 1, 2)
    assert capsys.readouterr().err == ""
    assert _seeds(parsed("deepvis-pipeline", "--seeds", "3")) == (0, 1, 2)
    assert "is read as --count 3" in capsys.readouterr().err
    assert _seeds(parsed("deepvis-pipeline", "--seeds", "2,5-6")) == (2, 5, 6)
    with pytest.raises(ToolboxError, match="1 to 9"):
        parsed("deepvis-pipeline", "--count", "10")
