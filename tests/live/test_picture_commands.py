"""The commands that the window tells for missing pictures: they open the same network and write where it reads."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox import installation
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.live import toolbox_command as run_toolbox
from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
from deepvis_toolbox.live.pictures.picture_shelf import PictureShelf
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.cli.optimize_flags import make_parser
from deepvis_toolbox.optimize.production import store_of
from deepvis_toolbox.pipeline import pipeline_command
from deepvis_toolbox.words.unit import Unit

DEFAULT = ["--model", "efficientnet-lite0", "--device", "cpu"]
SMALL = ["--model", "live_test_network:make"]


@pytest.fixture(autouse=True)
def _elsewhere(load_small: Callable[[], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # noqa: ARG001
    monkeypatch.chdir(tmp_path)


def opened(*flags: str) -> tuple[Network, PictureShelf]:
    """The network and the shelf that the toolbox opens with these flags."""
    options = run_toolbox._options(run_toolbox.parser().parse_args(list(flags)))
    network = options.load()
    assert options.open_shelf is not None
    return network, options.open_shelf(LoadedNetwork.of(network))


def commands_of(*flags: str) -> tuple[str, str]:
    """What makes preferred images, and top images."""
    given = run_toolbox.parser().parse_args(list(flags))
    from deepvis_toolbox.settings.loading import load_settings

    opener = run_toolbox._shelf_opener(given, load_settings(given.model, overrides=given.overrides))
    commands: PictureCommands = opener.keywords["commands"]  # type: ignore[attr-defined]
    return commands.command_for("regularized_opt", Unit("conv 1", 3)), commands.command_for("max_im", Unit("conv 1", 3))


@pytest.mark.parametrize(
    "flags",
    [
        DEFAULT,
        [*DEFAULT, "--input-size", "96x64", "--mean", "104,117.25,123"],
        [*DEFAULT, "--input-size", "64", "--mean", "-3", "--channels", "BGR"],
        [*DEFAULT, "--std", "2", "--scale", "0.5,1,3", "--crop", "0.9"],
        [*DEFAULT, "--set", "unit_images.folder=my pictures"],
    ],
    ids=["model", "size and mean", "order", "scale", "folder"],
)
@pytest.mark.parametrize("kind", ["regularized_opt", "max_im"])
def test_the_command_opens_the_same_network_and_writes_where_the_window_reads(kind: str, flags: list[str]) -> None:
    network, shelf = opened(*flags)
    with shelf:
        command = shlex.split(commands_of(*flags)[kind == "max_im"])
        first = next(number for number, word in enumerate(command) if word.startswith("--"))
        parser = make_parser() if kind == "regularized_opt" else pipeline_command.parser()
        given = parser.parse_args(command[first:])
        same = opened_network(given)
        assert same.input_shape == network.input_shape
        assert same.preprocessing.channels == network.preprocessing.channels
        for name in ("mean", "std", "scale", "crop"):
            np.testing.assert_array_equal(getattr(same.preprocessing, name), getattr(network.preprocessing, name))
        assert store_of(same, given.store).folder.resolve() == shelf.store.folder.resolve()
        assert given.units == [["conv 1:3"]]


def test_a_caffe_networks_own_files_stand_in_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "CHECKOUT", tmp_path)
    files = ["--prototxt", "my nets/deploy.prototxt", "--weights", "net.caffemodel"]
    preferred, top = commands_of(*files, "--set", "engine=caffe", "--mean", "104,117,123")
    flags = "--prototxt 'my nets/deploy.prototxt' --weights net.caffemodel --mean 104,117,123 --engine caffe"
    assert preferred == f"python optimize_image.py {flags} --units 'conv 1:3'"
    assert top == f"python -m deepvis_toolbox.pipeline {flags} --images FOLDER --units 'conv 1:3'"


def test_the_commands_exist_in_a_checkout_from_any_directory_and_where_the_program_was_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = [shlex.split(line) for line in commands_of(*SMALL, "--weights", "w.pt")]
    for command in outside:
        words = [sys.executable if word == "python" else word for word in command[: command.index("--model")]]
        shown = subprocess.run(
            [*words, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
        )
        assert "--units" in shown.stdout
    monkeypatch.setattr(installation, "CHECKOUT", None)
    rest = "--model live_test_network:make --weights w.pt"
    assert commands_of(*SMALL, "--weights", "w.pt") == (
        f"deepvis-optimize {rest} --units 'conv 1:3'",
        f"deepvis-pipeline {rest} --images FOLDER --units 'conv 1:3'",
    )
