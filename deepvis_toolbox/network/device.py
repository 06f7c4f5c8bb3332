"""Which device a word such as `auto`, `cpu`, `cuda:1` or `mps` means on this machine."""

from __future__ import annotations

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.device import parsed_device


def resolve_device(name: str) -> torch.device:
    """Return the device, checked to be there. `auto`: the GPU where there is one (CUDA, then Apple's), else the CPU."""
    word = parsed_device(name)
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    if word.startswith("cuda"):
        _check_cuda(word)
    if word == "mps" and not _has_mps():
        raise ToolboxError("this machine has no Apple GPU that PyTorch can use (mps); choose --device cpu or auto")
    return torch.device(word)


def widest_float(device: torch.device) -> torch.dtype:
    """Return the float of most bits that the device has: float64, but for Apple's GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


def make_tensors_on(graph_module: fx.GraphModule, device: torch.device) -> None:
    """Let the operations of ATen that make tensors of sizes make them on this device: a program of torch.export names
    the one that it was made on."""
    for node in graph_module.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload) and "device" in node.kwargs:
            node.kwargs = {**node.kwargs, "device": device}


def _check_cuda(word: str) -> None:
    if not torch.cuda.is_available():
        raise ToolboxError("PyTorch finds no CUDA GPU on this machine; choose --device cpu or auto")
    count, index = torch.cuda.device_count(), int(word.partition(":")[2] or 0)
    if index >= count:
        raise ToolboxError(f"there is no {word}; this machine has cuda:0 to cuda:{count - 1}")


def _has_mps() -> bool:
    return torch.backends.mps.is_available()
