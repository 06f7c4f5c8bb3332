"""How people write what a network computes on."""

from __future__ import annotations

import re

from deepvis_toolbox.errors import ToolboxError, nearest_name

DEVICE_PATTERN = r"^(auto|cpu|mps|cuda(:\d+)?)$"
"""All that may be written: `auto` (the GPU where there is one), `cpu`, `cuda`, `cuda:N`, `mps` (Apple's GPU)."""


def parsed_device(name: str) -> str:
    """Return the device's name in lower case; `ToolboxError` where it is none."""
    word = name.strip().lower()
    if not re.fullmatch(DEVICE_PATTERN, word):
        hint = nearest_name(word, ("auto", "cpu", "cuda", "mps"))
        raise ToolboxError(f'unknown device "{name}"{hint or "; it is one of auto, cpu, cuda, cuda:N, mps"}')
    return word
