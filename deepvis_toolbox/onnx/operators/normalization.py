"""Norms: of batches, instances, layers, groups, and of neighbouring channels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.operators.convolution import filled
from deepvis_toolbox.onnx.values import Value


@operator("BatchNormalization")
def batch_norm(given: Given) -> Value:
    """A norm by kept means and variances of channels."""
    if given.whole("training_mode", 0) or given.whole("spatial", 1) != 1:
        raise ValueError("it is in training mode, or not by channel; export the network in evaluation mode")
    value = given[0]
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {name: given[index + 1].settled(name) for index, name in enumerate(names)}
    if value.rank < 2 or any(tuple(each.shape) != (value.shape[1],) for each in tensors.values()):
        raise ValueError(f"its numbers do not go with {list(value.shape)}")
    if value.rank != 4:
        weight, bias, mean, variance = (given[index] for index in range(1, 5))
        epsilon = given.number("epsilon", 1e-5)
        found: Value = given.call(F.batch_norm, value, mean, variance, weight, bias, False, 0.1, epsilon)
        return found
    made = nn.BatchNorm2d(value.shape[1], given.number("epsilon", 1e-5), device="meta")
    for name in names[:2]:
        setattr(made, name, nn.Parameter(tensors[name], requires_grad=False))
    made.running_mean, made.running_var = tensors["running_mean"], tensors["running_var"]
    made.num_batches_tracked = torch.zeros((), dtype=torch.int64)
    return given.builder.module(made.eval(), value, given.path(1))


@operator("InstanceNormalization")
def instance_norm(given: Given) -> Value:
    """A norm of each map by its own mean and variance."""
    found: Value = given.call(
        F.instance_norm, given[0], weight=given[1], bias=given[2], eps=given.number("epsilon", 1e-5)
    )
    return found


@operator("LayerNormalization")
def layer_norm(given: Given) -> Value:
    """A norm over the last axes."""
    value = given[0]
    first = given.axis(given.whole("axis", -1))
    return over_last_axes(given, value, first, given.number("epsilon", 1e-5))


def over_last_axes(given: Given, value: Value, first: int, epsilon: float) -> Value:
    """Return the norm over the axes from `first` on."""
    shape, weight, bias = list(value.shape[first:]), given.get(1), given.get(2)
    is_trained = weight is not None and weight.is_settled and list(weight.shape) == shape
    if is_trained and weight is not None and (bias is None or (bias.is_settled and list(bias.shape) == shape)):
        made = nn.LayerNorm(shape, epsilon, bias=bias is not None, device="meta")
        return given.builder.module(filled(made, weight, bias), value, given.path(1))
    found: Value = given.call(F.layer_norm, value, shape, None, None, epsilon)
    found = found if weight is None else given.call(torch.mul, found, weight)
    return found if bias is None else given.call(torch.add, found, bias)


@operator("RMSNormalization")
def root_mean_square_norm(given: Given) -> Value:
    """A division by the root of the mean square over the last axes."""
    value = given[0]
    shape = list(value.shape[given.axis(given.whole("axis", -1)) :])
    found: Value = given.call(F.rms_norm, value, shape, None, given.number("epsilon", 1e-5))
    return given.call(torch.mul, found, given[1])  # type: ignore[no-any-return]


@operator("GroupNormalization")
def group_norm(given: Given) -> Value:
    """A norm of groups of channels."""
    value, groups = given[0], given.whole("num_groups", 1)
    weight, bias = given[1].settled("scale"), given[2].settled("bias")
    channels = value.shape[1]
    if groups < 1 or channels % groups:
        raise ValueError(f"{channels} channels do not make {groups} groups")
    if given.opset < 21:  # a number a group
        weight, bias = (each.reshape(-1).repeat_interleave(channels // groups) for each in (weight, bias))
    made = nn.GroupNorm(groups, channels, given.number("epsilon", 1e-5), device="meta")
    known: Any = [given.builder.known(each) for each in (weight, bias)]
    return given.builder.module(filled(made, *known), value, given.path(1))


@operator("LRN")
def local_response_norm(given: Given) -> Value:
    """A division by what the neighbouring channels give."""
    size = given.whole("size", 1)
    if not 1 <= size <= 4096:
        raise ValueError(f"its size is {size}")
    numbers = (size, given.number("alpha", 1e-4), given.number("beta", 0.75), given.number("bias", 1.0))
    if size % 2:
        made = nn.LocalResponseNorm(*numbers)
        return given.builder.module(made, given[0], "lrn")
    turned = given.call(torch.flip, given[0], [1])  # of even sizes, torch looks one channel further back, ONNX on
    return given.call(torch.flip, given.call(F.local_response_norm, turned, *numbers), [1])  # type: ignore[no-any-return]


@operator("LpNormalization")
def unit_norm(given: Given) -> Value:
    """A division by the length along an axis."""
    value, axis = given[0], given.axis(given.whole("axis", -1))
    length = given.call(torch.linalg.vector_norm, value, given.whole("p", 2), [axis], True)
    found: Value = given.call(torch.div, value, given.call(torch.clamp, length, 1e-30))
    return found


@operator("MeanVarianceNormalization")
def mean_variance_norm(given: Given) -> Value:
    """A norm over axes that do not hold the batch."""
    value = given[0]
    axes = [given.axis(each) for each in given.attribute("axes", [0, 2, 3])]
    if set(axes) & set(value.batch_axes()) or 0 in axes:
        raise ValueError("it mixes the images of a batch, which is not supported")
    mean = given.call(torch.mean, value, axes, True)
    centred = given.call(torch.sub, value, mean)
    square = given.call(torch.mean, given.call(torch.pow, centred, 2), axes, True)
    deviation = given.call(torch.sqrt, square)
    found: Value = given.call(torch.div, centred, given.call(torch.add, deviation, 1e-9))
    return found
