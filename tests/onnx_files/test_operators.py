"""Every operator gives what ONNX Runtime gives, whatever its attributes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deepvis_toolbox.onnx.network_graph import graph_of_onnx
from deepvis_toolbox.onnx.operator_table import OPERATORS
from deepvis_toolbox.onnx.stored_file import read_onnx
from tests.onnx_files.made_files import by_onnx_runtime, model_of, saved
from tests.onnx_files.operator_cases import CASES, SHAPE, Drawing

ROUNDED = {"QuantizeLinear": 0.011, "DequantizeLinear": 0.011}
"""Half a step, which is not rounded to here."""
ELSEWHERE = {"Attention", "Swish", "GatherElements"}
"""Not in the ONNX Runtime of the tests, or of constants alone; ONNX's own cases have them: test_onnx_cases.py."""


def images(count: int) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2


def test_every_operator_has_a_case() -> None:
    assert set(OPERATORS) == set(CASES) | ELSEWHERE


@pytest.mark.parametrize("name", CASES)
def test_an_operator_gives_what_onnx_runtime_gives(name: str, tmp_path: Path) -> None:
    @settings(
        max_examples=5, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data())
    def compare(data: Any) -> None:
        case = CASES[name](Drawing(data.draw))
        model = model_of(case.nodes, case.constants, ("n", *SHAPE), opset=case.opset)
        x = images(2)
        wanted = by_onnx_runtime(model, x.numpy())["y"]
        graph_module = graph_of_onnx(read_onnx(saved(model, tmp_path / "net.onnx")), SHAPE)
        with torch.no_grad():
            (found,) = graph_module(x)
        assert tuple(found.shape) == wanted.shape
        tolerance = ROUNDED.get(name, 1e-5)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=tolerance, err_msg=str(model.graph.node))

    compare()
