"""Signals that start at several layers at once arrive as the sum of what each would cause."""

from __future__ import annotations

import pytest
import torch

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.network.joined_recording import JoinedRecording
from tests.optimize.networks import normed_network

LAYERS = ("norm1", "act2", "fc")


def signals(recording):
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(recording.below_rectifier(name).shape, generator=random) for name in LAYERS}


@pytest.mark.parametrize("joined", [False, True])
def test_one_pass_gives_the_sum_of_the_layers_own_passes(joined: bool) -> None:
    net = normed_network(rectified=True)
    x = torch.randn(2, *net.input_shape, generator=torch.Generator().manual_seed(1))
    recording = JoinedRecording([net.record(part) for part in x.split(1)]) if joined else net.record(x)
    diffs = signals(recording)
    each = [recording.backward(name, diff)[net.input_name] for name, diff in diffs.items()]
    torch.testing.assert_close(recording.gradient_of_sum(diffs), sum(each), rtol=1e-4, atol=1e-5)


def test_a_signal_of_another_shape_is_refused_by_its_layer() -> None:
    recording = normed_network().record(torch.zeros(1, 3, 24, 20))
    with pytest.raises(ToolboxError, match='the diff at "fc" has shape'):
        recording.gradient_of_sum({"norm1": signals(recording)["norm1"], "fc": torch.zeros(1, 3)})
