"""How convolutions and poolings lie on what they read: kernel, stride, dilation, and padding on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given
from deepvis_toolbox.onnx.values import Value

LARGEST = 1 << 20


@dataclass(frozen=True)
class Placing:
    """All by spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def is_even(self) -> bool:
        """Whether there is as much padding before as behind."""
        return self.before == self.after

    @property
    def reach(self) -> tuple[int, ...]:
        """From the first to the last pixel that a kernel sees."""
        return tuple(dilation * (kernel - 1) + 1 for kernel, dilation in zip(self.kernel, self.dilation, strict=True))

    def padding_for_torch(self) -> tuple[int, ...]:
        """Return the padding as `F.pad` takes it, the last axis first."""
        pairs = zip(reversed(self.before), reversed(self.after), strict=True)
        return tuple(number for pair in pairs for number in pair)


def placing_of(given: Given, kernel: tuple[int, ...]) -> Placing:
    """Return how a window lies on the first input, also where the file says `SAME_UPPER` or `SAME_LOWER`."""
    value = given[0]
    spatial = value.shape[2:]
    if value.rank != len(kernel) + 2 or not spatial:
        raise ValueError(f"its kernel of {len(kernel)} axes does not go with an input of {value.rank}")
    stride = _each(given, "strides", 1, len(kernel))
    dilation = _each(given, "dilations", 1, len(kernel))
    pads = given.attribute("pads", [0] * (2 * len(kernel)))
    if len(pads) != 2 * len(kernel) or any(abs(pad) > LARGEST for pad in pads):
        raise ValueError("its pads do not go with its kernel")
    before, after = tuple(pads[: len(kernel)]), tuple(pads[len(kernel) :])
    automatic = given.attribute("auto_pad", "NOTSET")
    if automatic == "VALID":
        before = after = (0,) * len(kernel)
    elif automatic in ("SAME_UPPER", "SAME_LOWER"):
        placing = Placing(kernel, stride, dilation, before, after)
        totals = [
            max((-(-size // step) - 1) * step + reach - size, 0)
            for size, step, reach in zip(spatial, stride, placing.reach, strict=True)
        ]
        less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
        before, after = (less, more) if automatic == "SAME_UPPER" else (more, less)
    elif automatic != "NOTSET":
        raise ValueError(f"its auto_pad {automatic[:20]} is not known")
    return Placing(kernel, stride, dilation, before, after)


def kernel_of(given: Given) -> tuple[int, ...]:
    """Return the kernel that a pooling names."""
    kernel = tuple(given.attribute("kernel_shape", []))
    if not 1 <= len(kernel) <= 3 or any(not 1 <= size <= LARGEST for size in kernel):
        raise ValueError("its kernel_shape is missing, or cannot be one")
    return kernel


def _each(given: Given, name: str, default: int, count: int) -> tuple[int, ...]:
    found = tuple(given.attribute(name, [default] * count))
    if len(found) != count or any(not 1 <= number <= LARGEST for number in found):
        raise ValueError(f"its {name} do not go with its kernel")
    return found


def padded(given: Given, value: Value, placing: Placing, fill: float = 0.0) -> Value:
    """Return a value with the padding around it."""
    if not any((*placing.before, *placing.after)):
        return value
    found: Value = given.call(F.pad, value, placing.padding_for_torch(), "constant", fill)
    return found
