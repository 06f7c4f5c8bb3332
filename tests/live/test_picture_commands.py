"""The commands that the window tells for missing pictures: they open the same network and write where it reads."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.live import toolbox_command as run_toolbox
from deepvis_toolbox.live.pictures.picture_commands import DESCRIBE_FIRST, SAVE_FIRST, PictureCommands
from deepvis_toolbox.live.pictures.picture_shelf import PictureShelf
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.cli.optimize_command import open_network
from deepvis_toolbox.optimize.cli.optimize_flags import make_parser
from deepvis_toolbox.optimize.production import store_of
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
        [*DEFAULT, "--input-size", "96x64", "--mean", "104,117,123"],
        [*DEFAULT, "--input-size", "64", "--mean", "-3", "--channels", "BGR"],
        [*DEFAULT, "--set", "unit_images.folder=my pictures"],
    ],
    ids=["model", "size and mean", "order", "folder"],
)
def test_the_command_opens_the_same_network_and_writes_where_the_window_reads(flags: list[str]) -> None:
    network, shelf = opened(*flags)
    with shelf:
        program, *arguments = shlex.split(commands_of(*flags)[0])[1:]
        assert program == "optimize_image.py"
        given = make_parser().parse_args(arguments)
        same = open_network(given)
        assert same.input_shape == network.input_shape
        assert same.preprocessing.channels == network.preprocessing.channels
        np.testing.assert_array_equal(same.preprocessing.mean, network.preprocessing.mean)
        assert store_of(same, given.output).folder.resolve() == shelf.store.folder.resolve()
        assert given.units == ["conv 1:3"]


def test_a_caffe_networks_own_files_stand_in_the_command() -> None:
    files = ["--prototxt", "my nets/deploy.prototxt", "--weights", "net.caffemodel", "--set", "engine=caffe"]
    preferred, top = commands_of(*files, "--mean", "104,117,123")
    assert preferred == (
        "python optimize_image.py --deploy-proto 'my nets/deploy.prototxt' --net-weights net.caffemodel "
        "--engine caffe --mean 104,117,123 --units 'conv 1:3'"
    )
    assert top == SAVE_FIRST


def test_top_images_are_made_by_the_pipeline_into_the_same_folder() -> None:
    assert commands_of(*SMALL, "--set", "unit_images.folder=here")[1] == (
        "python -m deepvis_toolbox.pipeline --model live_test_network:make --images FOLDER --store here "
        "--units 'conv 1:3'"
    )


@pytest.mark.parametrize("flag", [["--std", "2"], ["--scale", "0.5"], ["--crop", "0.9"], ["--weights", "w.pt"]])
def test_where_no_command_line_has_the_flag_it_is_said_what_to_do_first(flag: list[str]) -> None:
    assert commands_of(*SMALL, *flag) == (DESCRIBE_FIRST, DESCRIBE_FIRST)
    assert commands_of("--prototxt", "a", "--weights", "b", "--std", "2") == (SAVE_FIRST, SAVE_FIRST)
