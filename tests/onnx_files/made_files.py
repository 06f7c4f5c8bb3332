"""ONNX files for the tests: made of nodes, or exported from modules, and what ONNX Runtime gives for them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

Array = NDArray[Any]
NEWEST_IR = 10
"""That the oldest ONNX Runtime in use reads."""


def model_of(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, Array] | None = None,
    shape: Sequence[int | str] = ("n", 3, 8, 8),
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    **metadata: str,
) -> onnx.ModelProto:
    """A model that takes `image` of this shape."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, list(shape))
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "net", [image], given, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=NEWEST_IR)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def saved(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def exported(
    module: nn.Module,
    path: Path,
    size: tuple[int, int] = (32, 32),
    opset: int = 17,
    *,
    any_number: bool = True,
    **options: Any,
) -> Path:
    """The module as PyTorch writes it, with its batch norms where they are unless folded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.randn(1, 3, *size),), str(path), dynamo=False, opset_version=opset, input_names=["image"],
            output_names=["result"], dynamic_axes={"image": {0: "n"}, "result": {0: "n"}} if any_number else None,
            **options,
        )  # fmt: skip
    return path


class _Calibration:
    """Pictures that a quantiser looks at."""

    def __init__(self, images: Sequence[Array]) -> None:
        self._waiting = [*images]

    def get_next(self) -> dict[str, Array] | None:
        return {"image": self._waiting.pop()} if self._waiting else None


def quantised(path: Path, into: Path, images: Sequence[Array], **options: Any) -> Path:
    """The network of a file in 8-bit numbers, as ONNX Runtime writes it when it has seen the images."""
    from onnxruntime.quantization import QuantFormat, quantize_static

    quantize_static(path, into, _Calibration(images), quant_format=QuantFormat.QDQ, **options)
    return into


def by_onnx_runtime(model: onnx.ModelProto | Path, image: Array, every: bool = False) -> dict[str, Array]:
    """What ONNX Runtime gives, by the results' names; `every`: also of what is in between."""
    model = onnx.load(str(model)) if isinstance(model, Path) else model
    if every:
        model = onnx.ModelProto.FromString(model.SerializeToString())
        there = {each.name for each in model.graph.output}
        inside = [name for node in model.graph.node for name in node.output if name and name not in there]
        model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inside)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    (taken,) = [each.name for each in session.get_inputs() if len(each.shape) == image.ndim]
    return dict(zip(names, session.run(names, {taken: image}), strict=True))
