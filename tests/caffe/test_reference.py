"""SqueezeNet on the torch engine against what the paper author's Caffe branch computed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepvis_toolbox import load_network
from tests.caffe.near_ties import is_of_near_ties
from tests.devices import DEVICES

TOLERANCE = 1e-4
"""Of the largest absolute value of the compared blob."""


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "reference" / "squeezenet"


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    return np.load(folder / "reference.npz")


@pytest.fixture(scope="module", params=DEVICES)
def network(request: pytest.FixtureRequest, folder: Path) -> Any:
    files = {"prototxt": folder / "deploy.prototxt", "weights": folder / "weights.caffemodel"}
    return load_network(**files, mean=[104, 117, 123], device=request.param)


@pytest.fixture(scope="module", params=[0, 1], ids=["photo", "noise"])
def recorded(request: pytest.FixtureRequest, network: Any, reference: Any) -> tuple[int, Any]:
    return request.param, network.record(torch.from_numpy(reference[f"input{request.param}"]))


def _backward_passes(reference: Any, number: int) -> Iterator[tuple[str, int, str, str, str]]:
    for key in reference.files:
        parts = key.split("|")
        if parts[0] == f"back{number}" and len(parts) == 5:
            yield key, int(parts[2]), parts[1], parts[3], parts[4]


def _worst(ours: np.ndarray, theirs: np.ndarray, largest: float) -> float:
    """The largest difference, relative to `largest`; where that is zero, any difference is infinitely large."""
    difference = float(np.abs(ours - theirs).max()) if theirs.size else 0.0
    return difference / largest if largest else np.inf if difference else 0.0


def test_every_recorded_blob_is_the_same(recorded: tuple[int, Any], reference: Any) -> None:
    number, recording = recorded
    prefix = f"fwd{number}|"
    blobs = sorted({key.split("|")[1] for key in reference.files if key.startswith(prefix)})
    assert len(blobs) > 30
    activations = recording.activations(blobs)
    for blob in blobs:
        ours = activations[blob].contiguous().cpu().numpy().reshape(-1)
        theirs = reference[f"{prefix}{blob}|v"]
        largest = np.abs(ours).max()
        assert _worst(ours[reference[f"{prefix}{blob}|i"]], theirs, largest) < TOLERANCE, blob
        assert np.abs(ours).mean() == pytest.approx(float(reference[f"{prefix}{blob}|absmean"]), rel=TOLERANCE), blob


def test_every_gradient_and_deconv_is_the_same(recorded: tuple[int, Any], reference: Any, network: Any) -> None:
    number, recording = recorded
    worst: dict[str, float] = {}
    for key, unit, blob, place, mode in _backward_passes(reference, number):
        diff = _diff(recording.activations([blob])[blob], unit, place)
        below = [
            other.split("|")[5] for other in reference.files if other.startswith(f"{key}|") and other.endswith("|i")
        ]
        signals = recording.backward(blob, diff, mode, at=[network.input_name, *below])
        differences = _differences(signals, reference, key, network.input_name)
        if max(differences.values()) > TOLERANCE:
            assert is_of_near_ties(network, recording.input, blob, diff, mode, reference[key]), key
            ours = np.linalg.norm(signals[network.input_name].cpu().numpy())
            assert ours == pytest.approx(np.linalg.norm(reference[key]), rel=1e-3), key
            differences = dict.fromkeys(differences, 0.0)
        worst |= differences
    assert len(worst) == 30
    assert {key: value for key, value in worst.items() if value > TOLERANCE} == {}


def _differences(signals: dict[str, torch.Tensor], reference: Any, key: str, input_name: str) -> dict[str, float]:
    """For each compared blob, the largest difference relative to the blob's largest value."""
    at_input = reference[key]
    worst = {key: _worst(signals[input_name].cpu().numpy(), at_input, np.abs(at_input).max())}
    for blob in signals.keys() - {input_name}:
        values = signals[blob].contiguous().cpu().numpy().reshape(-1)
        ours = values[reference[f"{key}|{blob}|i"]]
        worst[f"{key}|{blob}"] = _worst(ours, reference[f"{key}|{blob}|v"], np.abs(values).max())
    return worst


def _diff(activation: torch.Tensor, unit: int, place: str) -> torch.Tensor:
    """The unit's own activation map (`channel`), or 1 at the centre (`one`)."""
    diff = torch.zeros_like(activation)
    if place == "channel":
        diff[:, unit] = activation[:, unit]
    elif activation.ndim == 4:
        diff[:, unit, activation.shape[2] // 2, activation.shape[3] // 2] = 1
    else:
        diff[:, unit] = 1
    return diff
