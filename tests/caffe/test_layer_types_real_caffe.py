"""Every Caffe layer type alone and with random parameters, against real Caffe."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepvis_toolbox.caffe.layer_types import LAYER_TYPES, register_all
from deepvis_toolbox.caffe.process import Installation, find_caffe
from deepvis_toolbox.errors import ToolboxError
from tests.caffe.layer_cases import CASES, Case
from tests.caffe.one_layer import caffemodel_bytes, our_outputs, prototxt_text
from tests.caffe.test_layer_types import made_input
from tests.conftest import missing

pytestmark = pytest.mark.caffe
register_all()

NOT_ON_A_CPU = {"stochastic_pooling"}
"""Real Caffe has it on a GPU only."""

RUN = """
import sys
import numpy as np
import caffe
for folder in sys.argv[1:]:
    net = caffe.Net(folder + "/deploy.prototxt", caffe.TEST)
    net.copy_from(folder + "/weights.caffemodel")
    net.blobs["data"].data[...] = np.load(folder + "/x.npy")
    net.forward()
    np.save(folder + "/theirs.npy", net.blobs[net.outputs[0]].data)
"""


@pytest.fixture(scope="module")
def caffe() -> Installation:
    try:
        return find_caffe()
    except ToolboxError as error:
        missing(str(error))
        raise


def _cases() -> list[Any]:
    makes = [make for name in LAYER_TYPES for make in CASES.get(name, [])]
    return [pytest.param(make, id=make.__name__) for make in makes if make.__name__ not in NOT_ON_A_CPU]


def _some(make: Callable[..., Case], count: int) -> list[Case]:
    found: list[Case] = []

    @settings(max_examples=count, deadline=None, derandomize=True)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        found.append(make(data.draw))

    collect()
    return found


@pytest.mark.parametrize("make", _cases())
def test_a_layer_computes_what_real_caffe_does(make: Callable[..., Case], caffe: Installation, tmp_path: Path) -> None:
    folders, ours = [], []
    for number, case in enumerate(_some(make, 5)):
        folder = tmp_path / str(number)
        folder.mkdir()
        text, x = prototxt_text(case.shape, case.layers), made_input(case)
        model = caffemodel_bytes(case.blobs, {})
        np.save(folder / "x.npy", x)
        ours.append(our_outputs(folder, text, model if case.blobs else b"", x)[0])
        (folder / "weights.caffemodel").write_bytes(model)
        folders.append(folder)
    _run_caffe(caffe, folders)
    for folder, mine in zip(folders, ours, strict=True):
        theirs = np.load(folder / "theirs.npy").reshape(mine.shape)
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(theirs).max())))


def _run_caffe(caffe: Installation, folders: list[Path]) -> None:
    path = os.pathsep.join(map(str, caffe.folders))
    environment = {**os.environ, "PYTHONPATH": path, "GLOG_minloglevel": "1"}
    done = subprocess.run(
        [caffe.python, "-c", RUN, *map(str, folders)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
