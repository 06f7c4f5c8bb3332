"""What `forward` asks about sizes and types is answered while it is traced, where the batch does not matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.held_against import hold_against

Function = Callable[[Any], Any]


class Between(nn.Module):
    """A convolution, then `function`, then a convolution of kernel 1."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.function = function
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.function(self.conv(x)))


def _asserted(x: Any) -> Any:
    assert x.shape[1] == 4
    assert x.dim() == 4, f"{x.dim()} axes"
    return x * 2


def _same_shapes(x: Any) -> Any:
    y = x * 2
    assert x.shape == y.shape
    return y


def _same_padding(x: Any, stride: int = 2, kernel: int = 3) -> Any:
    """As EfficientNet's after TensorFlow: how much is padded comes from the size."""
    height, width = x.size()[-2:]
    down, across = (max((math.ceil(size / stride) - 1) * stride + kernel - size, 0) for size in (height, width))
    x = F.pad(x, [across // 2, across - across // 2, down // 2, down - down // 2])
    return F.avg_pool2d(x, kernel, stride)


def _with_coordinates(x: Any) -> Any:
    rows = torch.linspace(-1, 1, x.size(2)).view(1, 1, -1, 1)
    return x + rows * x.new_ones(x.shape)


def _in_halves(x: Any) -> Any:
    first, second = (lambda a, b: (b, a))(*x.chunk(2, 1))
    return torch.cat([first, second], 1)


def _unpacked_tensor(x: Any) -> Any:
    q, k, v = (part * factor for part, factor in zip(torch.stack([x, x + 1, x * 2]), (1, 2, 3), strict=True))
    return q * k + v


def _patches(x: Any) -> Any:
    n, c, h, w = x.shape
    patches = x.reshape(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
    return patches.mean(1).reshape(n, h // 4, w // 4, c).permute(0, 3, 1, 2)


def _by_rows(x: Any) -> Any:
    return torch.stack([x[:, :, row] * (row + 1) for row in range(x.shape[2])], 2)


def _twice(x: Any, holds: Any) -> Any:
    return x * 2 if holds else x * 3


ANSWERED: dict[str, Function] = {
    "assert": _asserted,
    "assert that two have one shape": _same_shapes,
    "dim": lambda x: _twice(x, x.dim() == 4),
    "ndim": lambda x: _twice(x, x.ndim == 4),
    "len of shape": lambda x: _twice(x, len(x.shape) == 4),
    "len of size": lambda x: _twice(x, len(x.size()) == 3),
    "odd": lambda x: _twice(x, x.shape[2] % 2),
    "is_cuda": lambda x: _twice(x, x.is_cuda),
    "type of device": lambda x: _twice(x, x.device.type == "mps"),
    "is_floating_point": lambda x: _twice(x, x.is_floating_point() and torch.is_floating_point(x)),
    "dtype": lambda x: x.clamp(min=torch.finfo(x.dtype).min / 2) + _twice(x, x.dtype == torch.float16),
    "type": lambda x: _twice(x, x.type() == "torch.FloatTensor"),
    "int of a size": lambda x: F.adaptive_avg_pool2d(x, int(x.shape[2]) // 4),
    "root of a size": lambda x: x * math.sqrt(x.shape[1]),
    "numel of a part": lambda x: x / x[0].numel() * x.shape[1:].numel(),
    "padding by size": _same_padding,
    "coordinates": _with_coordinates,
    "zeros of a size": lambda x: x + torch.ones(4, x.shape[2], x.shape[3]),
    "kernel of a size": lambda x: F.avg_pool2d(x, (x.size(2), 1)),
    "stars on parts": _in_halves,
    "loop over parts": lambda x: sum(part * at for at, part in enumerate(x.split(1, 1))) * x,
    "reversed parts": lambda x: torch.cat(list(reversed(x.split(2, 1))), 1),
    "len of parts": lambda x: x * len(x.split(2, 1)),
    "maximum of halves": lambda x: torch.max(*x.chunk(2, 1)).repeat(1, 2, 1, 1),
    "loop over a tensor": _unpacked_tensor,
    "loop over rows": _by_rows,
    "patches in the batch": _patches,
    "parts of the shape": lambda x: x.reshape((*x.shape[:2], -1)).reshape(x.shape),
    "to a type": lambda x: x.type(torch.FloatTensor) + x.type(torch.float32) + x.type_as(x),
    "two sizes of the batch": lambda x: _twice(x, x.size(0) == (x * 3).size(0)),
}


@pytest.mark.parametrize("question", ANSWERED)
def test_a_question_about_sizes_and_types_is_answered_as_the_module_is(question: str) -> None:
    hold_against(Between(ANSWERED[question]))


@pytest.mark.parametrize("size", [(15, 16), (17, 18), (32, 31)])
@pytest.mark.parametrize("question", ["padding by size", "coordinates", "odd", "loop over rows"])
def test_an_answer_is_that_of_the_image_that_the_network_is_opened_for(question: str, size: tuple[int, int]) -> None:
    hold_against(Between(ANSWERED[question]), size)


def test_a_unit_is_computed_on_a_crop_though_padding_comes_from_the_size() -> None:
    network = hold_against(Between(_same_padding), (31, 31))
    assert network.ascent_pass("last", (8, 8)).region is not None


class Gives(nn.Module):
    kind = "gives"

    def __init__(self, way: Function) -> None:
        super().__init__()
        self.way = way

    def forward(self, x: torch.Tensor) -> Any:
        return self.way(x)


GIVEN: dict[str, tuple[Function, Function]] = {
    "tuple": (lambda x: (x, x * 2), lambda found: found[1] if isinstance(found, (tuple, list)) else found),
    "several, counted": (lambda x: [x, x * 2], lambda found: found[len(found) - 1] * len(found)),
    "several, unpacked": (lambda x: (x, x * 2, x * 3), lambda found: torch.cat([*found], 1)[:, 4:8]),
    "dict": (lambda x: {"a": x, "b": x * 2}, lambda found: found["b"] if isinstance(found, dict) else found),
    "tensor": (lambda x: x, lambda found: found[0] if isinstance(found, (tuple, list)) else found * 2),
    "size": (lambda x: x, lambda found: found * (2 if isinstance(found.shape, torch.Size) else 3)),
    "number": (lambda x: x, lambda found: found * (2 if isinstance(found.shape[0], int) else 3)),
    "nothing": (lambda x: (x, None), lambda found: found[0] * 2 if len(found) == 2 else found[0]),
    "number of its own": (lambda x: (x, x.shape[1]), lambda found: found[0] * found[1]),
}


@pytest.mark.parametrize("what", GIVEN)
def test_what_a_kept_module_gives_is_known_by_its_type(what: str) -> None:
    class Asks(Between):
        def __init__(self) -> None:
            super().__init__(GIVEN[what][1])
            self.kept = Gives(GIVEN[what][0])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = self.kept(self.conv(x))
            return self.last(found[1] if isinstance(found, str) else self.function(found))

    hold_against(Asks())


OF_THE_BATCH: dict[str, Function] = {
    "one picture": lambda x: _twice(x, x.shape[0] == 1),
    "several pictures": lambda x: _twice(x, x.size(0) > 1),
    "an even number": lambda x: _twice(x, x.shape[0] % 2 == 0),
    "few": lambda x: _twice(x, len(x) < 50),
    "numbers in all": lambda x: _twice(x, x.numel() > 5000),
    "by fours": lambda x: _twice(x, x.shape[0] // 4),
    "loop": lambda x: torch.stack([part * 2 for part in x]),
    "range": lambda x: sum(x * at for at in range(x.shape[0])),
    "shape of one": lambda x: _twice(x, x.shape == (1, 4, 16, 16)),
    "smaller": lambda x: x * min(x.shape[0], 2),
    "halves of the batch": lambda x: _twice(x, x.reshape(-1, 4, 256).shape[0] // 2 == 1),
    "parts of the batch": lambda x: x * len(x.split(2)),
    "squeezed, as a number": lambda x: x * (x.sum((1, 2, 3)).squeeze().dim() + 1),
    "squeezed": lambda x: _twice(x, x.sum((1, 2, 3)).squeeze().dim() == 0),
}


@pytest.mark.parametrize("question", OF_THE_BATCH)
def test_a_way_that_depends_on_the_batch_is_refused(question: str) -> None:
    with pytest.raises(ToolboxError, match=r"test_questions_about_sizes.py:\d+|other values|what \"last\" reads"):
        opened(Between(OF_THE_BATCH[question]), (16, 16), "fx")


@pytest.mark.parametrize("question", OF_THE_BATCH)
def test_where_a_way_depends_on_the_batch_pictures_are_run_one_at_a_time(question: str) -> None:
    module = Between(OF_THE_BATCH[question]).eval()
    network = opened(module, (16, 16))
    assert any("one picture at a time" in note for note in network.notes), network.notes
    x = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        wanted = torch.cat([module(part) for part in x.split(1)])
    torch.testing.assert_close(network.forward(x, ["last"])["last"], wanted, rtol=1e-4, atol=1e-5)


def test_a_size_that_is_the_same_for_few_pictures_is_another_one_for_many() -> None:
    module = Between(lambda x: x * x.new_ones((x.shape[0] + 63) // 64).shape[0])
    network = opened(module, (8, 8))
    for count in (1, 3, 64, 65):
        x = torch.randn(count, 3, 8, 8)
        with torch.no_grad():
            torch.testing.assert_close(network.forward(x, ["last"])["last"], module(x), rtol=1e-4, atol=1e-5)


class KeepsCount(nn.Module):
    kind = "counting"

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.seen = 0, []
        self.register_buffer("total", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen.append(x)
        self.total += 1
        return x * self.calls


def test_what_is_asked_leaves_no_trace_in_modules_that_keep_something() -> None:
    kept = KeepsCount()

    class Asks(Between):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.kept(self.conv(x))
            return self.last(_twice(x, x.dim() == 4))

    module = Asks(lambda x: x)
    module.kept = kept
    network = opened(module, (16, 16))
    copy = network.graph_module.get_submodule("kept")
    assert all(type(value) is torch.Tensor for value in copy.seen)
    assert float(copy.total) == copy.calls == len(copy.seen) <= 2  # the first run's own


@torch.jit.script
def swish(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x)


@torch.jit.script
def swish_of_maps(x: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
    if x.dim() == 4:
        return swish(x) * factor
    return x


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("function", [swish, swish_of_maps])
def test_a_scripted_function_is_what_it_was_written_as(function: Any) -> None:
    hold_against(Between(function))  # as an attribute
    network = hold_against(Between(lambda x: function(x)))
    assert [layer.rectifier for layer in network.layers.values() if layer.rectifier]
    assert torch.equal(function(torch.ones(1, 2, 3, 3)), function(torch.ones(1, 2, 3, 3)))  # compiled again


class Autocast(Between):
    def __init__(self, is_on: bool) -> None:
        super().__init__(lambda x: x)
        self.is_on = is_on

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=self.is_on):
            x = self.conv(x)
        return self.last(x.float())


def test_autocast_is_refused_by_name_where_it_is_on() -> None:
    with pytest.raises(ToolboxError, match=r'Autocast: "conv" in .*:\d+: `.*` is computed under torch.autocast'):
        opened(Autocast(True), (16, 16))
    hold_against(Autocast(False))
