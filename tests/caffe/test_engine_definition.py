"""The prototxt that real Caffe is given means what the user's means to the toolbox: stages, cuDNN by name, names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepvis_toolbox import ToolboxError, load_network
from tests.caffe.random_weights import write_random_weights
from tests.caffe.small_networks import convolution, layer, relu

pytestmark = [pytest.mark.caffe, pytest.mark.usefixtures("real_caffe")]
HEAD = 'input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }\n'


@pytest.fixture
def on_both_engines(tmp_path: Path) -> Callable[..., dict[str, torch.Tensor]]:
    """on_both_engines(prototxt): every layer's values of two images, which real Caffe and PyTorch agree about."""

    def compute(text: str, write: Callable[[Path, Path], None] = write_random_weights) -> dict[str, torch.Tensor]:
        prototxt, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
        prototxt.write_text(text)
        write(prototxt, weights)
        found = []
        for engine in ("torch", "caffe"):
            with load_network(None, engine, "cpu", prototxt=prototxt, weights=weights) as network:
                x = torch.randn((2, *network.input_shape), generator=torch.Generator().manual_seed(0))
                found.append(network.forward(x, list(network.layers)))
        torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
        return found[0]

    return compute


def test_layers_chosen_by_stage_and_level_are_the_same_for_caffe(on_both_engines: Callable) -> None:
    text = 'state { stage: "deploy" level: 2 }\n' + HEAD + convolution("conv1", "data", 4, 3)
    text += layer("a", "TanH", "conv1").replace("top:", 'include { stage: "deploy" min_level: 1 } top:')
    text += layer("b", "AbsVal", "conv1").replace("top:", 'exclude { stage: "deploy" } top:')
    values = on_both_engines(text)
    assert list(values) == ["data", "conv1", "a"]
    assert torch.equal(values["a"], values["conv1"].tanh())


def test_layers_that_ask_for_cudnn_by_name_run_without_it(on_both_engines: Callable) -> None:
    text = HEAD + convolution("conv1", "data", 4, 3, "engine: CUDNN")
    text += layer("relu1", "ReLU", "conv1", "conv1", relu_param="engine: CUDNN")
    text += layer("pool1", "Pooling", "conv1", pooling_param="kernel_size: 2 engine: CAFFE")
    assert list(on_both_engines(text)) == ["data", "conv1", "pool1"]


def test_one_number_for_each_image_of_a_batch(on_both_engines: Callable) -> None:
    text = HEAD + convolution("conv1", "data", 4, 3) + layer("sum", "Reduction", "conv1")
    values = on_both_engines(text)
    torch.testing.assert_close(values["sum"], values["conv1"].flatten(1).sum(1, keepdim=True))


def test_a_convolution_of_several_blobs_gives_one_for_each(on_both_engines: Callable) -> None:
    text = HEAD + layer("scaled", "Power", "data", power_param="scale: 0.5 shift: 1") + layer("flat", "Flatten", "data")
    text += layer("fc", "InnerProduct", "flat", inner_product_param="num_output: 12")
    text += layer("normed", "MVN", "fc", mvn_param="across_channels: true")
    both = layer("conv", "Convolution", "data scaled", "one", convolution_param="num_output: 4 kernel_size: 3")
    values = on_both_engines(text + both.replace('top: "one"', 'top: "one" top: "other"') + relu("relu", "other"))
    assert values["one"].shape == values["other"].shape == (2, 4, 7, 7)
    assert values["normed"].shape == (2, 12, 1, 1)
    with pytest.raises(ToolboxError, match='"top": has 1 for 2 bottoms'):
        on_both_engines(text + both)


def test_of_two_stored_layers_of_one_name_the_later_counts(on_both_engines: Callable) -> None:
    def write_twice(prototxt: Path, weights: Path) -> None:
        write_random_weights(prototxt, weights, seed=1)
        earlier = weights.read_bytes()
        write_random_weights(prototxt, weights, seed=2)
        weights.write_bytes(earlier + weights.read_bytes())

    assert list(on_both_engines(HEAD + convolution("conv", "data", 4, 3), write_twice)) == ["data", "conv"]


def test_two_layers_of_one_name_cannot_both_have_their_weights(on_both_engines: Callable) -> None:
    twice = HEAD + convolution("conv", "data", 3, 3) + relu("relu", "conv")
    with pytest.raises(ToolboxError, match=r'layer "conv" .*"name": another layer has it too'):
        on_both_engines(
            twice + layer("conv", "Convolution", "conv", "out", convolution_param="num_output: 3 kernel_size: 3")
        )


def test_layers_of_one_name_without_weights_or_that_share_them_are_fine(on_both_engines: Callable) -> None:
    def shared(bottom: str, top: str) -> str:
        text = layer("conv", "Convolution", bottom, top, convolution_param="num_output: 3 kernel_size: 3")
        return text.replace("top:", 'param { name: "w" } param { name: "b" } top:')

    text = HEAD + shared("data", "once") + relu("relu", "once") + shared("once", "again") + relu("relu", "again")
    assert list(on_both_engines(text)) == ["data", "once", "again"]
