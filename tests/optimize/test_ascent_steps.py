"""Steps of the loop against the plain version, from the same image: on small networks, and on the original's own."""

import numpy as np
import pytest
import torch

from deepvis_toolbox import AscentSettings, Unit, load_network, preferred_images
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from tests.conftest import missing
from tests.devices import DEVICES
from tests.optimize import plain_ascent
from tests.optimize.networks import curved_module, curved_network, rectified_network

PROGRESS = {"lr_policy": "progress", "lr_params": {"max_lr": 1e6, "desired_prog": 0.1}}
PROGRESS01 = {"lr_policy": "progress01", "lr_params": {"max_lr": 1e6, "early_prog": 0.02, "late_prog_mult": 0.1}}
ALONE = {name: values for name, (values, _) in plain_ascent.REGULARIZERS.items()}
TOGETHER = {key: value for values in ALONE.values() for key, value in values.items()}


def plain_look(unit):
    """Objective and gradient of the curved network for one picture (C, H, W), in double precision, by autograd."""
    module = curved_module().double()
    modules = list(module.named_children())
    upto = [name for name, _ in modules].index(unit.layer) + 1

    def look(x):
        leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        values = module[:upto]((leaf / 64)[None])[0, unit.channel]
        objective = values if unit.place is None else values.mean() if unit.place == "mean" else values[unit.place]
        (gradient,) = torch.autograd.grad(objective, leaf)
        return float(objective.detach()), gradient.numpy()

    return look


def images_seen(net, units, settings, seeds=(3,), **options):
    """Every image that a forward pass saw, (steps, pictures, C, H, W)."""
    seen = []
    results = preferred_images(
        net,
        units,
        list(seeds),
        settings,
        watch=lambda *told: seen.append(told[3].cpu().numpy().copy()),
        **options,
    )
    return np.stack(seen), results


def share_off(got, expected, before):
    """The share of values that differ by more than 1e-3 of the largest change of the step."""
    return float((np.abs(got - expected) > 1e-3 * np.abs(expected - before).max()).mean())


@pytest.mark.parametrize("unit", [Unit("fc", 2), Unit("conv2", 4, (3, 7)), Unit("act1", 1, "mean")], ids=str)
@pytest.mark.parametrize("regularizers", [{}, *ALONE.values(), TOGETHER], ids=["none", *ALONE, "all together"])
def test_25_steps_are_those_of_the_plain_version_from_the_same_image(unit, regularizers):
    net = curved_network()
    settings = AscentSettings(max_iter=25, **PROGRESS, **regularizers)
    seen, _ = images_seen(net, [unit], settings)
    look, mean = plain_look(unit), net.preprocessing.mean_map.astype(float)
    for step in range(24):
        expected = plain_ascent.next_image(seen[step, 0], look, step, settings, mean)
        assert share_off(seen[step + 1, 0], expected, seen[step, 0]) < 0.005, f"step {step}"


@pytest.mark.parametrize(
    "policy", [{"lr_params": {"lr": 3e4}}, PROGRESS, PROGRESS01], ids=["constant", "progress", "progress01"]
)
def test_every_step_policy_takes_the_plain_versions_steps(policy):
    net, unit = curved_network(), Unit("prob", 5)
    settings = AscentSettings(max_iter=25, decay=0.01, **policy)
    seen, _ = images_seen(net, [unit], settings)
    look, mean = plain_look(unit), net.preprocessing.mean_map.astype(float)
    for step in range(24):
        expected = plain_ascent.next_image(seen[step, 0], look, step, settings, mean)
        assert share_off(seen[step + 1, 0], expected, seen[step, 0]) < 0.005, f"step {step}"


@pytest.mark.parametrize("layer", ["conv1", "relu2", "fc"])
def test_a_step_does_not_depend_on_what_a_picture_is_batched_with(layer):
    net = rectified_network()
    settings = AscentSettings(max_iter=6, **PROGRESS, **TOGETHER)
    units = [Unit(layer, channel) for channel in (1, 4, 6)]
    together, _ = images_seen(net, units, settings, seeds=(0, 1))
    for index, (unit, seed) in enumerate((unit, seed) for unit in units for seed in (0, 1)):
        for step in range(5):
            start = together[step, index]
            one_step = AscentSettings(max_iter=2, **PROGRESS, **{**TOGETHER, "blur_every": 0}, start_at=start)
            alone, _ = images_seen(net, [unit], one_step, seeds=(seed,))
            if step % TOGETHER["blur_every"]:
                assert share_off(alone[1, 0], together[step + 1, index], start) < 0.005


def test_pictures_are_the_same_in_batches_of_one_and_of_many_while_float_noise_is_small():
    net, units = rectified_network(), [Unit("fc", channel) for channel in range(5)]
    settings = AscentSettings(max_iter=5, **PROGRESS)
    one = preferred_images(net, units, [0, 1, 2], settings, batch_size=1)
    many = preferred_images(net, units, [0, 1, 2], settings, batch_size=7)
    assert [(r.unit, r.seed) for r in one] == [(r.unit, r.seed) for r in many]
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.last, b.last, atol=1e-2)
        np.testing.assert_allclose(a.objective, b.objective, rtol=1e-4)


@pytest.mark.parametrize("std", [1.0, 128.0])
def test_the_same_flags_do_the_same_to_a_network_scaled_otherwise(std):
    unit, settings = Unit("act2", 3, (5, 5)), AscentSettings(max_iter=10, **PROGRESS, **TOGETHER)
    (expected,) = preferred_images(curved_network(), [unit], [0], settings)
    (got,) = preferred_images(curved_network(std=std), [unit], [0], settings)
    assert (np.abs(got.last - expected.last) > 0.05).mean() < 0.005


# -- the original's own optimizer on real Caffe ------------------------------------------------------------------------

ALL = {
    "decay": 0.01, "blur_radius": 0.7, "blur_every": 3, "small_val_percentile": 10, "small_norm_percentile": 15,
    "px_benefit_percentile": 5, "px_abs_benefit_percentile": 20,
}  # fmt: skip
REFERENCE_PRESETS = {
    "paper1": PAPER_PRESETS["paper1"],
    "paper3": PAPER_PRESETS["paper3"],
    "paper4": PAPER_PRESETS["paper4"],
    "all": {**ALL, "lr_policy": "progress", "lr_params": {"max_lr": 1e8, "desired_prog": 5}},
    "all01": {
        **ALL, "lr_policy": "progress01", "lr_params": {"max_lr": 1e9, "early_prog": 0.02, "late_prog_mult": 0.1},
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=DEVICES)
def squeezenet(request, shared, tmp_path_factory):
    files = shared / "reference" / "squeezenet"
    if not (files / "weights.caffemodel").is_file():
        missing("the reference network (../shared/reference/squeezenet)")
    description = tmp_path_factory.mktemp("squeezenet") / "model.yaml"
    description.write_text(
        f"name: squeezenet\nframework: caffe\nprototxt: {files / 'deploy.prototxt'}\n"
        f"weights: {files / 'weights.caffemodel'}\ninput: {{mean: [104, 117, 123]}}\n"
    )
    return load_network(str(description), device=request.param, trust=True)


def runs(path):
    """{(layer, unit, place, preset, …): {name: array}} of a reference file."""
    found = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            *run, name = key.split("|")
            found.setdefault(tuple(run), {})[name] = arrays[key]
    return found


def unit_of(net, layer, channel, place):
    return Unit(layer, int(channel), tuple(map(int, place.split(","))) if net.layers[layer].is_spatial else None)


def follows(net, unit, settings, before, after):
    """Whether the step from `before` is the original's; if not, whether float noise decides about it.

    Where one rectifier or pooling window is within float noise of a tie, two correct builds differ (here: PyTorch with
    one thread and with two). That it is a tie shows in that noise of at most 1e-4 of a pixel value brings the other
    result.
    """
    for attempt, size in enumerate((0, *[1e-4, 3e-5, 1e-5, 3e-6] * 5)):
        noise = np.random.RandomState(attempt).normal(0, size, before.shape)
        there = AscentSettings(**{**settings, "max_iter": 2}, start_at=before + noise)
        seen, _ = images_seen(net, [unit], there)
        if share_off(seen[1, 0], after, before) < 0.005:
            return True
    return False


def test_steps_from_the_originals_images_are_the_originals(squeezenet, shared):
    for run, arrays in runs(shared / "reference" / "squeezenet" / "steps.npz").items():
        layer, channel, place, preset, seed, start, k = run
        settings, unit = REFERENCE_PRESETS[preset], unit_of(squeezenet, layer, channel, place)
        assert follows(squeezenet, unit, settings, arrays["before"], arrays["after1"]), run
        if (int(k) + 1) % settings["blur_every"]:
            assert follows(squeezenet, unit, {**settings, "blur_every": 0}, arrays["after1"], arrays["after2"]), run
        at_start = AscentSettings(**{**settings, "max_iter": 1}, start_at=arrays["before"])
        (result,) = preferred_images(squeezenet, [unit], [0], at_start)
        np.testing.assert_allclose(result.objective[0], arrays["obj"][int(k)], rtol=1e-4, atol=1e-6)
        first = AscentSettings(max_iter=1, start_at=start)
        drawn, _ = images_seen(squeezenet, [unit], first, seeds=(int(seed),))
        np.testing.assert_allclose(drawn[0, 0].ravel()[:2000], arrays["start"], atol=1e-4)


def test_objectives_from_the_start_are_the_originals(squeezenet, shared):
    for run, arrays in runs(shared / "reference" / "squeezenet" / "optimize.npz").items():
        layer, channel, place, preset, steps = run
        settings = AscentSettings(**{**REFERENCE_PRESETS[preset], "max_iter": int(steps)})
        (result,) = preferred_images(squeezenet, [unit_of(squeezenet, layer, channel, place)], [0], settings)
        if layer == "conv1":
            np.testing.assert_allclose(result.objective, arrays["obj"], rtol=1e-4, atol=1e-3)
            off = np.abs(result.last - arrays["last"]) > 1e-3 * np.abs(arrays["last"]).max()
            assert off.mean() < 0.005
        else:
            assert result.objective[0] == 0
            np.testing.assert_allclose(result.objective[:5], arrays["obj"][:5], rtol=1e-2)
