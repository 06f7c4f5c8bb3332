"""The way up for units that are off, on real Caffe as on torch."""

import numpy as np
import pytest
import torch

from deepvis_toolbox import load_network
from tests.conftest import missing


@pytest.mark.caffe
@pytest.mark.usefixtures("real_caffe")
@pytest.mark.parametrize("layer", ["pool4", "fire9/concat", "pool_final"])
def test_real_caffe_finds_the_same_way_up(shared, tmp_path, layer):
    files = shared / "reference" / "squeezenet"
    if not (files / "weights.caffemodel").is_file():
        missing("the reference network (../shared/reference/squeezenet)")
    (tmp_path / "model.yaml").write_text(
        f"name: squeezenet\nframework: caffe\nprototxt: {files / 'deploy.prototxt'}\n"
        f"weights: {files / 'weights.caffemodel'}\ninput: {{mean: [104, 117, 123]}}\n"
    )
    found = {}
    for engine in ("torch", "caffe"):
        with load_network(str(tmp_path / "model.yaml"), engine=engine, trust=True) as net:
            x = torch.from_numpy(np.random.RandomState(1).normal(0, 10, (1, *net.input_shape)).astype(np.float32))
            values = net.forward(x, [layer])[layer]
            centre = tuple(size // 2 for size in values.shape[2:])
            off = [c for c in range(values.shape[1]) if values[0, c, centre[0], centre[1]] == 0][:6]
            assert off
            diff = torch.zeros((len(off), *values.shape[1:]))
            for row, channel in enumerate(off):
                diff[row, channel, centre[0], centre[1]] = 1
            seen = net.opened_rectifiers(layer)(x.repeat(len(off), 1, 1, 1), lambda *_, diff=diff: diff)
            found[engine] = (off, seen.below, seen.gradient)
    (off, below, gradient), (off_caffe, below_caffe, gradient_caffe) = found["torch"], found["caffe"]
    assert off == off_caffe
    torch.testing.assert_close(below_caffe, below, rtol=1e-3, atol=1e-3)
    assert gradient.flatten(1).any(1).all()
    differing = (gradient - gradient_caffe).flatten(1).norm(dim=1) / gradient.flatten(1).norm(dim=1)
    assert float(differing.median()) < 1e-3  # one pooling window within float noise of a tie may differ
