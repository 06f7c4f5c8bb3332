"""Every block of code in README.md, CONTRIBUTING.md and docs/ is run, parsed or read by what it is written for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepvis_toolbox.configuration.yaml_file import read_yaml
from deepvis_toolbox.opening.model_file import read_model_file
from tests.conftest import missing
from tests.docs.blocks import OTHER_TEXTS, PAGES, ROOT, Block, code_spans, fenced_blocks, indented_blocks
from tests.docs.command_lines import check_command, commands_in, is_command

FENCED = [block for page in PAGES for block in fenced_blocks(page)]
LANGUAGES = {"python", "sh", "yaml", "text", ""}


def _of(*languages: str) -> list[Block]:
    return [block for block in FENCED if block.language in languages]


def _commands() -> list[tuple[str, str]]:
    """(place, line) of every command line: in blocks for the shell, in indented ones, in sentences."""
    found = [(block.place, line) for block in _of("sh") for line in commands_in(block.text)]
    plain = [*_of(""), *(block for page in PAGES for block in indented_blocks(page))]
    found += [(block.place, line) for block in plain for line in commands_in(block.text) if is_command(line)]
    spans = [span for page in (*PAGES, *OTHER_TEXTS) if page.exists() for span in code_spans(page)]
    return found + [(place, text) for place, text in spans if " " in text and is_command(text)]


COMMANDS = _commands()


def test_the_pages_hold_blocks_of_every_kind_and_commands():
    assert {"python", "sh", "yaml"} <= {block.language for block in FENCED}
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("block", FENCED, ids=lambda block: block.place)
def test_a_block_says_its_language(block):
    assert block.language in LANGUAGES


@pytest.mark.parametrize(("place", "line"), COMMANDS, ids=[f"{place}: {line[:60]}" for place, line in COMMANDS])
def test_a_command_line_is_one_that_the_program_takes(place, line):  # noqa: ARG001 # the place is in the test's name
    check_command(line)


@pytest.mark.parametrize("block", _of("yaml"), ids=lambda block: block.place)
def test_yaml_is_read_by_the_reader_of_model_files(block, tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(block.text, "utf-8")
    if (
        not {"factory", "prototxt", "onnx"} & read_yaml(path).values.keys()
    ):  # a part of a file; the rest is not what it is about
        path.write_text(f"{block.text}factory: package.module:function\n", "utf-8")
    assert read_model_file(path, trusted=True).model_fields_set


@pytest.mark.parametrize("block", _of("python"), ids=lambda block: block.place)
def test_python_runs_as_it_stands(block, tmp_path):
    for need in block.needs:
        prepare = _PREPARED.get(need)
        if prepare is None:
            missing(need)
        prepare(tmp_path)
    script = tmp_path / "snippet.py"
    script.write_text(block.text, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    ended = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr


def _scanned(folder: Path) -> None:
    """A scan of scikit-image's photographs with the default network, in `maxes/`."""
    import skimage

    from deepvis_toolbox import load_network
    from find_maxes import list_pictures, scan

    photographs = list_pictures(Path(skimage.__file__).parent / "data")
    with load_network(device="cpu") as net:
        scan(net, photographs, top=9, out=folder / "maxes", statistics=True, workers=0)


_PREPARED = {"maxes/": _scanned}
"""What a block may say that it needs, in a comment before it; anything else must be on the machine that runs this."""
