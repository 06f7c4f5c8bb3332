"""Attention inside of windows of an ONNX file, where it is a MatMul behind a Softmax."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox import load_network
from deepvis_toolbox.measure import AttentionMaps, Session
from tests.onnx_files.made_files import exported
from tests.window_attentions import swin, weights_place_by_place

SIZE = (40, 24)


@pytest.mark.parametrize("how", ["explicit", "fused", "masked"])
def test_each_place_attends_in_its_window_as_the_module_computes_it(how: str, tmp_path: Path) -> None:
    module = swin(SIZE, how)
    network = load_network(exported(module, tmp_path / "net.onnx", SIZE, any_number=False), mean=[127], std=[64])
    names = [layer.name for layer in network.layers.values() if layer.attends_in_windows]
    assert [network.layers[name].map_shape for name in names] == [(10, 6), (10, 6), (5, 3), (5, 3)]
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    wanted, session = weights_place_by_place(module, network.preprocess(frame)), Session(network)
    for name, weights in zip(names, wanted, strict=True):
        for token in range(weights.shape[1]):
            found = session.take(frame, AttentionMaps(name, token))
            np.testing.assert_allclose(found.maps.reshape(2, -1), weights[:, token, :-1], atol=1e-5)
            np.testing.assert_allclose(found.placeless, weights[:, token, -1], atol=1e-5)
