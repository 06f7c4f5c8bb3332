"""A store with another network's pictures: the window shows none of them and says why; no command makes more there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
from deepvis_toolbox.live.pictures.picture_shelf import open_shelf
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.network.description import UnitImagesDescription
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.unit_images import UnitImageStore, montage3x3
from deepvis_toolbox.words.unit import Unit
from tests.nets import Classic, Residual, opened


def shown_in_window(net: TorchNetwork, folder: Path, unit: str = "conv1:2") -> State:
    state = State()
    loaded = LoadedNetwork.of(net, unit)
    loaded.introduce(state)
    with open_shelf(loaded, commands=PictureCommands("classic"), folder=str(folder), byte_limit=1 << 20) as shelf:
        shelf.settle(state)
    return state


def test_pictures_of_other_weights_are_not_shown_and_the_pane_says_whose_they_are(tmp_path: Path) -> None:
    net = opened(Classic())
    store = UnitImageStore(tmp_path)
    store.claim(net)
    store.write_montage("max_im", Unit("conv1", 2), montage3x3([np.full((16, 16, 3), 90, np.uint8)]))
    own = shown_in_window(net, tmp_path).facts.unit_pictures
    assert own is not None
    assert own.shown["max_im"].image is not None
    others = shown_in_window(opened(Residual()), tmp_path).facts.unit_pictures
    assert others is not None
    for shown in others.shown.values():
        assert shown.image is None
        assert "other weights (Classic" in shown.note
        assert not shown.command


def test_probabilities_show_the_pictures_of_what_they_are_made_from_and_say_so(tmp_path: Path) -> None:
    net = opened(Classic())
    assert net.label_layers == ("fc", "prob")  # found: nobody named them
    store = UnitImageStore(tmp_path)
    store.write_montage("regularized_opt", Unit("fc", 2), montage3x3([np.full((16, 16, 3), 90, np.uint8)]))
    shown = shown_in_window(net, tmp_path, "prob:2").facts.unit_pictures
    assert shown is not None
    assert shown.owner == "fc:2"
    np.testing.assert_array_equal(shown.shown["regularized_opt"].image, store.read("regularized_opt", Unit("fc", 2)))
    assert shown.shown["max_im"].command.endswith("--units fc:2")
    own = shown_in_window(net, tmp_path, "fc:2").facts.unit_pictures
    assert own is not None
    assert own.owner == ""


def test_no_other_layer_lends_its_pictures() -> None:
    assert opened(Classic()).description.unit_images.views == {"prob": "fc"}
    assert opened(Residual()).description.unit_images.views == {}  # ends without a softmax


def test_the_command_shown_for_a_layer_that_shows_anothers_pictures_makes_those(tmp_path: Path) -> None:
    net = opened(Classic())
    pictures = UnitImagesDescription(tmp_path, shared={"pool1": "relu1"})
    net.description = replace(net.description, unit_images=pictures)
    state = State()
    loaded = LoadedNetwork.of(net, "pool1:2")
    loaded.introduce(state)
    with open_shelf(loaded, commands=PictureCommands("classic"), folder=None, byte_limit=1 << 20) as shelf:
        shelf.settle(state)
    assert state.facts.unit_pictures is not None
    assert state.facts.unit_pictures.shown["regularized_opt"].command.endswith("--units relu1:2")
