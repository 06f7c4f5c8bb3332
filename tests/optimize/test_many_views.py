"""Many views, moments, what is climbed against the others, early ends: against closed forms and plain torch."""

import json

import numpy as np
import pytest
import torch

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.files.shown_image import with_mean
from deepvis_toolbox.optimize.method.coarse_to_fine import CoarseToFine
from deepvis_toolbox.optimize.method.later_parameters import GAIN_WINDOW, LATER_PARAMETERS
from deepvis_toolbox.optimize.method.objective import UnitObjective
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.views import Views
from deepvis_toolbox.optimize.production import make_unit_images
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.words.layer import Rect
from tests.optimize.networks import curved_module, curved_network, linear_network, rectified_network

CPU = torch.device("cpu")
MANY = {"views": 3, "view_turn": 10, "view_noise": 4}
STEPS = {"lr_policy": "adam", "lr_params": {"lr": 2.0}}


def noise(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 10, shape).astype(np.float32))


def views_of(seeds, size=(20, 20), steps=5, **settings):
    return Views(AscentSettings(max_iter=steps, **{"views": 3, **settings}), seeds, size, CPU)


def test_the_mean_gradient_is_carried_back_by_the_transpose_of_the_views():
    views, x = views_of([3, 4], view_turn=10), noise((2, 3, 30, 30))
    there, pull_back = views.warped(x, torch.arange(2), 2)
    assert there.shape == (6, 3, 20, 20)
    g = noise(there.shape, 1)
    torch.testing.assert_close((there * g).sum() / 3, (x * pull_back(g)).sum(), rtol=1e-3, atol=1e-1)


def test_a_view_depends_on_the_seed_and_the_step_alone():
    x = noise((2, 3, 30, 30))
    both, one = views_of([3, 4], **MANY), views_of([4], steps=9, **MANY)
    there, _ = both.warped(x, torch.arange(2), 1)
    alone, _ = one.warped(x[1:], torch.arange(1), 1)
    only_second, _ = both.warped(x[1:], torch.tensor([1]), 1)
    another_step, _ = both.warped(x[1:], torch.tensor([1]), 2)
    assert torch.equal(only_second, there[3:])
    assert torch.equal(alone, there[3:])
    assert not torch.equal(another_step, only_second)


def test_a_view_is_a_square_part_between_the_smallest_and_the_whole_image():
    side = 40
    ramp = (torch.arange(side) + 0.5).expand(1, 1, side, side)
    both = torch.cat([ramp, ramp.transpose(2, 3)], 1)
    views = views_of(range(30), size=(10, 10), views=4, view_smallest=0.4)
    sides = []
    for seed in range(30):
        there, _ = views.warped(both, torch.tensor([seed]), 0)
        for view in there:
            across, down = view[0].mean(0), view[1].mean(1)
            steps = torch.cat([across.diff(), down.diff()])[1:-1]
            torch.testing.assert_close(steps, torch.full_like(steps, float(steps[0])), rtol=1e-3, atol=1e-3)
            sides.append(float(steps[0]) * 10)
            for first, last in ((across[0], across[-1]), (down[0], down[-1])):
                assert float(first) > 0.4
                assert float(last) < side - 0.4
    assert 0.4 * side - 0.1 < min(sides) < 0.45 * side
    assert 0.95 * side < max(sides) < side + 0.1


def test_a_view_of_the_whole_image_is_the_image_and_noise_has_the_deviation_that_was_asked_for():
    x = noise((1, 3, 20, 20))
    there, _ = views_of([0], view_smallest=1).warped(x, torch.arange(1), 0)
    torch.testing.assert_close(there, x.repeat(3, 1, 1, 1), rtol=1e-4, atol=1e-3)
    noisy, _ = views_of([0], view_smallest=1, view_noise=4).warped(x, torch.arange(1), 0)
    assert 3.8 < float((noisy - there).std()) < 4.2
    assert abs(float(np.corrcoef((noisy - there).flatten(1))[0, 1])) < 0.1


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("adam", lambda x: torch.optim.Adam([x], lr=2.0, eps=1e-12, maximize=True)),
        ("nadam", lambda x: torch.optim.NAdam([x], lr=2.0, eps=1e-12, momentum_decay=1e6, maximize=True)),
    ],
)
def test_moments_take_the_steps_of_torchs_own_optimizer(name, plain):
    net, module = curved_network(), curved_module()[:-1]
    settings = AscentSettings(max_iter=12, lr_policy=name, lr_params={"lr": 2.0})
    (result,) = preferred_images(net, [Unit("fc", 3)], [1], settings)
    start = np.random.RandomState(1).normal(0, 10, net.input_shape)
    x = torch.tensor(start, dtype=torch.float32, requires_grad=True)
    optimizer = plain(x)
    for _ in range(11):
        optimizer.zero_grad()
        module(x[None] / 64)[0, 3].backward()
        optimizer.step()
        x.data.clamp_(-110, 145)
    assert (np.abs(result.last - x.detach().numpy()) > 0.02).mean() < 0.005


def test_two_pictures_do_not_share_their_moments():
    net, settings = curved_network(), AscentSettings(max_iter=8, **STEPS)
    units = [Unit("fc", 3), Unit("fc", 5)]
    both = preferred_images(net, units, [0], settings)
    for unit, together in zip(units, both, strict=True):
        (alone,) = preferred_images(net, [unit], [0], settings)
        assert (np.abs(alone.last - together.last) > 0.02).mean() < 0.005


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_a_parametrizations_coordinates_and_change_make_its_step(name):
    made, g = PARAMETRIZATIONS[name](Preprocessing((24, 20)), CPU), noise((2, 3, 24, 20))
    torch.testing.assert_close(made.change(made.coordinates(g)), made.step(g), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("place", [None, (1, 2)])
@pytest.mark.parametrize("direction", [1, -1])
def test_what_is_climbed_against_the_others_is_the_unit_less_a_share_of_the_logsumexp(place, direction):
    layer = linear_network().layers["conv" if place else "fc"]
    below = noise((2, *layer.shape)).requires_grad_()
    objective = UnitObjective(layer, place, torch.tensor([1, 3]), direction, against=0.25)
    at = below[:, :, place[0], place[1]] if place else below
    climbed = at.gather(1, torch.tensor([[1], [3]]))[:, 0] - 0.25 * at.logsumexp(1)
    (expected,) = torch.autograd.grad(direction * climbed.sum(), below)
    torch.testing.assert_close(objective.diff(below.detach(), below.detach()), expected)


@pytest.mark.parametrize("direction", [1, -1])
def test_spread_adds_a_share_of_the_channel_at_every_other_place(direction):
    layer, own = linear_network().layers["conv"], torch.tensor([1, 3])
    below = noise((2, *layer.shape)).requires_grad_()
    objective = UnitObjective(layer, (1, 2), own, direction, spread=0.25)
    channel = below[torch.arange(2), own]
    climbed = 0.75 * channel[:, 1, 2] + 0.25 * channel.flatten(1).sum(1)
    (expected,) = torch.autograd.grad(direction * climbed.sum(), below)
    torch.testing.assert_close(objective.diff(below.detach(), below.detach()), expected)
    assert objective.read(below, below).objective.tolist() == channel[:, 1, 2].tolist()


def test_with_spread_a_unit_climbs_beyond_its_receptive_field_and_a_flat_one_as_without():
    net, steps = rectified_network(), {"max_iter": 4, "lr_params": {"lr": 1e3}}
    for unit, differs in ((Unit("conv2", 1, (1, 2)), True), (Unit("fc", 1), False)):
        plain, spread = (
            preferred_images(net, [unit], [0], AscentSettings(**steps, **more))[0] for more in ({}, {"spread": 1})
        )
        assert np.array_equal(plain.last, spread.last) is not differs


def test_against_nothing_is_what_was_climbed_before():
    net = rectified_network()
    plain, zero = (
        preferred_images(net, [Unit("fc", 1)], [0], AscentSettings(max_iter=5, lr_params={"lr": 1e3}, **more))[0]
        for more in ({}, {"against": 0})
    )
    np.testing.assert_array_equal(plain.last, zero.last)


def test_pictures_larger_than_the_input_climb_the_same_in_every_batch_and_once_more():
    net, units = curved_network(), [Unit("fc", 2), Unit("fc", 4)]
    how = {**STEPS, **MANY, "size": 40, "against": 0.1, "parametrization": "fourier-decorrelated"}
    settings = AscentSettings(max_iter=12, **how)
    together = preferred_images(net, units, [0, 1], settings)
    again = preferred_images(net, units, [0, 1], settings)
    alone = preferred_images(net, units, [0, 1], settings, batch_size=1)
    for a, b, c in zip(together, again, alone, strict=True):
        assert a.best.shape == (3, 40, 40)
        assert a.objective[-1] > a.objective[0]
        np.testing.assert_array_equal(a.best, b.best)
        assert (np.abs(a.last - c.last) > 0.05).mean() < 0.005
    assert not np.array_equal(together[0].last, together[1].last)


def test_an_ascent_ends_where_50_steps_gain_too_little_and_the_record_says_so(tmp_path):
    net, store, unit = linear_network(), UnitImageStore(tmp_path), Unit("fc", 0)
    policy = {"lr_policy": "progress", "lr_params": {"max_lr": 1e9, "desired_prog": 0.01}}
    for gain, steps in ((0.7, GAIN_WINDOW + 1), (0.3, 60)):  # 50 steps gain 0.5
        settings = AscentSettings(max_iter=60, min_gain=gain, **policy)
        (result,) = preferred_images(net, [unit], [0], settings)
        assert len(result.objective) == steps
        assert result.outcome in ("majority", "no majority")
        make_unit_images(net, [unit], [0], settings, store, Silence(), overwrite=True)
        (record,) = [json.loads(path.read_text()) for path in tmp_path.rglob("*info.json")]
        assert (record["steps"], record["stopped_early"]) == (steps, steps < 60)
        assert record["settings"]["min_gain"] == gain


def test_pictures_of_many_views_are_kept_whole_at_their_size_and_are_not_made_twice(tmp_path):
    net, store, unit = rectified_network(), UnitImageStore(tmp_path), Unit("conv1", 1)
    settings = AscentSettings(max_iter=5, size=48, shown_percentile=0.7, **STEPS, **MANY)
    first = make_unit_images(net, [unit], [0], settings, store, Silence())
    assert (first.made, first.problems) == (1, [])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert store.read_best("regularized_opt", unit).shape == (48, 48, 3)
    again = make_unit_images(net, [unit], [0], settings, store, Silence())
    assert (again.made, again.skipped, again.problems) == (0, 1, [])
    other = make_unit_images(net, [unit], [0], AscentSettings(max_iter=5, **STEPS), store, Silence())
    assert "is of another run" in other.problems[0]
    for path in tmp_path.rglob("*s0000*"):
        path.unlink()
    make_unit_images(net, [unit], [0], settings, store, Silence())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_percentile_of_the_shown_values_is_black_and_white():
    image = np.linspace(-100, 100, 3 * 40 * 50).astype(np.float32).reshape(3, 40, 50)
    how, part = Preprocessing((40, 50)), Rect(0, 0, 40, 50)
    for percentile in (0, 2, 10):
        picture = with_mean(image, part, how, percentile)
        for end in (0, 255):
            assert abs(float((picture == end).mean()) - percentile / 100) < 0.005


def test_what_came_later_is_recorded_where_it_is_given_alone():
    names = {each.name for each in LATER_PARAMETERS}
    assert not names & AscentSettings().as_record().keys()
    assert AscentSettings(views=2, against=0.1).as_record().keys() & names == {"views", "against"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"size": 320}, "give views as well"),
        ({"views": 2, "robust": 1}, "give one of them"),
        ({"views": 2.5}, "whole number"),
        ({"views": 2, "view_smallest": 0}, "lies between"),
        ({"views": 2, "size": 100_000}, "lies between"),
        ({"shown_percentile": 50}, "lies between"),
    ],
)
def test_views_that_make_no_sense_are_refused(given, said):
    with pytest.raises(ToolboxError, match=said):
        AscentSettings(**given)


def test_coarse_to_fine_lets_low_frequencies_pass_first_and_all_from_the_middle_on():
    coarse, x = CoarseToFine(3, (24, 32), 40), noise((2, 3, 24, 32))
    assert coarse.limit(0) == 3
    assert coarse.limit(10) == pytest.approx((3 * np.hypot(16, 16)) ** 0.5, rel=1e-5)
    assert coarse.limit(20) == float("inf")
    assert torch.equal(coarse.passed(x, 20), x)
    across = (torch.arange(32) + 0.5) * (2 * torch.pi / 32)
    for cycles, step, share in ((3, 0, 1), (4, 0, 0), (8, 10, 1), (9, 10, 0)):
        wave = torch.cos(cycles * across).expand(1, 1, 24, 32)
        torch.testing.assert_close(coarse.passed(wave, step), wave * share, rtol=0, atol=1e-5)


@pytest.mark.parametrize("policy", ["adam", "constant"])
def test_a_coarse_step_is_the_low_part_of_the_whole_one(policy):
    net, steps = curved_network(), {"max_iter": 2, "lr_policy": policy, "lr_params": {"lr": 30.0}}
    start = noise(net.input_shape).numpy()
    moved = {}
    for coarse in (0, 2):
        settings = AscentSettings(start_at=start, coarse=coarse, **steps)
        moved[coarse] = preferred_images(net, [Unit("fc", 3)], [0], settings)[0].last - start
    spectrum = np.fft.fft2(moved[0])
    rows, columns = np.fft.fftfreq(24)[:, None] * 24, np.fft.fftfreq(20)[None] * 24
    low = np.fft.ifft2(np.where(np.hypot(rows, columns) <= 2, spectrum, 0)).real
    np.testing.assert_allclose(moved[2], low, atol=1e-3)
