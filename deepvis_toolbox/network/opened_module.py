"""From a user's nn.Module to an opened network, in whichever way it can be made a graph."""

from __future__ import annotations

import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.differing import GraphDiffersError
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from deepvis_toolbox.words.network import TraceWay


def network_of_module(
    module: nn.Module, description: ModelDescription, device: torch.device, way: TraceWay = "auto"
) -> TorchNetwork:
    """Open a copy of the module, which is left as it is, for images of the description's size.

    `way`: by torch.fx, by torch.export, or (`auto`) by the second where the first refuses, or gives other values than
    the module. Raises `ToolboxError` where no way leads to a graph that computes what the module computes.
    """
    shape = description.preprocessing.input_shape
    try:
        return TorchNetwork(trace(module, shape, way), description, device)
    except GraphDiffersError as refusal:
        if way != "auto":
            raise
        try:
            return TorchNetwork(trace(module, shape, "export"), description, device)
        except ToolboxError:
            raise refusal from None
