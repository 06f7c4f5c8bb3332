"""What a network is opened with: who computes it, and the order of its input's channels."""

from __future__ import annotations

from typing import Literal, get_args

DEFAULT_MODEL = "efficientnet-lite0"
"""The network where nobody names one."""

Engine = Literal["torch", "caffe"]
"""Who computes: PyTorch, or real Caffe."""

ENGINES: tuple[str, ...] = get_args(Engine)

TraceWay = Literal["auto", "fx", "export"]
"""How a module of PyTorch becomes a graph: by torch.fx, by torch.export, or by whichever of them can, in this order."""

TRACE_WAYS: tuple[str, ...] = get_args(TraceWay)
