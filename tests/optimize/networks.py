"""Small networks of random weights for the tests of the optimizer."""

from __future__ import annotations

import torch
from torch import nn

from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace


def network_of(module: nn.Module, size: tuple[int, int] = (24, 20), **preprocessing: object) -> TorchNetwork:
    """A network on the CPU around `module`, for RGB images of `size` unless told otherwise."""
    given = Preprocessing(size, **{"mean": 110.0, **preprocessing})
    graph = trace(module, given.input_shape)
    return TorchNetwork(graph, ModelDescription(name="small", preprocessing=given), torch.device("cpu"))


def network_values(net: TorchNetwork, pixels: torch.Tensor) -> torch.Tensor:
    """Zero-centred pixels (N, C, H, W) as the network takes them: divided by its scale alone, the mean being gone."""
    return pixels * torch.tensor(net.preprocessing.gain).reshape(-1, 1, 1)


def linear_network(**preprocessing: object) -> TorchNetwork:
    """One convolution, then a linear layer: every unit is a linear function of the image."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 6, 5, stride=2, padding=2), nn.Flatten(), nn.Linear(6 * 12 * 10, 7)]
    return network_of(_named(conv=parts[0], flat=parts[1], fc=parts[2]), **preprocessing)


def curved_module(times: float = 1.0) -> nn.Sequential:
    """Two smoothed convolutions and a softmax: nothing is linear, and nothing has a kink to fall off.

    Made for zero-centred pixels divided by 64; `times` more, for a network that divides them by more.
    """
    torch.manual_seed(1)
    first, second, third = nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.Conv2d(8, 10, 3, padding=1), nn.Linear(10, 7)
    first.weight.data *= times
    return _named(
        conv1=first, act1=nn.Tanh(), conv2=second, act2=nn.Softplus(),
        pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=third, prob=nn.Softmax(1),
    )  # fmt: skip


def curved_network(std: float = 64.0) -> TorchNetwork:
    """`curved_module`, the same function of the pixels whatever its own scaling."""
    return network_of(curved_module(std / 64), std=std)


def rectified_module() -> nn.Sequential:
    """Two rectified convolutions, a pooling, a saturating rectifier and a linear layer; for pixels divided by 64."""
    torch.manual_seed(2)
    return _named(
        conv1=nn.Conv2d(3, 8, 5, stride=2, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(8, 10, 3, padding=1),
        relu2=nn.ReLU6(),
        flat=nn.Flatten(),
        fc=nn.Linear(10 * 6 * 5, 7),
    )


def rectified_network(**preprocessing: object) -> TorchNetwork:
    """`rectified_module`."""
    return network_of(rectified_module(), **{"std": 64.0, **preprocessing})


def normed_network(rectified: bool = False) -> TorchNetwork:
    """Two convolutions, each with a batch norm that has learnt something, smoothed or rectified."""
    return network_of(normed_module(rectified), std=64.0)


def normed_module(rectified: bool = False) -> nn.Sequential:
    """The module of `normed_network`."""
    torch.manual_seed(4)
    first, second = (nn.ReLU(), nn.ReLU6()) if rectified else (nn.Tanh(), nn.Softplus())
    module = _named(
        conv1=nn.Conv2d(3, 8, 5, stride=2, padding=2), norm1=nn.BatchNorm2d(8), act1=first,
        conv2=nn.Conv2d(8, 10, 3, padding=1), norm2=nn.BatchNorm2d(10), act2=second,
        pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(10, 7),
    )  # fmt: skip
    for norm in (module.norm1, module.norm2):
        for values, low, high in ((norm.weight, -1.5, 1.5), (norm.bias, -1, 1), (norm.running_mean, -1, 1)):
            nn.init.uniform_(values, low, high)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return module.eval()


def _named(**parts: nn.Module) -> nn.Sequential:
    module = nn.Sequential()
    for name, part in parts.items():
        module.add_module(name, part)
    return module


def small_classifier() -> nn.Sequential:
    """A factory for `--model tests.optimize.networks:small_classifier`: input 24×20, mean 110."""
    torch.manual_seed(3)
    return _named(
        conv=nn.Conv2d(3, 4, 5, stride=2, padding=2),
        relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        fc=nn.Linear(16, 5),
    )


def dead_classifier() -> nn.Sequential:
    """`small_classifier` whose unit 1 of the classes is the same for every image: an ascent has nowhere to go."""
    module = small_classifier()
    module.fc.weight.data[1] = 0
    return module
