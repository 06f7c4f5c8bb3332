"""Pipes, circles of links, names that no file can have: behind every flag and in every setting that takes a path, one
sentence and no waiting.

The flags and settings are those of the parsers and of the schema, so that a new one is tested without a word here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from deepvis_toolbox.optimize.cli import optimize_command
from deepvis_toolbox.settings.sections import Settings
from deepvis_toolbox.settings.text import leaves
from tests.command_line.commands import PARSERS, REQUIRED

ROOT = Path(__file__).resolve().parents[2]
NO_PATHS = ("PIPE", "n" * 300, "circle/x")
_NO_PATH_OF_ITS_OWN = {"KEY=VALUE", '"KEYS"', "LAYER:UNIT", "ADDRESS", "PATTERN", "N", "LAYER", "HxW"}

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what the commands need, a pipe and a link to itself."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("PIPE")
    Path("circle").symlink_to("circle")
    Image.new("RGB", (16, 16)).save("picture.png")
    Path("pictures").mkdir()
    Image.new("RGB", (16, 16)).save("pictures/a.png")
    model = tmp_path / "models" / "tiny"
    model.mkdir(parents=True)
    (model / "tiny_net.py").write_text((ROOT / "tests/scan/small_convnet.py").read_text())
    (model / "model.yaml").write_text("factory: tiny_net:make\ninput: {size: 16}\n")
    monkeypatch.setenv("DEEPVIS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


BESIDE = {
    "deepvis": ["--headless", "--input", "picture.png", "--script", "s q"],
    "deepvis-optimize": ["--units", "relu1:0", "--max-iter", "1", "--store", "store"],
    "deepvis-scan": ["--images", "pictures", "--out", "scanned", "--workers", "0"],
    "deepvis-pipeline": ["--units", "relu1:0", "--images", "pictures", "--max-iter", "1"],
    "search": ["--units", "relu1:0", "--count", "1", "--max-iter", "1"],
}
"""What a command is given beside the flag in question."""


def flags() -> Iterator[tuple[str, str]]:
    """Every command's flags that take a text, each flag of several commands once."""
    seen = set()
    for command, make in PARSERS.items():
        for action in make()._actions:
            shown = action.option_strings and action.help != "==SUPPRESS=="
            takes_text = action.nargs != 0 and not action.choices and action.metavar not in _NO_PATH_OF_ITS_OWN
            if shown and takes_text and (action.option_strings[-1], action.help) not in seen:
                seen.add((action.option_strings[-1], action.help))
                yield command, action.option_strings[-1]


def settings() -> Iterator[str]:
    for path, _ in leaves(Settings.model_validate({})):
        section = Settings
        for name in path[:-1]:
            section = section.model_fields[name].annotation
        annotation = section.model_fields[path[-1]].annotation
        if annotation is str or str in get_args(annotation) or path[-1] == "input":
            yield ".".join(path)


def arguments_with(command: str, flag: str, path: str) -> list[str]:
    beside = [*BESIDE.get(command, REQUIRED.get(command, []))]
    if flag in beside:
        at = beside.index(flag)
        del beside[at : at + 2]
    takes_model = any(action.dest == "model" for action in PARSERS[command]()._actions)
    model = ["--model", "tiny"] if takes_model and flag not in ("--model", "--prototxt") else []
    return [*model, *beside, *(["--weights", "picture.png"] if flag == "--prototxt" else []), flag, path]


def module_of(command: str) -> str:
    return optimize_command.__name__ if command == "deepvis-optimize" else PARSERS[command].__module__


@pytest.mark.usefixtures("folder")
def test_no_flag_and_no_setting_waits_or_breaks_at_what_can_be_no_path() -> None:
    keys = [*settings()]
    assert {"model", "sources.input", "look.font_path", "log.file", "unit_images.maxes"} <= {*keys}
    given = [(command, arguments_with(command, flag, path)) for command, flag in flags() for path in NO_PATHS]
    given += [("deepvis", arguments_with("deepvis", "--set", f"{key}={path}")) for key in keys for path in NO_PATHS]
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_forked.py"))],
        input=json.dumps([(module_of(command), arguments) for command, arguments in given]),
        capture_output=True, text=True, timeout=900, check=True,
    )  # fmt: skip
    answers = json.loads(run.stdout)
    assert len(answers) == len(given)
    for (command, arguments), (status, said) in zip(given, answers, strict=True):
        case = f"{command} {arguments}: {status} {said}"
        assert status in (0, 2), case
        assert "Traceback" not in said, case
        if status == 2:
            assert "error: " in said.splitlines()[-1], case


@pytest.mark.parametrize(("command", "flag"), [
    ("deepvis", "--store"), ("deepvis", "--settings"), ("deepvis", "--save-model"), ("deepvis", "--snapshot"),
    ("deepvis-optimize", "--like"), ("deepvis-optimize", "--direction"), ("deepvis-scan", "--out"),
    ("deepvis-scan", "--images"),
])  # fmt: skip
def test_an_empty_path_is_refused(command: str, flag: str) -> None:
    from deepvis_toolbox.errors import ToolboxError

    with pytest.raises(ToolboxError, match=f"{flag}.* is empty"):
        PARSERS[command]().parse_args([*REQUIRED.get(command, []), flag, ""])
