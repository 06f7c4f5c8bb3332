"""Networks whose way through forward is drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError
from tests.nets import opened
from tests.network.test_overwriting_and_own_derivatives import SIZE, Between

DRAWS = [
    lambda: torch.rand(1),
    lambda: np.random.rand(),
    random.random,
    np.random.rand,
    np.random.default_rng(3).random,
    random.Random(3).random,
]


class Drawn(nn.Module):
    def __init__(self, draw: Callable[[], Any]) -> None:
        super().__init__()
        self.conv, self.skip, self.draw = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3), draw

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return y * self.draw() if self.draw() < 0.5 else y + self.skip(x)


@pytest.mark.parametrize("draw", DRAWS)
def test_a_way_that_is_drawn_at_random_is_refused_and_opening_draws_nothing_of_the_users(draw: Callable) -> None:
    for seed in range(4):
        module = Drawn(draw).eval()
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = torch.get_rng_state(), repr(np.random.get_state()), random.getstate()
        with pytest.raises(ToolboxError, match="Drawn: its forward draws random numbers in evaluation mode too"):
            opened(module, SIZE)
        after = torch.get_rng_state(), repr(np.random.get_state()), random.getstate()
        assert torch.equal(before[0], after[0])
        assert before[1:] == after[1:]


def test_random_numbers_without_an_effect_are_nobodys_concern() -> None:
    class Logged(Between):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = random.random() < 0.01 or np.random.rand() < 0.01
            return super().forward(x)

    network = opened(Logged(F.relu), SIZE)
    assert network.notes == ()
