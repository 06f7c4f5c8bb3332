"""A prototxt whose input is a data layer: pictures are prepared as that layer prepares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox import load_network
from deepvis_toolbox.network.interface import Network
from tests.caffe.random_weights import write_random_weights

CONVOLUTION = (
    'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    "convolution_param { num_output: 4 kernel_size: 3 } }\n"
)


def opened(folder: Path, data: str, **flags: Any) -> Network:
    prototxt = folder / "deploy.prototxt"
    prototxt.write_text(f'layer {{ name: "d" top: "data" top: "label" {data} }}\n{CONVOLUTION}')
    weights = folder / "net.caffemodel"
    write_random_weights(prototxt, weights)
    return load_network(None, prototxt=prototxt, weights=weights, **flags)


MEANS = "mean_value: 104 mean_value: 117 mean_value: 123"
LAYERS = {
    "all": (f'type: "Data" transform_param {{ crop_size: 24 {MEANS} scale: 0.017 }}', (104, 117, 123), 0.017),
    "scale alone": ('type: "Data" transform_param { crop_size: 24 scale: 0.00390625 }', (0, 0, 0), 0.00390625),
    "one mean": ('type: "Data" transform_param { crop_size: 24 mean_value: 127.5 }', (127.5,) * 3, 1),
    "where it was before": (
        'type: "ImageData" image_data_param { new_height: 24 new_width: 24 scale: 0.5 }',
        (0, 0, 0),
        0.5,
    ),
    "memory": (
        f'type: "MemoryData" memory_data_param {{ batch_size: 1 channels: 3 height: 24 width: 24 }} '
        f"transform_param {{ {MEANS} }}",
        (104, 117, 123),
        1,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_pictures_are_prepared_as_the_data_layer_says(name: str, tmp_path: Path) -> None:
    data, mean, scale = LAYERS[name]
    net = opened(tmp_path, data)
    frame = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    wanted = (frame[..., ::-1].transpose(2, 0, 1) - np.float32(mean)[:, None, None]) * np.float32(scale)
    np.testing.assert_allclose(net.preprocess(frame)[0].numpy(), wanted, rtol=1e-5, atol=1e-5)
    assert any("as the prototxt's data layer does it" in note for note in net.description.notes)


def test_what_the_user_says_comes_first(tmp_path: Path) -> None:
    net = opened(tmp_path, LAYERS["all"][0], mean=[1, 2, 3])
    assert net.preprocessing.mean.tolist() == [1, 2, 3]
    np.testing.assert_allclose(net.preprocessing.gain, 0.017, rtol=1e-6)
    net = opened(tmp_path, LAYERS["all"][0], mean=[1, 2, 3], scale=1)
    np.testing.assert_allclose(net.preprocessing.gain, 1)
    assert not any("data layer does it" in note for note in net.description.notes)


def test_a_mean_file_that_only_the_data_layer_names_is_told(tmp_path: Path) -> None:
    net = opened(tmp_path, 'type: "Data" transform_param { crop_size: 24 mean_file: "data/mean.binaryproto" }')
    assert any("subtracts the mean of data/mean.binaryproto" in note for note in net.description.notes)
