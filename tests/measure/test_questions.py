"""The questions of the live view (who fires, where, why, what if), each against plain torch, without a window."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import Edit, Rect, ToolboxError, Unit, measure
from deepvis_toolbox.measure import (
    ChangedLayers,
    ChangedMaps,
    ClassProbabilities,
    Contributors,
    Edited,
    GradCAM,
    LayerActivity,
    LayerMaps,
    LayerStatistics,
    MostActive,
    PlacesOf,
    Raised,
    UnitHeat,
    UnitMaxima,
    UnitsInRegion,
    UnitsInRegionOfLayers,
)
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import opened


class Residual(nn.Module):
    """A stem, a residual block with a depthwise convolution, a pool and classes; 32×32 in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.expand = nn.Conv2d(8, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.norm = nn.BatchNorm2d(12)
        self.project = nn.Conv2d(12, 8, 1)
        self.fc = nn.Linear(8, 5)
        nn.init.uniform_(self.norm.running_mean, -0.2, 0.2)

    def parts(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = {"stem": F.relu6(self.stem(x) * 9)}
        found["expand"] = F.silu(self.expand(found["stem"]))
        found["depthwise"] = F.relu(self.norm(self.depthwise(found["expand"])))
        found["project"] = self.project(found["depthwise"])
        found["add"] = found["stem"] + found["project"]
        found["fc"] = self.fc(found["add"].mean((2, 3)))
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x)["fc"].softmax(1)


@pytest.fixture(scope="module")
def network() -> TorchNetwork:
    return opened(Residual())


@pytest.fixture(scope="module")
def session(network: TorchNetwork) -> measure.Session:
    return measure.Session(network)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (32, 32, 3)).astype(np.uint8)


def layer_of(network: TorchNetwork, value: torch.Tensor) -> str:
    """The listed layer that has this value."""
    x = network.preprocess(picture())
    acts = network.forward(x, list(network.layers))
    return next(
        name for name, own in acts.items() if own.shape == value.shape and torch.allclose(own, value, atol=1e-3)
    )


@pytest.fixture(scope="module")
def plain(network: TorchNetwork) -> dict[str, torch.Tensor]:
    """The module's own values of the picture, which autograd follows."""
    x = network.preprocess(picture()).clone().requires_grad_()
    return Residual().eval().parts(x)


@pytest.fixture(scope="module")
def names(network: TorchNetwork, plain: dict[str, torch.Tensor]) -> dict[str, str]:
    return {part: layer_of(network, value.detach()) for part, value in plain.items()}


# -- who ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["maximum", "mean"])
def test_most_active_is_the_order_of_the_maps(session: measure.Session, plain: dict, names: dict, by: str) -> None:
    values = plain["project"][0].detach().flatten(1)
    wanted = values.amax(1) if by == "maximum" else values.mean(1)
    answer = session.take(picture(), MostActive(names["project"], by=by))  # type: ignore[arg-type]
    assert list(answer.units) == wanted.argsort(descending=True).tolist()
    np.testing.assert_allclose(answer.values, wanted.sort(descending=True)[0], rtol=1e-4, atol=1e-4)
    assert session.take(picture(), MostActive(names["project"], by, 3)).units == answer.units[:3]  # type: ignore[arg-type]


def test_the_order_by_share_is_that_of_the_maxima_over_those_of_the_data_set(
    session: measure.Session, plain: dict, names: dict
) -> None:
    maxima = plain["project"][0].detach().flatten(1).amax(1)
    fires = (maxima > 0).nonzero().flatten().tolist()
    assert len(fires) >= 4
    largest = torch.rand(8, generator=torch.Generator().manual_seed(1)) + 0.5
    largest[fires[3]] = largest[fires[1]] = 0.0  # nothing in the data set makes these fire
    quiet = [unit for unit in range(8) if unit not in fires][:1]
    largest[quiet] = float("nan")
    shares = torch.where(largest > 0, maxima / largest, torch.where(maxima > 0, torch.inf, -torch.inf))
    wanted = sorted(range(8), key=lambda unit: (-float(shares[unit]), unit))
    asked = MostActive(names["project"], "share", largest=UnitMaxima(largest.numpy()))
    answer = session.take(picture(), asked)
    assert list(answer.units) == wanted
    assert answer.units[:2] == (fires[1], fires[3])
    known = torch.isfinite(shares[wanted])
    np.testing.assert_allclose(answer.values[known.numpy()], shares[wanted][known], rtol=1e-4)
    assert not np.isfinite(answer.values[~known.numpy()]).any()
    assert asked == replace(asked)
    assert asked != replace(asked, largest=UnitMaxima(largest.numpy())), "compared without looking at its values"


@pytest.mark.parametrize("largest", [None, UnitMaxima(np.ones(7, np.float32))])
def test_a_share_of_nothing_is_refused(session: measure.Session, names: dict, largest: UnitMaxima | None) -> None:
    with pytest.raises(ToolboxError, match=r"each of .*'s 8 units; there are (none|7): give largest"):
        session.take(picture(), MostActive(names["project"], "share", largest=largest))


def test_a_flat_layers_order_is_that_of_its_values(session: measure.Session, plain: dict, names: dict) -> None:
    answer = session.take(picture(), MostActive(names["fc"]))
    assert list(answer.units) == plain["fc"][0].argsort(descending=True).tolist()


def test_activity_is_each_layers_maximum(session: measure.Session, plain: dict, names: dict) -> None:
    layers = tuple(names[part] for part in ("stem", "project", "fc"))
    answer = session.take(picture(), LayerActivity(layers))
    for part in ("stem", "project", "fc"):
        assert answer.largest[names[part]] == pytest.approx(float(plain[part].detach().max()), rel=1e-4)


class Spot(nn.Module):
    """Two units: one fires where the picture is bright, the other everywhere the same."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, stride=2, padding=1)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0] = 1
            self.conv.bias.copy_(torch.tensor([0.0, 500.0]))
        self.fc = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


def test_the_unit_that_sees_the_bright_spot_is_found_by_pointing_at_it() -> None:
    network = opened(Spot())
    layer = next(name for name in network.layers if len(network.layers[name].shape) == 3 and name != network.input_name)
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[4:12, 20:28] = 255
    session = measure.Session(network)
    at_it = session.take(frame, UnitsInRegion(layer, Rect(4, 20, 12, 28)))
    assert at_it.units[0] == 0
    assert at_it.scores[0] > 0 == pytest.approx(at_it.scores[1], abs=1e-5)
    beside = session.take(frame, UnitsInRegion(layer, Rect(20, 0, 28, 8)))
    assert beside.scores[list(beside.units).index(0)] < 0
    everywhere = session.take(frame, UnitsInRegionOfLayers(tuple(network.layers), Rect(4, 20, 12, 28)))
    assert Unit(layer, 0) in everywhere.units
    assert list(everywhere.scores) == sorted(everywhere.scores, reverse=True)
    maps = network.forward(network.preprocess(frame), [layer])[layer][0, 0].numpy().astype(np.float64)
    inside = np.zeros((16, 16))
    inside[2:6, 10:14] = 1  # 3×3 windows at stride 2, padding 1: the middle of cell i is pixel 2i + ½
    for row, share in ((1, 0.0), (2, 1.0), (5, 1.0), (6, 0.0)):
        assert session.take(frame, PlacesOf(layer)).shares_inside(Rect(4, 20, 12, 28))[row, 11] == pytest.approx(
            share, abs=0.51
        )
    both = network.forward(network.preprocess(frame), [layer])[layer].numpy()
    weights = session.take(frame, PlacesOf(layer)).shares_inside(Rect(4, 20, 12, 28)).astype(np.float64)
    score = (maps * weights).sum() / weights.sum() - (maps * (1 - weights)).sum() / (1 - weights).sum()
    assert at_it.scores[0] == pytest.approx(score / both.std(), rel=1e-3)


@pytest.mark.parametrize(
    ("region", "told"),
    [(Rect(40, 40, 50, 50), "outside"), (Rect(0, 0, 32, 32), "whole"), (Rect(5, 5, 5, 9), "outside")],
)
def test_a_region_that_says_nothing_is_refused(session: measure.Session, names: dict, region: Rect, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        session.take(picture(), UnitsInRegion(names["stem"], region))
    with pytest.raises(ToolboxError, match="no places"):
        session.take(picture(), UnitsInRegion(names["fc"], region))


# -- where -------------------------------------------------------------------------------------------------------------


def test_places_are_the_receptive_fields(network: TorchNetwork, session: measure.Session, names: dict) -> None:
    for part in ("stem", "project"):
        places = session.take(picture(), PlacesOf(names[part]))
        for place in ((0, 0), (3, 7), (15, 15)):
            assert places.field(*place) == network.receptive_field(names[part], place)
        rows, columns = places.seeing(9, 31)
        for row in range(16):
            for column in range(16):
                field = network.receptive_field(names[part], (row, column))
                holds = field.top <= 9 < field.bottom and field.left <= 31 < field.right
                assert holds == (rows.start <= row < rows.stop and columns.start <= column < columns.stop)


def test_heat_lies_over_the_picture_at_the_middles_of_the_receptive_fields(
    session: measure.Session, plain: dict, names: dict
) -> None:
    heat, places = (
        session.take(picture(), UnitHeat(names["project"], 2)),
        session.take(picture(), PlacesOf(names["project"])),
    )
    np.testing.assert_allclose(heat.map, plain["project"][0, 2].detach(), rtol=1e-4, atol=1e-4)
    assert heat.over_picture.shape == (32, 32)
    ramp = places.spread(np.tile(np.arange(16, dtype=np.float32), (16, 1)))
    first, second = (sum(places.columns[column]) / 2 for column in (0, 1))
    for x in range(4, 28):  # a map that grows evenly grows evenly over the picture, from middle to middle
        np.testing.assert_allclose(ramp[:, x], (x + 0.5 - first) / (second - first), rtol=1e-5)
    constant = places.spread(np.full((16, 16), 3, np.float32))
    np.testing.assert_allclose(constant, 3, rtol=1e-6)


@pytest.mark.parametrize("part", ["fc", "project"])
def test_grad_cam_is_the_papers_sum(session: measure.Session, plain: dict, names: dict, part: str) -> None:
    heat = session.take(picture(), GradCAM(names[part], 3, at=names["stem"]))
    own = plain[part][:, 3]
    (slopes,) = torch.autograd.grad(own.mean(), plain["stem"], retain_graph=True)
    wanted = F.relu((slopes.mean((2, 3), keepdim=True) * plain["stem"]).sum(1))[0]
    np.testing.assert_allclose(heat.map, wanted.detach(), rtol=1e-3, atol=1e-6)
    assert heat.layer == names["stem"]
    assert heat.over_picture.shape == (32, 32)


def test_grad_cam_takes_the_last_layer_with_places(session: measure.Session, names: dict) -> None:
    assert session.take(picture(), GradCAM(names["fc"], 0)).layer == names["add"]
    assert session.take(picture(), GradCAM(names["project"], 0)).layer == names["depthwise"]
    with pytest.raises(ToolboxError, match="not below"):
        session.take(picture(), GradCAM(names["stem"], 0, at=names["fc"]))
    with pytest.raises(ToolboxError, match="units 0 to 4, not 5"):
        session.take(picture(), GradCAM(names["fc"], 5))


# -- why ---------------------------------------------------------------------------------------------------------------


def test_what_feeds_a_layer(network: TorchNetwork, names: dict) -> None:
    feeding = {part: network.layers_feeding(name) for part, name in names.items()}
    assert feeding["stem"] == (network.input_name,)
    assert feeding["expand"] == (names["stem"],)
    assert feeding["depthwise"] == (names["stem"],), "past the depthwise convolution, to what the expansion mixes"
    assert feeding["project"] == (names["depthwise"],)
    assert set(feeding["add"]) == {names["stem"], names["depthwise"]} or set(feeding["add"]) == {
        network.input_name,
        names["depthwise"],
    }
    assert feeding["fc"] == (names["add"],)
    assert network.layers_feeding(network.input_name) == ()
    assert network.layers_below(names["stem"])[0] == network.input_name
    assert names["stem"] not in network.layers_below(names["stem"])


def test_contributions_of_a_linear_layer_and_its_bias_sum_to_the_value(
    session: measure.Session, plain: dict, names: dict
) -> None:
    module = Residual()
    answer = session.take(picture(), Contributors(names["fc"], 3, top=None))
    pooled = plain["add"].mean((2, 3))[0].detach()
    wanted = pooled * module.fc.weight[3].detach()
    found = {unit: float(value) for unit, value in zip(answer.units, answer.contributions, strict=True)}
    for unit in range(8):
        assert found[Unit(names["add"], unit)] == pytest.approx(float(wanted[unit]), rel=1e-3, abs=1e-5)
    assert answer.value == pytest.approx(float(plain["fc"].detach()[0, 3]), rel=1e-4)
    assert answer.remainder == pytest.approx(float(module.fc.bias[3]), rel=1e-3, abs=1e-5)
    assert list(np.abs(answer.contributions)) == sorted(np.abs(answer.contributions), reverse=True)
    np.testing.assert_allclose(answer.shares, answer.contributions / np.abs(answer.contributions).sum(), rtol=1e-4)


@pytest.mark.parametrize(
    ("part", "below", "remainder"),
    [("project", "depthwise", "bias"), ("depthwise", "stem", ""), ("expand", "stem", "bias")],
)
def test_contributions_are_activation_times_derivative(
    session: measure.Session, plain: dict, names: dict, part: str, below: str, remainder: str
) -> None:
    """Also behind a SiLU, and below one: the derivative is of the value below the unit's own rectifier."""
    module = Residual().eval()
    unit = 4
    answer = session.take(picture(), Contributors(names[part], unit, top=None))
    value = {
        "project": plain["project"], "expand": module.expand(plain["stem"]),
        "depthwise": module.norm(module.depthwise(plain["expand"])),
    }[part][0, unit]  # fmt: skip
    place = np.unravel_index(int(value.argmax()), tuple(value.shape))
    assert answer.place == place
    assert answer.value == pytest.approx(float(value[place]), rel=1e-4)
    (slopes,) = torch.autograd.grad(value[place], plain[below], retain_graph=True)
    wanted = (slopes * plain[below])[0].sum((1, 2)).detach()
    found = {each.channel: float(own) for each, own in zip(answer.units, answer.contributions, strict=True)}
    for channel in range(len(wanted)):
        assert found[channel] == pytest.approx(float(wanted[channel]), rel=2e-3, abs=1e-5)
    assert answer.remainder == pytest.approx(float(value[place]) - float(wanted.sum()), rel=1e-2, abs=1e-4)
    if remainder:
        assert answer.remainder == pytest.approx(float(getattr(module, part).bias[unit]), rel=1e-2, abs=1e-4)


def test_nothing_feeds_the_input(network: TorchNetwork, session: measure.Session, names: dict) -> None:
    with pytest.raises(ToolboxError, match="nothing feeds"):
        session.take(picture(), Contributors(network.input_name, 0))
    with pytest.raises(ToolboxError, match="not below"):
        session.take(picture(), Contributors(names["stem"], 0, at=(names["fc"],)))


def test_what_a_unit_raises_is_what_falls_without_it(session: measure.Session, plain: dict, names: dict) -> None:
    module = Residual().eval()
    without = plain["add"].detach().clone()
    without[:, 6] = 0
    wanted = (plain["fc"] - module.fc(without.mean((2, 3))))[0].detach()
    answer = session.take(picture(), Raised(names["add"], 6, names["fc"], top=5))
    for unit, loss in zip(answer.units, answer.losses, strict=True):
        assert float(loss) == pytest.approx(float(wanted[unit.channel]), rel=1e-3, abs=1e-5)
    assert [unit.channel for unit in answer.units] == wanted.abs().argsort(descending=True).tolist()
    with pytest.raises(ToolboxError, match="not above"):
        session.take(picture(), Raised(names["fc"], 0, names["add"]))


# -- what if -----------------------------------------------------------------------------------------------------------


def test_edited_answers_are_those_of_the_changed_network(session: measure.Session, plain: dict, names: dict) -> None:
    module = Residual().eval()
    changed = plain["stem"].detach().clone()
    changed[:, 2] *= 2
    changed[:, 5] = 0
    expand = F.silu(module.expand(changed))
    add = changed + module.project(F.relu(module.norm(module.depthwise(expand))))
    probabilities = module.fc(add.mean((2, 3))).softmax(1)[0].detach()
    edits = (Edit(names["stem"], [2], "scale", 2.0), Edit(names["stem"], [5], "zero"))
    before = session.take(picture(), ClassProbabilities()).probabilities
    answer = session.take(picture(), Edited(edits, ClassProbabilities()))
    np.testing.assert_allclose(answer.probabilities, probabilities, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(session.take(picture(), ClassProbabilities()).probabilities, before)
    maps = session.take(picture(), ChangedMaps(names["expand"], edits)).maps
    np.testing.assert_allclose(maps, (expand - plain["expand"]).detach()[0], rtol=1e-3, atol=1e-4)
    changes = session.take(picture(), ChangedLayers((names["stem"], names["fc"]), edits)).relative
    wanted = float((changed - plain["stem"]).norm() / plain["stem"].norm())
    assert changes[names["stem"]] == pytest.approx(wanted, rel=1e-3)
    assert session.take(picture(), ChangedLayers((names["stem"],), (Edit(names["fc"], [0], "zero"),))).relative == {
        names["stem"]: 0.0
    }
    gradient = session.take(picture(), Edited(edits, measure.BackwardImage(names["fc"], 1)))
    assert gradient.image.shape == (32, 32, 3)


def test_edits_of_a_still_picture_do_not_pile_up(session: measure.Session, names: dict) -> None:
    frame = picture()
    for factor in range(20):
        session.take(frame, Edited((Edit(names["stem"], [0], "scale", float(factor)),), LayerMaps(names["fc"])))
    assert session._passes._pass is not None
    assert len(session._passes._pass._edited) <= 4


def test_a_frames_passes_are_gone_with_the_next_frame_without_a_search_for_circles(
    network: TorchNetwork, names: dict
) -> None:
    session, edits = measure.Session(network), (Edit(names["stem"], [2], "zero"),)
    blur = measure.Perturbation(blur=1)
    gc.collect()
    gc.disable()
    try:
        for perturbation in (None, blur, None):
            asked = [Edited(edits, LayerMaps(names["add"])), UnitHeat(names["fc"], 0), GradCAM(names["stem"], 99)]
            assert len(session.take_all(picture(1), asked, perturbation=perturbation).refused) == 2
            maker = session._passes
            passes = maker._changed[3] if maker._changed else maker._pass
            assert passes is not None
            kept = [
                weakref.ref(passes),
                weakref.ref(passes.edited(edits)),
                weakref.ref(passes.edited(edits)._recording),
            ]
            assert all(each() is not None for each in kept)
            del passes
            session.take_all(picture(2), [LayerMaps(names["add"])])
            assert [each() for each in kept] == [None] * 3
    finally:
        gc.enable()


# -- spread ------------------------------------------------------------------------------------------------------------


def test_statistics_are_numpys(session: measure.Session, plain: dict, names: dict) -> None:
    values = plain["stem"][0].detach().numpy()
    answer = session.take(picture(), LayerStatistics(names["stem"], 3, bins=20))
    counts, _ = np.histogram(session.take(picture(), LayerMaps(names["stem"])).maps, answer.layer.edges)
    np.testing.assert_array_equal(answer.layer.counts, counts)
    assert answer.layer.counts.sum() == values.size
    assert answer.unit is not None
    assert answer.unit.counts.sum() == values[3].size
    assert answer.layer.mean == pytest.approx(values.mean(), rel=1e-4)
    assert answer.layer.std == pytest.approx(values.std(), rel=1e-4)
    assert answer.layer.zeros == pytest.approx((values == 0).mean(), abs=0.001)
    assert answer.layer.saturated == pytest.approx((values > 6 - 1e-3).mean(), abs=0.001)
    largest = values.max((1, 2))
    assert answer.rank == (largest > largest[3]).sum()
    assert answer.off == tuple(np.flatnonzero(~values.any((1, 2))))
    assert session.take(picture(), LayerStatistics(names["fc"])).layer.saturated is None


def test_questions_need_neither_torch_nor_opencv() -> None:
    code = "import sys, deepvis_toolbox.measure; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
