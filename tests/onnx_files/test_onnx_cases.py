"""Every operator gives what ONNX's own test cases say, which its package brings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx

from deepvis_toolbox.onnx.building import GraphBuilder
from deepvis_toolbox.onnx.conversion import Conversion, Unknown
from deepvis_toolbox.onnx.operator_table import OPERATORS
from deepvis_toolbox.onnx.stored_file import ImageInput, OnnxFile
from deepvis_toolbox.onnx.stored_tensors import StoredTensors
from deepvis_toolbox.onnx.values import Value

REFUSED = (
    "is not supported", "are not supported", "must be a constant", "must be known", "training mode", "mixes the images",
    "nothing along an axis", "depends on the image", "is supported for rows alone", "must not", "is none that is read",
)  # fmt: skip
"""How cases are refused that are none of a trained network for images."""
OTHERWISE = {
    "test_quantizelinear": "nothing is rounded",
    "test_quantizelinear_int16": "nothing is rounded",
    "test_resize_downsample_scales_linear_align_corners": "ONNX Runtime counts the corners of whole pixels, too",
    "test_resize_downsample_scales_cubic_align_corners": "ONNX Runtime counts the corners of whole pixels, too",
}
"""What is meant to be other than the case says, and why."""

WITHOUT_CASES = {
    "Cast", "CastLike", "Constant", "ConstantOfShape", "Dropout", "EyeLike", "GlobalLpPool",
    "MeanVarianceNormalization", "NonZero", "QuantizeLinear", "Range", "Upsample",
}  # fmt: skip
"""Operators of whose cases none is one of a trained network for images; test_operators.py has them."""


@cache
def cases() -> dict[str, list[Any]]:
    """By the one operator that is in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        found: dict[str, list[Any]] = {}
        for each in load_model_tests(kind="node"):
            operators = {node.op_type for node in each.model.graph.node}
            if len(operators) == 1:
                found.setdefault(operators.pop(), []).append(each)
    return found


def tensor(array: Any) -> torch.Tensor:
    array = np.array(array)
    found = torch.from_numpy(array.astype(np.float32) if array.dtype.name == "bfloat16" else array)
    return found.float() if found.is_floating_point() else found if found.dtype == torch.bool else found.long()


def is_plain(arrays: Any) -> bool:
    return all(
        isinstance(each, (np.ndarray, np.generic)) and (each.dtype.kind in "fiub" or each.dtype.name == "bfloat16")
        for each in arrays
    )


def given_by(case: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor] | str]:
    """Yield what is found and what is wanted of each result, or why there is none."""
    model, (inputs, outputs) = case.model, case.data_sets[0]
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    image = ImageInput("", None, 3, None, False, False)
    file, builder = OnnxFile(Path("case"), model.graph, opset, image, {}), GraphBuilder((1,), has_one_image=False)
    conversion = Conversion(file, builder, StoredTensors(file.path))
    shape = tensor(inputs[0]).shape
    first = builder.image(tuple(shape[1:]))
    for described, array in zip(model.graph.input, inputs, strict=False):
        builder.stored_kinds[described.name] = described.type.tensor_type.elem_type
        conversion.values[described.name] = builder.known(tensor(array))
    conversion.values[model.graph.input[0].name] = Value((tensor(inputs[0]).to("meta"),), first.node)
    conversion.run()
    for (_, value), array in zip(conversion.outputs(), outputs, strict=True):
        if isinstance(value, Unknown):
            yield value.why
            continue
        graph = builder.graph
        returned = graph.output((builder.node_of(value),))
        (found,) = fx.GraphModule(builder.root, graph)(tensor(inputs[0]))
        graph.erase_node(returned)
        yield found, tensor(array)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_passes_onnx_own_cases(operator: str) -> None:
    passed = 0
    for case in cases().get(operator, []):
        inputs, outputs = case.data_sets[0]
        if not inputs or not is_plain([*inputs, *outputs]) or case.name in OTHERWISE:
            continue
        for result in given_by(case):
            if isinstance(result, str):
                assert any(part in result for part in REFUSED), f"{case.name}: {result}"
                continue
            found, wanted = result
            tolerance = 1e-2 if "bf16" in case.name or "bfloat16" in case.name else max(case.atol, 1e-5)
            assert found.shape == wanted.shape, case.name
            torch.testing.assert_close(
                found.double(), wanted.double(), rtol=max(case.rtol, tolerance), atol=tolerance, equal_nan=True,
                msg=lambda text, name=case.name: f"{name}: {text}",
            )  # fmt: skip
            passed += 1
    assert passed or operator in WITHOUT_CASES
