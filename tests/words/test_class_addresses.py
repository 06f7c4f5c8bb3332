"""Addresses that name a class: `fc:ostrich` is the unit whose label says so, on every command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.cli.optimize_flags import make_parser
from deepvis_toolbox.optimize.cli.target_flags import targets_of
from deepvis_toolbox.words.class_names import ClassNames
from deepvis_toolbox.words.layer import Layer, Layers
from deepvis_toolbox.words.unit import Unit, parse_unit, parse_units

LABELS = (
    "n01440764 tench, Tinca tinca",
    "great white shark",
    "tiger shark",
    "crane",
    "crane",
    "maillot, tank suit",
    "maillot",
    "tiger",
    "R2@D2: a robot",
    "10",
)
LAYERS = Layers([Layer("conv", "conv", (12, 4, 4)), Layer("fc", "linear", (10,)), Layer("prob", "softmax", (10,))])
CLASSES = ClassNames(LABELS, ("fc", "prob"))


@pytest.mark.parametrize(
    ("address", "units"),
    [
        ("fc:Great White Shark", [1]),
        ("prob:great_white_shark", [1]),
        ("fc:gre", [1]),  # the beginning of one name
        ("fc:tinca TINCA", [0]),  # one of several names
        ("fc:tench", [0]),  # WordNet's number left out
        ("fc:n01440764 tench, Tinca tinca", [0]),
        ("fc:tiger", [7]),  # the whole name goes before the beginning of another
        ("fc:maillot, tank suit", [5]),  # a name with a comma is one name
        ("fc:maillot", [6]),
        ("fc:R2@D2: a robot", [8]),
        ("fc:tench,1-2,tiger", [0, 1, 2, 7]),
        ("fc:9", [9]),  # a number is a unit, whatever classes are called
        ("fc:all", list(range(10))),
    ],
)
def test_a_class_by_its_name_is_its_unit(address: str, units: list[int]) -> None:
    found = parse_units(address, LAYERS, CLASSES)
    assert found == [Unit(address.partition(":")[0], channel) for channel in units]


def test_a_class_keeps_the_place_behind_its_name() -> None:
    assert parse_unit("fc:tiger shark@mean", LAYERS, CLASSES) == Unit("fc", 2, "mean")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("fc:crane", r'"crane" may be fc:3 \(crane\), fc:4 \(crane\); write one of them'),
        ("fc:t", r'"t" may be fc:0 \(n01440764 tench, Tinca tinca\), fc:2 \(tiger shark\), .*; write one of them'),
        ("fc:tigr", r'no class of layer "fc" is called "tigr"; did you mean "fc:tiger" \(fc:7\)\?'),
        ("fc:robot", r'called "robot"; did you mean "fc:R2@D2: a robot" \(fc:8\)\?'),
        ("conv:tiger", r"neither a unit, a range such as 0-9, nor \"all\"; classes have their names in fc and prob"),
        ("fc:", "neither a unit"),
        ("fc:3-", "neither a unit"),
        ("fc:10", "has units 0 to 9"),  # though a class is called so
        ("fb:tiger", 'no layer "fb"; did you mean "fc"'),
    ],
)
def test_what_names_no_class_or_several_is_refused_with_the_candidates(address: str, sentence: str) -> None:
    with pytest.raises(ToolboxError, match=sentence):
        parse_units(address, LAYERS, CLASSES)


def test_without_names_of_classes_an_address_is_a_number() -> None:
    with pytest.raises(ToolboxError, match='"tiger" in "fc:tiger" is neither a unit'):
        parse_units("fc:tiger", LAYERS)


def test_every_label_of_the_default_network_finds_its_unit(default_network: Network) -> None:
    for channel, label in enumerate(default_network.labels):
        assert parse_unit(f"fc:{label}", default_network.layers, default_network.class_names) == Unit("fc", channel)


def test_goto_and_units_find_the_ostrich(default_network: Network) -> None:
    line = Path("models/efficientnet-lite0/labels.txt").read_text().splitlines().index("ostrich")
    assert LoadedNetwork.of(default_network, "prob:ostrich").start == Unit("prob", line)
    given = make_parser().parse_args(["--units", "fc:ostrich,fc:Great white shark"])
    targets, problems = targets_of(given, default_network, lambda _: None)
    assert targets == [Unit("fc", line), Unit("fc", 2)]
    assert not problems


@pytest.mark.parametrize("address", ["fc:{}", "fc:0-{}", "conv:1@{},1", "fc:{}-{}"])
@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 19, "9" * 18, "٣"])
def test_numbers_that_no_unit_has_are_refused_in_a_sentence(address: str, digits: str) -> None:
    with pytest.raises(ToolboxError, match=r"is neither a unit|is no place|has units 0 to|has .*places"):
        parse_units(address.replace("{}", digits), LAYERS)
