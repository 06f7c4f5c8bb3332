"""Single precision that is single precision: on a GPU, PyTorch by default rounds what a convolution multiplies to TF32.

TF32 keeps 10 bits of the mantissa, so that activations are off by up to a thousandth, and a gradient by far more where
a rectifier or a pooling window falls the other way. What people compare, here and with Caffe, is float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Convolutions and matrix products on `device` are computed in float32; the user's own choice is given back."""
    if device.type != "cuda":
        yield
        return
    kinds: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision
