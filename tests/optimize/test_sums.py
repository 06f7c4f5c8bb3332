"""Sums of units, written as people write them: the direction they mean, what is refused, the files they make."""

import json

import numpy as np
import pytest

from deepvis_toolbox import AscentSettings, ToolboxError, preferred_images
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.method.sums import parse_sum, parse_targets
from deepvis_toolbox.optimize.method.targets import Direction
from deepvis_toolbox.words.unit import Unit
from tests.optimize.networks import linear_network


def weights(count=7, **given):
    found = np.zeros(count, np.float32)
    for name, value in given.items():
        found[int(name[1:])] = value
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fc:3 - 0.5*fc:2", weights(u3=1, u2=-0.5)),
        ("fc:3 + fc:2 - 2 * fc:3", weights(u3=-1, u2=1)),
        ("-1.5*fc:0", weights(u0=-1.5)),
        ("fc:0 - -2*fc:1", weights(u0=1, u1=2)),
        ("1e-1*fc:0-2 - fc:6", weights(u0=0.1, u1=0.1, u2=0.1, u6=-1)),
    ],
)
def test_a_sum_is_the_direction_of_its_weights(text, expected):
    (found,) = parse_targets(text, linear_network())
    assert isinstance(found, Direction)
    assert (found.layer, found.place) == ("fc", None)
    np.testing.assert_array_equal(found.weights, expected)


def test_a_sum_at_a_place_and_over_the_map_stays_there():
    net = linear_network()
    assert parse_sum("conv:1@2,3 - conv:2@2,3", net).place == (2, 3)
    assert parse_sum("conv:1@mean + conv:2@mean", net).place == "mean"
    assert parse_sum("conv:1 + conv:2", net).place == net.layers["conv"].centre


def test_what_was_an_address_is_one_still():
    net = linear_network()
    assert parse_targets("fc:0-2,5", net) == [Unit("fc", channel) for channel in (0, 1, 2, 5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fc:3 - fc:3", "cancel out"),
        ("fc:3 - conv:2@0-1,0-1 - fc:3 + conv:2@0-1,0-1", "cancel out"),
        ("conv:2@0-99,0-1", "rows lie in 0-11 and columns in 0-9"),
        ("conv:2@3-1,0-1", "the smaller number first"),
        ("fc:2@0-0,0-0", "has no map of places"),
        ("nothing@deepdream", "no layer"),
        ("fc:3 + nothing@deepdream", "no layer"),
        ("fc:3 - 1.2.3*fc:1", "is no term"),
        ("fc:3 + 1e99*fc:1", "is no term"),
        ("fc:3 - 0.5*fc:99", "units 0 to 6"),
        ("fc:3 - ", "units 0 to 6|not an address|is no term|no unit"),
    ],
)
def test_a_sum_that_makes_no_sense_is_refused_in_a_sentence(text, said):
    with pytest.raises(ToolboxError, match=said) as refused:
        parse_targets(text, linear_network())
    assert "\n" not in str(refused.value)


def test_a_sum_climbs_the_weighted_values():
    net, settings = linear_network(), AscentSettings(max_iter=4, lr_params={"lr": 1e3})
    (found,) = preferred_images(net, "fc:3 - 0.5*fc:2", [0], settings)
    values = net.forward(net.preprocess(np.full((24, 20, 3), 110, np.uint8)) + found_input(net, found), ["fc"])["fc"][0]
    np.testing.assert_allclose(found.objective[-1], float(values[3] - 0.5 * values[2]), rtol=1e-3)
    assert found.objective[-1] > found.objective[0]


def found_input(net, result):
    """The last image as network values, the mean being 0."""
    return net.preprocess(np.full((24, 20, 3), 110, np.uint8)).new_tensor(result.last)[None]


def test_the_command_makes_the_picture_of_a_sum_beside_the_units(tmp_path):
    model = ["--model", "tests.optimize.networks:small_classifier", "--input-size", "24x20", "--mean", "110"]
    asked = [*model, "--units", "fc:1 - 0.5*fc:2", "fc:1", "--max-iter", "3", "--store", str(tmp_path), "-q"]
    assert main(asked) == 0
    names = sorted(path.name for path in tmp_path.rglob("*best_Xpm.png"))
    assert len(names) == 2
    assert names[0] == "fc_0001_s0000_best_Xpm.png"


def test_the_command_makes_pictures_of_sums_over_layers_once(tmp_path, capsys):
    model = ["--model", "tests.optimize.networks:small_classifier", "--input-size", "24x20", "--mean", "110"]
    asked = [*model, "--max-iter", "3", "--store", str(tmp_path), "--units", "fc:1 - 0.1*conv:2", "conv:1@0-1,2-3"]
    asked += ["conv@deepdream"]
    assert main(asked) == 0
    assert "3 pictures made" in capsys.readouterr().out
    assert main(asked) == 0
    assert "3" in capsys.readouterr().out
    found = {json.loads(path.read_text())["unit"]["address"] for path in tmp_path.rglob("*_info.json")}
    assert found == {"fc:1-0.1*conv:2", "conv:1@0-1,2-3", "conv@deepdream"}
