"""What an ascent gives back: traces, best, last and majority images, ranks, and how it ended."""

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.network.ascent_pass import AscentPass
from deepvis_toolbox.optimize import Direction, LikePicture
from deepvis_toolbox.optimize.method.ascent import Ascent
from deepvis_toolbox.optimize.method.starts import start_image
from deepvis_toolbox.optimize.method.targets import checked_target, objective_of
from tests.optimize.networks import curved_network, linear_network, network_of, network_values, rectified_network

UP = {"lr_policy": "progress", "lr_params": {"max_lr": 1e6, "desired_prog": 0.5}}


def ascent(net, unit, seed=0, **settings):
    """The one result, and every image that a forward pass saw."""
    seen = []

    def watch(*told):
        seen.append(told[3][0].numpy().copy())

    (result,) = preferred_images(net, [unit], [seed], AscentSettings(**{**UP, **settings}), watch=watch)
    return result, np.stack(seen)


@pytest.mark.parametrize("direction", [1, -1])
def test_traces_are_those_of_the_images_that_were_seen(direction):
    net = curved_network()
    result, seen = ascent(net, Unit("fc", 2), max_iter=12, push_dir=direction, decay=0.02)
    values = net.forward(network_values(net, torch.from_numpy(seen)), ["fc"])["fc"].numpy()
    start = start_image("mean_plus_rand", 0, net.preprocessing)
    np.testing.assert_allclose(result.objective, values[:, 2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.norm, [np.linalg.norm(x) for x in seen], rtol=1e-5)
    np.testing.assert_allclose(result.distance, [np.linalg.norm(x - start) for x in seen], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(result.std, [x.std() for x in seen], rtol=1e-5)
    np.testing.assert_array_equal(result.largest, (values * direction).argmax(1))
    np.testing.assert_array_equal(result.is_max, (values * direction).argmax(1) == 2)
    assert result.objective.dtype == np.float32
    assert result.is_max.dtype == bool
    best = (result.objective * direction).argmax()
    assert result.best_step == best
    np.testing.assert_array_equal(result.best, seen[best])
    np.testing.assert_array_equal(result.last, seen[-1])
    assert (result.objective[-1] - result.objective[0]) * direction > 0


def test_distances_are_from_the_start_as_drawn_not_as_clipped():
    net = linear_network()
    start = np.full(net.input_shape, 300.0)
    result, seen = ascent(net, Unit("fc", 2), max_iter=1, start_at=start)
    np.testing.assert_allclose(seen[0], 145.0)
    np.testing.assert_allclose(result.distance, np.linalg.norm(start - 145.0), rtol=1e-5)
    assert (start == 300.0).all()


def test_majority_is_the_first_image_for_which_the_unit_was_the_largest_of_its_layer():
    result, seen = ascent(
        linear_network(), Unit("fc", 3), seed=1, max_iter=20, lr_params={"max_lr": 1e6, "desired_prog": 3}
    )
    first = int(result.is_max.argmax())
    assert result.outcome == "majority"
    assert 0 < first < 19
    np.testing.assert_array_equal(result.majority, seen[first])
    short, _ = ascent(
        linear_network(), Unit("fc", 3), seed=1, max_iter=first, lr_params={"max_lr": 1e6, "desired_prog": 3}
    )
    assert short.outcome == "no majority"
    assert short.majority is None


def test_no_step_is_taken_after_the_last_look():
    result, seen = ascent(linear_network(), Unit("fc", 1), max_iter=1)
    start = np.clip(start_image("mean_plus_rand", 0, linear_network().preprocessing), -110, 145)
    np.testing.assert_allclose(result.last, start, atol=1e-5)
    assert len(result.objective) == len(seen) == 1


def test_equal_activations_are_ranked_by_the_value_below_the_rectifier():
    """A unit that saturates at 6: every step from there on has the same activation, and the last is the best."""
    net = rectified_network()
    result, seen = ascent(net, Unit("relu2", 4), max_iter=30, lr_params={"max_lr": 1e9, "desired_prog": 1.0})
    assert (result.objective == 6).sum() > 5
    assert result.best_step == result.below.argmax() != result.objective.argmax()
    np.testing.assert_array_equal(result.best, seen[result.best_step])


def test_a_unit_whose_rectifier_is_off_climbs_all_the_same():
    net = rectified_network()
    values = net.forward(
        network_values(net, torch.from_numpy(start_image("mean", 0, net.preprocessing))[None]), ["relu1"]
    )
    off = int((values["relu1"][0, :, 6, 5] == 0).nonzero()[0, 0])
    result, _ = ascent(net, Unit("relu1", off, (6, 5)), start_at="mean", max_iter=10)
    assert result.objective[0] == 0
    assert result.objective[-1] > 0


def test_a_zero_gradient_ends_that_picture_alone():
    net = network_of(_HalfDead())
    results = preferred_images(net, [Unit("out", 0), Unit("out", 1)], [0], AscentSettings(**UP, max_iter=5))
    assert results[0].outcome == "zero gradient"
    assert len(results[0].objective) == 1
    np.testing.assert_array_equal(results[0].last, results[0].best)
    assert results[1].outcome in ("majority", "no majority")
    assert len(results[1].objective) == 5


def test_a_value_that_is_not_finite_ends_that_picture_alone_with_finite_images():
    net = network_of(_Exploding())
    settings = AscentSettings(lr_policy="constant", lr_params={"lr": 1e4}, max_iter=8)
    wild, tame = preferred_images(net, [Unit("out", 0), Unit("out", 1)], [0], settings)
    assert wild.outcome == "not finite"
    assert len(wild.objective) < 8
    assert np.isfinite(wild.objective).all()
    assert np.isfinite(wild.best).all()
    assert np.isfinite(wild.last).all()
    (alone,) = preferred_images(net, [Unit("out", 0)], [0], settings)
    assert alone.outcome == "not finite"
    np.testing.assert_allclose(alone.objective, wild.objective, rtol=1e-3)
    assert tame.outcome != "not finite"
    assert len(tame.objective) == 8


class _HalfDead(nn.Module):
    """Unit 0 does not depend on the image, unit 1 does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 5, stride=4)
        self.conv.weight.data[0] = 0
        self.pool, self.out = nn.AdaptiveAvgPool2d(1), nn.Flatten()

    def forward(self, x):
        return self.out(self.pool(self.conv(x)))


class _Exploding(nn.Module):
    """Unit 0 overflows once the image has some contrast, unit 1 never does."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.fc, self.out = nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 2, 1, bias=False), nn.Flatten()
        self.fc.weight.data = torch.tensor([[6.0, 6.0, 6.0], [1e-3, 1e-3, 1e-3]])[..., None, None]

    def forward(self, x):
        return self.out(torch.exp(self.fc(self.pool(x))))


@pytest.mark.parametrize("start", ["mean_plus_rand", "randu", "mean"])
def test_start_images_are_the_originals_for_a_seed(start):
    net = linear_network()
    random, mean = np.random.RandomState(5), net.preprocessing.mean_map
    expected = {
        "mean_plus_rand": lambda: random.normal(0, 10, (3, 24, 20)),
        "randu": lambda: random.uniform(0, 255, (3, 24, 20)) - mean,
        "mean": lambda: np.zeros((3, 24, 20)),
    }[start]()
    _, seen = ascent(net, Unit("fc", 0), seed=5, start_at=start, max_iter=1)
    np.testing.assert_allclose(seen[0], np.clip(expected, -110, 145), atol=1e-4)


def test_a_start_picture_is_what_the_network_would_see_of_it(tmp_path):
    from PIL import Image

    picture = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "start.png")
    net = linear_network()
    _, seen = ascent(net, Unit("fc", 0), start_at=f"image:{tmp_path / 'start.png'}", max_iter=1)
    np.testing.assert_array_equal(
        net.preprocessing.rgb_from_zero_centred(seen[0]), net.deprocess(net.preprocess(picture))[0]
    )
    for wrong, says in [("image:nowhere.png", "no such file"), (f"image:{__file__}", "no picture format")]:
        with pytest.raises(ToolboxError, match=says):
            ascent(net, Unit("fc", 0), start_at=wrong)
    with pytest.raises(ToolboxError, match="has the shape"):
        ascent(net, Unit("fc", 0), start_at=np.zeros((3, 5, 5)))


def test_units_that_do_not_exist_are_refused_before_anything_is_computed():
    net = linear_network()
    for unit, says in [
        (Unit("fc", 7), "units 0 to 6"),
        (Unit("cnv", 0), 'did you mean "conv"'),
        (Unit("conv", 0, (99, 0)), "places 0,0 to 11,9"),
    ]:
        with pytest.raises(ToolboxError, match=says):
            preferred_images(net, [Unit("fc", 0), unit], [0])


def test_the_place_of_a_spatial_unit_is_the_centre_unless_given_and_mean_is_the_whole_channel():
    net = linear_network()
    centre, given, mean = (
        ascent(net, unit, max_iter=1)[0] for unit in (Unit("conv", 2), Unit("conv", 2, (6, 5)), Unit("conv", 2, "mean"))
    )
    assert centre.unit == Unit("conv", 2, (6, 5))
    assert centre.objective == given.objective
    start = np.clip(start_image("mean_plus_rand", 0, net.preprocessing), -110, 145)
    values = net.forward(torch.from_numpy(start)[None], ["conv"])["conv"]
    np.testing.assert_allclose(mean.objective[0], values[0, 2].mean(), rtol=1e-4)
    np.testing.assert_allclose(centre.objective[0], values[0, 2, 6, 5], rtol=1e-4)


# -- other objectives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [None, (2, 3), "mean"])
def test_a_direction_is_climbed_along_the_gradient_of_the_weighted_sum(place):
    net, weights = linear_network(), np.array([1.0, -2, 0.5, 0, 3, -1], np.float32)
    target = Direction("conv", weights, "mix", place)
    result, seen = ascent(net, target, max_iter=2, lr_policy="constant", lr_params={"lr": 10.0})
    units = [
        ascent(net, Unit("conv", c, place), max_iter=2, lr_policy="constant", lr_params={"lr": 10.0}) for c in range(6)
    ]
    expected = seen[0] + sum(w * (each[1] - each[0]) for w, (_, each) in zip(weights, units, strict=True))
    np.testing.assert_allclose(seen[1], expected, atol=1e-3)
    np.testing.assert_allclose(
        result.objective[0], sum(w * r.objective[0] for w, (r, _) in zip(weights, units, strict=True)), rtol=1e-3
    )
    assert result.outcome == "no majority"
    assert (result.largest == -1).all()


def test_a_layer_that_does_not_depend_on_the_image_has_a_zero_gradient_and_the_rest_goes_on():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.token = nn.Conv2d(3, 4, 3), nn.Parameter(torch.ones(1, 4, 1, 1))

        def forward(self, x):
            return self.conv(x) + self.token * torch.ones_like(x[:, :1, 1:-1, 1:-1])

    net = network_of(Constant())
    name = next(layer for layer in net.layers if "mul" in layer)
    settings = AscentSettings(max_iter=3)
    constant, other = preferred_images(net, [Unit(name, 1), Unit("conv", 1)], [0], settings)
    assert constant.outcome == "zero gradient"
    assert len(other.objective) == 3


@pytest.mark.parametrize("place", [(99, 0), (-1, 0), (1,), "foo", (0.5, 1)])
def test_a_place_that_does_not_exist_is_refused_for_units_and_directions(place):
    net = rectified_network()
    for target in (Unit("conv1", 0, place), Direction("conv1", np.ones(8, np.float32), "d", place)):
        with pytest.raises(ToolboxError, match=r"places 0,0 to|is no place"):
            preferred_images(net, [target], [0], AscentSettings(max_iter=1))


def test_a_direction_of_the_wrong_length_is_refused():
    with pytest.raises(ToolboxError, match="6 finite weights"):
        preferred_images(linear_network(), [Direction("conv", np.ones(5, np.float32))])


def test_as_this_picture_comes_closer_to_the_pictures_code():
    net = curved_network()
    picture = np.random.default_rng(3).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    result, seen = ascent(
        net, LikePicture("act1", picture), start_at="mean", max_iter=150, lr_policy="constant", lr_params={"lr": 3e4}
    )
    code = net.forward(net.preprocess(picture), ["act1"])["act1"]
    last = net.forward(network_values(net, torch.from_numpy(seen[-1:])), ["act1"])["act1"]
    assert result.objective[0] < -0.2
    assert result.objective[-1] > result.objective[0] / 10
    np.testing.assert_allclose(result.objective[-1], -((last - code) ** 2).sum() / (code**2).sum(), rtol=1e-3)
    perfect, _ = ascent(
        net,
        LikePicture("act1", picture),
        start_at=net.preprocessing.to_pixels(net.preprocess(picture))[0].numpy(),
        max_iter=1,
    )
    assert abs(perfect.objective[0]) < 1e-6


def test_contributions_are_what_the_objective_loses_without_a_pixel_on_a_linear_network():
    net = linear_network()
    x = start_image("mean_plus_rand", 0, net.preprocessing)
    gradient = AscentPass(net, "fc", None)(torch.from_numpy(x)[None], torch.tensor([3])).gradient[0].numpy()
    places = [(0, 0), (5, 9), (23, 19), (12, 3)]
    without = np.stack([x] * len(places))
    for row, (i, j) in enumerate(places):
        without[row, :, i, j] = 0
    values = net.forward(torch.from_numpy(np.concatenate([x[None], without])), ["fc"])["fc"][:, 3].double().numpy()
    estimate = [abs(float(-(gradient[:, i, j] * x[:, i, j]).sum())) for i, j in places]
    np.testing.assert_allclose(estimate, np.abs(values[1:] - values[0]), rtol=2e-3, atol=2e-6)


def test_what_an_ascent_gives_before_its_end_does_not_change_when_it_goes_on():
    net, settings = curved_network(), AscentSettings(**UP, max_iter=6)
    objective = objective_of([checked_target(Unit("fc", 2), net)], net, settings)
    start = torch.from_numpy(start_image("mean_plus_rand", 0, net.preprocessing))[None]
    journals = Ascent(net, objective, settings, [0]).climbing(start)
    for _ in range(3):
        journal = next(journals)
    (early,) = journal.results([Unit("fc", 2)], [0])
    kept = early.best.copy()
    *_, journal = journals
    (final,) = journal.results([Unit("fc", 2)], [0])
    assert len(early.objective) == 3
    assert len(final.objective) == 6
    np.testing.assert_array_equal(early.objective, final.objective[:3])
    np.testing.assert_array_equal(early.best, kept)
    assert not np.array_equal(final.best, kept)
