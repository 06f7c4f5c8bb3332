"""Units that are off, wherever they stand: their gradient below the rectifiers, against plain torch and differences."""

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, Unit, preferred_images
from deepvis_toolbox.optimize.method.targets import Direction
from tests.optimize.networks import network_of, network_values

UP = {"lr_policy": "progress", "lr_params": {"max_lr": 1e9, "desired_prog": 3.0}}


class Branches(nn.Module):
    """Rectifiers of which most are off on a dim image, behind everything that only brings units on."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)
        for conv in (self.left, self.right):
            conv.bias.data.fill_(-3)
        self.relu, self.relu6 = nn.ReLU(), nn.ReLU6()
        self.pool, self.again = nn.MaxPool2d(3, 2), nn.MaxPool2d(2)
        self.drop, self.up = nn.Dropout(), nn.Upsample(scale_factor=2)
        self.mean, self.flat = nn.AdaptiveAvgPool2d(2), nn.Flatten()
        self.depthwise, self.last = nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6()

    def forward(self, x):
        return self.tail(self.relu(self.left(x)), self.relu6(self.right(x)))

    def tail(self, left, right):
        joined = self.up(self.drop(self.again(self.pool(torch.cat([left, right], 1)))))
        return self.last(self.depthwise(joined)) + self.flat(self.mean(joined)).reshape(-1, 8, 2, 2).mean((2, 3), True)


@pytest.fixture
def branches():
    return network_of(Branches(), std=64.0)


def below_rectifiers(layer, x):
    """The layer's value computed on what lies below the rectifiers, (N, …), in plain torch."""
    module = Branches().eval()
    joined = torch.cat([module.left(x), module.right(x)], 1)
    steps = [("cat", lambda v: v), ("pool", module.pool), ("again", module.again), ("drop", lambda v: v),
             ("up", module.up), ("mean", module.mean), ("flat", module.flat)]  # fmt: skip
    for name, step in steps:
        joined = step(joined)
        if name == layer:
            return joined
    raise KeyError(layer)


def images(net, count=2, seed=0):
    pixels = torch.from_numpy(np.random.RandomState(seed).normal(0, 5, (count, *net.input_shape)).astype(np.float32))
    return network_values(net, pixels)


@pytest.mark.parametrize("layer", ["cat", "pool", "again", "drop", "up", "mean", "flat"])
def test_the_gradient_of_a_unit_that_is_off_is_that_of_the_same_operations_below_the_rectifiers(branches, layer):
    x = images(branches)
    name = next(listed for listed in branches.layers if listed.startswith(layer))
    shape = branches.layers[name].shape
    diff = torch.zeros((2, *shape))
    diff.flatten(1)[0, 1], diff.flatten(1)[1, -2] = 1, 1
    assert not branches.backward(x, name, diff)[branches.input_name].any()
    seen = branches.opened_rectifiers(name)(x, lambda values, below: diff)  # noqa: ARG005
    leaf = x.clone().requires_grad_()
    below = below_rectifiers(layer, leaf)
    (gradient,) = torch.autograd.grad(below, leaf, diff)
    torch.testing.assert_close(seen.below, below.detach())
    torch.testing.assert_close(seen.gradient, gradient, rtol=1e-4, atol=1e-7)
    assert seen.gradient[0].any()
    assert seen.gradient[1].any()


def test_the_gradient_is_that_of_the_differences_of_what_the_look_gives(branches):
    x, move = images(branches, 1), 1e-2 * images(branches, 1, seed=7)
    name = next(listed for listed in branches.layers if listed.startswith("flat"))
    diff = torch.zeros((1, *branches.layers[name].shape))
    diff[0, 5] = 1
    look = branches.opened_rectifiers(name)
    there, here = (look(x + sign * move, lambda *_: diff).below[0, 5] for sign in (1, -1))
    gradient = look(x, lambda *_: diff).gradient
    np.testing.assert_allclose(float(there - here) / 2, float((gradient * move).sum()), rtol=1e-2)


def test_where_weights_lie_between_the_signal_passes_them_as_in_backprop(branches):
    x = images(branches, 1)
    name = next(listed for listed in branches.layers if listed.startswith(("depthwise", "last")))
    diff = torch.zeros((1, *branches.layers[name].shape))
    diff[0, 3, 0, 0] = 1
    assert not branches.backward(x, name, diff)[branches.input_name].any()
    leaf = x.clone().requires_grad_()
    module = Branches().eval()
    value = module.depthwise(below_rectifiers("up", leaf))
    (expected,) = torch.autograd.grad(value, leaf, diff)
    found = branches.opened_rectifiers(name)(x, lambda *_: diff).gradient
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_units_that_are_off_climb_behind_everything_in_every_batch(branches):
    settings = AscentSettings(**UP, max_iter=15)
    layers = [name for name in branches.layers if name.startswith(("cat", "again", "flat"))]
    assert len(layers) == 3
    for layer in layers:
        units = [Unit(layer, channel) for channel in (0, 3, 5)]
        together = preferred_images(branches, units, [0], settings)
        assert any(result.objective[0] == 0 for result in together)
        assert all(result.objective.max() > 0 and not result.has_failed for result in together), layer
        alone = preferred_images(branches, units[:1], [0], settings, batch_size=1)
        for one, many in zip(alone, together, strict=False):
            np.testing.assert_allclose(one.objective[:5], many.objective[:5], rtol=1e-3, atol=1e-4)


def test_directions_and_means_of_units_that_are_off_climb_too(branches):
    name = next(listed for listed in branches.layers if listed.startswith("again"))
    weights = np.eye(8, dtype=np.float32)[2] + np.eye(8, dtype=np.float32)[6]
    settings = AscentSettings(**UP, max_iter=15)
    for result in preferred_images(branches, [Direction(name, weights), Unit(name, 3, "mean")], [0], settings):
        assert result.objective[0] == 0
        assert result.objective[result.best_step] > 0


def test_what_depends_on_no_image_has_no_direction_and_what_is_off_for_good_keeps_its_last_rank():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 3)
    conv.weight.data[0] = 0
    conv.bias.data[:] = torch.tensor([-1.0, -1e6])
    net = network_of(nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2)))
    layer = list(net.layers)[-1]
    constant, off = preferred_images(net, [Unit(layer, 0), Unit(layer, 1)], [0], AscentSettings(**UP, max_iter=5))
    assert (constant.outcome, constant.has_failed, len(constant.objective)) == ("zero gradient", True, 1)
    assert off.best_step == 4
    assert (off.objective == 0).all()
    assert (np.diff(off.below) > 0).all()
