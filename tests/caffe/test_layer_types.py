"""Every Caffe layer type, alone and with random parameters, against OpenCV or NumPy, and its derivative."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepvis_toolbox.caffe.layer_types import LAYER_TYPES
from tests.caffe.graphs import build_graph
from tests.caffe.layer_cases import CASES, Case
from tests.caffe.one_layer import caffemodel_bytes, opencv_output, our_outputs, prototxt_text

quick = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_NO_DERIVATIVE = {"Threshold", "ArgMax", "Silence"}


def _cases() -> list[Any]:
    return [
        pytest.param(name, make, id=f"{name}-{make.__name__}") for name in LAYER_TYPES for make in CASES.get(name, [])
    ]


def made_input(case: Case) -> np.ndarray:
    x = np.random.default_rng(5).normal(0, case.scale, case.shape).astype(np.float32)
    return np.abs(x) + np.float32(0.05) if case.positive else x


@pytest.mark.parametrize("name", sorted(LAYER_TYPES))
def test_every_layer_type_has_a_case(name: str) -> None:
    assert CASES.get(name), f"add a case for {name} to tests/caffe/layer_cases.py"


@pytest.mark.parametrize(("name", "make"), _cases())
def test_a_layer_computes_what_opencv_or_caffes_definition_does(
    name: str, make: Callable[..., Case], tmp_path: Path
) -> None:
    @quick
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = make(data.draw)
        text, x = prototxt_text(case.shape, case.layers), made_input(case)
        model = caffemodel_bytes(case.blobs, {"under_test": name})
        ours = our_outputs(tmp_path, text, model if case.blobs else b"", x)
        theirs = case.expected(x) if case.expected else opencv_output(text, model, x)
        assert len(ours) == 1
        assert ours[0].shape == theirs.shape
        np.testing.assert_allclose(ours[0], theirs, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(theirs).max())))

    check()


@pytest.mark.parametrize(("name", "make"), [case for case in _cases() if case.values[0] not in _NO_DERIVATIVE])
def test_the_derivative_of_a_layer_is_that_of_finite_differences(
    name: str, make: Callable[..., Case], tmp_path: Path
) -> None:
    @settings(quick, max_examples=3)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = make(data.draw)
        (tmp_path / "net.prototxt").write_text(prototxt_text(case.shape, case.layers))
        (tmp_path / "net.caffemodel").write_bytes(caffemodel_bytes(case.blobs, {"under_test": name}))
        graph = build_graph(tmp_path / "net.prototxt", tmp_path / "net.caffemodel" if case.blobs else None).double()
        x = torch.from_numpy(made_input(case)).double().requires_grad_(True)
        (gradient,) = torch.autograd.grad(_weighted(graph(x)), x)
        step = 1e-6 * torch.from_numpy(np.random.default_rng(1).normal(0, 1, case.shape))
        with torch.no_grad():
            change = (_weighted(graph(x + step)) - _weighted(graph(x - step))) / 2
        torch.testing.assert_close((gradient * step).sum(), change, rtol=1e-3, atol=1e-8)

    check()


def _weighted(outputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return (outputs[0] * torch.linspace(-1, 1, outputs[0].numel(), dtype=torch.float64).reshape(outputs[0].shape)).sum()
