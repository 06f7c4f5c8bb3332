"""Extremes and their places straight from a layer's values, where many are equal, in every way a layer may be read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepvis_toolbox.scan.numbers.channel_extremes import ChannelExtremes, ClipRanges
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex
from deepvis_toolbox.words.layer import Layer


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(5, 6, 7), (32, 6, 7), (5, 1, 7), (5, 6, 1), (3, 1, 1), (40, 14, 14)])
@pytest.mark.parametrize("different", [1, 2, 10_000])
def test_of_equal_values_the_first_in_row_major_order_is_the_place(shape, memory_format, largest, different):
    random = np.random.default_rng(different)
    values = random.integers(0, different, (4, *shape)).astype(np.float32)
    index = UnitIndex((Layer("layer", "conv", shape),))
    worst = torch.full((shape[0],), -torch.inf)
    readable = torch.ones(4, dtype=torch.bool)
    extremes = ChannelExtremes(index, ClipRanges(index, {}, worst.device), worst, readable, top=4, largest=largest)
    extremes("layer", torch.from_numpy(values).contiguous(memory_format=memory_format), None)

    planes = values.reshape(4, shape[0], -1)
    wanted_place = planes.argmax(2) if largest else planes.argmin(2)
    wanted = planes.max(2) if largest else planes.min(2)
    np.testing.assert_array_equal(extremes.extremes.numpy(), wanted)
    found = extremes.candidates()
    assert len(found.unit) == 4 * shape[0]
    np.testing.assert_array_equal(found.place, wanted_place[found.picture, found.unit])
    np.testing.assert_array_equal(found.value, wanted[found.picture, found.unit])
