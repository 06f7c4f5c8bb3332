"""The network as one ONNX file for the browser: a picture's pixels in, all layers' values and the classes out."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.exporting import without_fast_paths
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.words.images import RGBImage

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

PIXELS, PROBABILITIES = "pixels", "probabilities"
"""What the file calls its input, RGB float32 (H, W, 3) of 0 to 255, and the classes' probabilities."""
OPSET = 17
_EMPTY_PLANE = 4


@dataclass(frozen=True)
class LiveNetwork:
    """What the page computes with."""

    module: nn.Module
    layers: tuple[str, ...]
    """Those that are given out, in the file's order: with places or flat."""
    has_probabilities: bool
    means: dict[str, float]
    """The mean size of each layer's values on `check_picture`."""

    @property
    def outputs(self) -> list[str]:
        """The names of what the file gives out."""
        return [*map(output_of, range(len(self.layers))), *([PROBABILITIES] if self.has_probabilities else [])]


def output_of(number: int) -> str:
    """Return what the file calls the values of a layer, by its number among those that it gives out: not every name of
    a layer would do."""
    return f"layer_{number}"


class _FromPixels(nn.Module):
    """Prepares pixels as the network's `Preprocessing` does, and runs its graph."""

    mean: torch.Tensor
    gain: torch.Tensor

    def __init__(self, network: TorchNetwork, layers: Sequence[str]) -> None:
        super().__init__()
        self._network = [network]  # in a list: it is no module
        self.graph = _with_outputs(network, layers)
        self.last = layers.index(network.probability_layer) if network.probability_layer in layers else None
        how = network.preprocessing
        self.planes = ["RGBY-".index(fill) for fill in how.fills]
        filled = [float(plane != _EMPTY_PLANE) for plane in self.planes]
        self.register_buffer("mean", torch.from_numpy(np.array(how.mean_map)))
        self.register_buffer("gain", torch.from_numpy(how.gain * np.array(filled, np.float32)).reshape(-1, 1, 1))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the layers' values (1, …), and the classes' probabilities where there are some."""
        red, green, blue = pixels.permute(2, 0, 1).unbind(0)
        grey = torch.floor((9798 * red + 19235 * green + 3735 * blue + 16384) / 32768)  # as OpenCV's fixed point
        known = [red, green, blue, grey, torch.zeros_like(red)]
        x = (torch.stack([known[plane] for plane in self.planes]) - self.mean) * self.gain
        values = tuple(self.graph(x[None]))
        return values if self.last is None else (*values, self._network[0].probabilities(values[self.last]))


def live_network(network: Network) -> LiveNetwork:
    """Return what the browser computes. `ToolboxError` where the engine is not torch."""
    if not isinstance(network, TorchNetwork):
        raise ToolboxError(f'--live: the engine "{network.engine}" exports nothing; use --engine torch')
    layers = [
        name for name, layer in network.layers.items() if name != network.input_name and len(layer.shape) in (1, 3)
    ]
    picture = check_picture(network.preprocessing.size)
    right = network.forward(torch.from_numpy(network.preprocessing.values_of(picture).copy())[None], layers)
    means = {name: float(value.abs().double().mean()) for name, value in right.items()}
    module = _FromPixels(network, layers).eval()
    return LiveNetwork(module, tuple(layers), module.last is not None, means)


def onnx_bytes(live: LiveNetwork, size: tuple[int, int]) -> bytes:
    """Return the ONNX file of a network with inputs of this size (H, W). `ToolboxError` where torch cannot write it."""
    written = io.BytesIO()
    pixels = torch.from_numpy(check_picture(size).astype(np.float32))
    try:
        with warnings.catch_warnings(), torch.no_grad(), without_fast_paths():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            torch.onnx.export(
                live.module, (pixels,), written,  # type: ignore[arg-type] # an open file will do
                dynamo=False, opset_version=OPSET, input_names=[PIXELS], output_names=live.outputs,
            )  # fmt: skip
    except Exception as error:  # whatever the exporter does not know ends in an error of its own
        raise ToolboxError(f"--live: torch cannot write the network as ONNX: {reason_of(error)}") from error
    return written.getvalue()


def check_picture(size: tuple[int, int]) -> RGBImage:
    """Return a picture that the page makes, too, RGB uint8 (H, W, 3): its values tell whether it computes the same."""
    rows, columns, colours = np.ogrid[: size[0], : size[1], :3]
    return ((7 * columns + 13 * rows + 29 * colours + (rows * columns) // 8) % 256).astype(np.uint8)


def _with_outputs(network: TorchNetwork, layers: Sequence[str]) -> fx.GraphModule:
    """Return the network's graph with the layers' values as what it gives; the weights are the network's own."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.graph_copy(network.graph_module.graph, copies)
    graph.output(tuple(copies[network.nodes_of(name).value] for name in layers))
    return fx.GraphModule(network.graph_module, graph)
