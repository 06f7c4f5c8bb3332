"""Parametrizations: the space in which a step is steepest. Pixels are the paper's; the others came later.

An image is a linear function x = A theta of its parameters, so steepest ascent on theta changes the image by
eta * A A^T g, where g is the gradient with respect to the pixels: a parametrization is a preconditioner of the gradient
(Olah, Mordvintsev & Schubert 2017). The regularizers go on working on the pixels.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.registry import Registry

COLOUR_COVARIANCE = np.array([[0.9878, 0.8743, 0.8055], [0.8743, 0.9447, 0.9052], [0.8055, 0.9052, 1.0676]])
"""Of red, green and blue over the pixels of 500 ImageNet photographs, scaled so that its trace is 3."""


class Parametrization(ABC):
    """A linear map A from parameters to images, given by A and A A^T alone. Both keep a noise image's mean size."""

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        """For images of the network's input shape and channel order, on `device`."""

    @abstractmethod
    def image(self, parameters: torch.Tensor) -> torch.Tensor:
        """Return A theta, float32 (N, C, H, W): the images of these parameters, float32."""

    def coordinates(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return A^T g in orthonormal coordinates of the parameters, float32 (N, …): what an optimizer works on that
        treats every parameter by itself."""
        return self.image(gradient)  # A is symmetric

    def change(self, coordinates: torch.Tensor) -> torch.Tensor:
        """Return A d, float32 (N, C, H, W), for a change d of the parameters in these coordinates."""
        return self.image(coordinates)

    @abstractmethod
    def step(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return A A^T g, the direction of the step in pixels, for a gradient g; both float32 (N, C, H, W)."""


ParametrizationClass = TypeVar("ParametrizationClass", bound=Parametrization)

PARAMETRIZATIONS: Registry[type[Parametrization]] = Registry("parametrization", sets_name=True)


def register_parametrization(name: str) -> Callable[[type[ParametrizationClass]], type[ParametrizationClass]]:
    """Return a decorator that makes a parametrization known by its name; its docstring's first line explains it."""
    return PARAMETRIZATIONS.register(name)


@register_parametrization("pixels")
class PixelParametrization(Parametrization):
    """The parameters are the pixels."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        """Ignore both: pixels need neither."""

    def image(self, parameters: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return parameters

    def step(self, gradient: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return gradient


@register_parametrization("fourier")
class Fourier(Parametrization):
    """The parameters are the image's spectrum, each frequency f weighted by 1 / f as in photographs."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._size = preprocessing.size
        self._weights = torch.tensor(_frequency_weights(self._size), dtype=torch.float32, device=device)

    def image(self, parameters: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return self._filtered(parameters, self._weights)

    def step(self, gradient: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return self._filtered(gradient, self._weights.square())

    def coordinates(self, gradient: torch.Tensor) -> torch.Tensor:
        """Do as the base class says: the real and imaginary parts of the spectrum."""
        return torch.view_as_real(torch.fft.rfft2(self.image(gradient), norm="ortho"))

    def change(self, coordinates: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return self.image(torch.fft.irfft2(torch.view_as_complex(coordinates), s=self._size, norm="ortho"))

    def _filtered(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * weights, s=self._size)


@register_parametrization("fourier-decorrelated")
class DecorrelatedFourier(Fourier):
    """As `fourier`, and the colours too are mixed as they go together in photographs."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        super().__init__(preprocessing, device)
        covariance = _colour_covariance(preprocessing)
        values, vectors = np.linalg.eigh(covariance)
        root = (vectors * np.sqrt(values)) @ vectors.T
        self._mixture = torch.tensor(root, dtype=torch.float32, device=device)
        self._covariance = torch.tensor(covariance, dtype=torch.float32, device=device)

    def image(self, parameters: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return torch.einsum("dc,nchw->ndhw", self._mixture, super().image(parameters))

    def step(self, gradient: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        return torch.einsum("dc,nchw->ndhw", self._covariance, super().step(gradient))


def _frequency_weights(size: tuple[int, int]) -> NDArray[np.floating]:
    """Return 1 / f for the frequencies of `rfft2`, (H, W // 2 + 1), the mean of the squares over all frequencies being
    1.

    The mean colour, f = 0, counts as the lowest frequency that the image can hold.
    """
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None]
    weights = 1 / np.maximum(np.hypot(rows, columns), 1 / max(size))
    weights /= np.sqrt(np.square(weights).mean())
    return weights[:, : size[1] // 2 + 1]


def _colour_covariance(preprocessing: Preprocessing) -> NDArray[np.floating]:
    """Return the colours' covariance in the network's channel order; a grey or empty channel goes with no other."""
    found, start = np.eye(preprocessing.channel_count), 0
    for fills in re.findall("RGB|BGR|.", preprocessing.fills):
        own = slice(start, start := start + len(fills))
        if len(fills) == 3:
            found[own, own] = COLOUR_COVARIANCE if fills == "RGB" else COLOUR_COVARIANCE[::-1, ::-1]
    return found
