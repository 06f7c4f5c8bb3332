"""`tests.nets.Classic` once more, forward and down in every mode, in plain NumPy: written from the rules alone."""

from __future__ import annotations

import numpy as np
from torch import nn

Array = np.ndarray


def convolve(x: Array, weight: Array, bias: Array, stride: int, pad: int, groups: int) -> Array:
    channels, height, width = x.shape
    kernel = weight.shape[2]
    padded = np.zeros((channels, height + 2 * pad, width + 2 * pad))
    padded[:, pad : pad + height, pad : pad + width] = x
    rows, columns = (height + 2 * pad - kernel) // stride + 1, (width + 2 * pad - kernel) // stride + 1
    out = np.zeros((len(weight), rows, columns))
    each_in, each_out = channels // groups, len(weight) // groups
    for unit in range(len(weight)):
        group = unit // each_out
        for row in range(rows):
            for column in range(columns):
                top, left = row * stride, column * stride
                seen = padded[group * each_in : (group + 1) * each_in, top : top + kernel, left : left + kernel]
                out[unit, row, column] = (seen * weight[unit]).sum() + bias[unit]
    return out


def convolve_down(signal: Array, weight: Array, shape: tuple, stride: int, pad: int, groups: int) -> Array:
    channels, height, width = shape
    kernel = weight.shape[2]
    padded = np.zeros((channels, height + 2 * pad, width + 2 * pad))
    each_in, each_out = channels // groups, len(weight) // groups
    for unit, row, column in np.ndindex(*signal.shape):
        group, top, left = unit // each_out, row * stride, column * stride
        into = padded[group * each_in : (group + 1) * each_in, top : top + kernel, left : left + kernel]
        into += signal[unit, row, column] * weight[unit]
    return padded[:, pad : pad + height, pad : pad + width]


def max_pool(x: Array, kernel: int, stride: int) -> tuple[Array, Array]:
    """The maxima, and the flat index of each window's first maximum."""
    channels, height, width = x.shape
    rows, columns = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    out, switches = np.zeros((channels, rows, columns)), np.zeros((channels, rows, columns), int)
    for channel, row, column in np.ndindex(*out.shape):
        top, left = row * stride, column * stride
        window = x[channel, top : top + kernel, left : left + kernel]
        y, x_ = np.unravel_index(window.argmax(), window.shape)
        out[channel, row, column] = window[y, x_]
        switches[channel, row, column] = (channel * height + top + y) * width + left + x_
    return out, switches


def lrn(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """The normalised values and the scale they were divided by (before the power)."""
    scale = np.zeros_like(x)
    for channel in range(len(x)):
        first, end = max(channel - size // 2, 0), min(channel + size // 2 + 1, len(x))
        scale[channel] = k + alpha / size * (x[first:end] ** 2).sum(0)
    return x / scale**beta, scale


def lrn_down(signal: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    down = signal / scale**beta
    ratio = signal * x * scale ** (-beta - 1)
    for channel in range(len(x)):
        first, end = max(channel - size // 2, 0), min(channel + size // 2 + 1, len(x))
        down[channel] -= 2 * alpha * beta / size * x[channel] * ratio[first:end].sum(0)
    return down


class NumpyClassic:
    """One forward pass in float64; `down` starts below the rectifier of conv2 (relu2), or at fc."""

    def __init__(self, module: nn.Module, image: Array) -> None:
        state = {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}
        self.state = state
        self.image = image.astype(np.float64)
        self.conv1 = convolve(self.image, state["conv1.weight"], state["conv1.bias"], 2, 1, 1)
        self.relu1 = np.maximum(self.conv1, 0)
        self.pool1, self.switches = max_pool(self.relu1, 3, 2)
        self.norm1, self.scale = lrn(self.pool1, 5, 0.5, 0.75, 1.0)
        self.conv2 = convolve(self.norm1, state["conv2.weight"], state["conv2.bias"], 1, 1, 2)
        self.relu2 = np.maximum(self.conv2, 0)
        self.fc = state["fc.weight"] @ self.relu2.ravel() + state["fc.bias"]

    @staticmethod
    def rectify_down(signal: Array, forward: Array, mode: str) -> Array:
        if mode == "deconv":
            return np.maximum(signal, 0)
        if mode == "guided":
            return np.where((forward > 0) & (signal > 0), signal, 0)
        return np.where(forward > 0, signal, 0)

    def down(self, origin: str, diff: Array, mode: str, lrn_passes: bool = False) -> dict[str, Array]:
        state = self.state
        signal = diff.astype(np.float64)
        if origin == "fc":
            signal = (state["fc.weight"].T @ signal).reshape(self.relu2.shape)
            signal = self.rectify_down(signal, self.conv2, mode)
        arrived = {"relu2": signal}
        signal = convolve_down(signal, state["conv2.weight"], self.norm1.shape, 1, 1, 2)
        arrived["norm1"] = signal
        if not (lrn_passes and mode == "deconv"):
            signal = lrn_down(signal, self.pool1, self.scale, 5, 0.5, 0.75)
        arrived["pool1"] = signal
        unpooled = np.zeros(self.relu1.size)
        np.add.at(unpooled, self.switches.ravel(), signal.ravel())
        signal = self.rectify_down(unpooled.reshape(self.relu1.shape), self.conv1, mode)
        arrived["relu1"] = arrived["conv1"] = signal
        arrived["data"] = convolve_down(signal, state["conv1.weight"], self.image.shape, 2, 1, 1)
        return arrived
