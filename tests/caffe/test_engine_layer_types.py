"""Every Caffe layer type, alone and with random parameters: the torch engine against real Caffe, up and down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deepvis_toolbox.caffe.layer_types import LAYER_TYPES
from deepvis_toolbox.caffe.process import CaffeProcess, Installation
from deepvis_toolbox.caffe.process_definition import caffe_definition
from deepvis_toolbox.caffe.process_passes import CaffeLayer, Passes
from deepvis_toolbox.caffe.prototxt import read_prototxt
from tests.caffe.graphs import build_graph
from tests.caffe.layer_cases import CASES, Case
from tests.caffe.one_layer import caffemodel_bytes, prototxt_text

pytestmark = pytest.mark.caffe

FORWARD_ONLY = {"argmax", "threshold", "normalize"}
"""Cases whose derivative Caffe does not have (it ends its process there), or has wrong: Normalize's takes the scales of
the channels out of a sum over the channels. Ours is tested against finite differences."""
NOT_ON_CPU = {"stochastic_pooling"}
"""Cases that Caffe computes on a GPU only."""
NOT_IN_CAFFE_1 = {"clip", "swish", "relu6", "axpy"}
"""Cases of layers that Caffe 1.0, which is built here, does not have: two came to upstream later, two are of forks."""


@pytest.fixture(scope="module")
def caffe(real_caffe: Installation) -> Iterator[Callable[[], CaffeProcess]]:
    """Gives a running Caffe; a new one where the last has died."""
    processes = [CaffeProcess(real_caffe)]

    def running() -> CaffeProcess:
        if not processes[-1].is_alive:
            processes.append(CaffeProcess(real_caffe))
        return processes[-1]

    yield running
    for process in processes:
        process.close()


def _on_caffe(process: CaffeProcess, folder: Path, x: Any, has_weights: bool) -> Callable[[Any], tuple[Any, Any]]:
    """Loads the net that lies in the folder; gives a function: diff (or None) -> output, gradient at the input."""
    definition = caffe_definition(read_prototxt(folder / "net.prototxt"), x.shape[1:], process.pooling_fields)
    (folder / "caffe.prototxt").write_text(definition.text)
    weights = str(folder / "net.caffemodel") if has_weights else ""
    answer, _ = process.call("load", prototxt=str(folder / "caffe.prototxt"), weights=weights)
    layers = [CaffeLayer(name, kind, tuple(read), tuple(written)) for name, kind, read, written in answer["layers"]]
    names = [name for name, _ in answer["blobs"]]
    top, bottom = names.index("out"), names.index(definition.input_blob)
    passes = Passes(layers)

    def compute(diff: Any) -> tuple[Any, Any]:
        steps = [("set_input", bottom), *passes.forward(passes.needed_for([top])), ("get_data", top)]
        arrays = [x]
        if diff is not None:
            down, reached = passes.backward(top, {bottom}, "grad")
            steps += [*down, *([("get_diff", bottom)] if bottom in reached else [])]
            arrays.append(diff)
        results = process.run(steps, arrays)
        return results[0], results[1] if len(results) > 1 else np.zeros_like(x)

    return compute


@pytest.mark.parametrize(
    ("name", "make"),
    [
        pytest.param(name, make, id=f"{name}-{make.__name__}")
        for name in LAYER_TYPES
        for make in CASES.get(name, [])
        if make.__name__ not in NOT_ON_CPU | NOT_IN_CAFFE_1
    ],
)
def test_a_layer_computes_what_real_caffe_does(
    name: str, make: Callable[..., Case], tmp_path: Path, caffe: Callable[[], CaffeProcess]
) -> None:
    @settings(
        max_examples=6,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # each failure may cost a new process of Caffe
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = make(data.draw)
        x = np.random.default_rng(5).normal(0, case.scale, case.shape).astype(np.float32)
        x = np.abs(x) + np.float32(0.05) if case.positive else x
        (tmp_path / "net.prototxt").write_text(prototxt_text(case.shape, case.layers))
        (tmp_path / "net.caffemodel").write_bytes(caffemodel_bytes(case.blobs, {"under_test": name}))
        graph = build_graph(tmp_path / "net.prototxt", tmp_path / "net.caffemodel" if case.blobs else None)
        image = torch.from_numpy(x).requires_grad_()
        (output,) = graph(image)
        diff = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
        gradient = torch.autograd.grad(output, image, diff)[0] if output.requires_grad else torch.zeros_like(image)
        on_caffe = _on_caffe(caffe(), tmp_path, x, bool(case.blobs))
        found, arrived = on_caffe(None if make.__name__ in FORWARD_ONLY else diff.numpy())
        _close(output.detach().numpy(), found)
        if make.__name__ not in FORWARD_ONLY:
            _close(gradient.numpy(), arrived)

    check()


def _close(ours: Any, theirs: Any) -> None:
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs  # one number an image is one unit here
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(theirs).max(initial=0))))
