"""Forward, visit and record: the same values whoever asks, no further than needed, nothing left behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.network.torch_network import TorchNetwork
from tests.nets import Branching, Classic, Residual, opened

NETS = [Classic, Residual, Branching]


def images(count: int = 2, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("net", NETS)
def test_the_last_layer_is_what_the_module_itself_returns(net: type[nn.Module]) -> None:
    module = net().eval()
    network = opened(module)
    last = next(reversed(network.layers))
    with torch.no_grad():
        torch.testing.assert_close(network.forward(images(), [last])[last], module(images()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("net", NETS)
def test_forward_visit_and_record_agree_on_every_layer(net: type[nn.Module]) -> None:
    network = opened(net())
    names = list(network.layers)
    together = network.forward(images(), names)
    recording = network.record(images())
    visited: dict[str, torch.Tensor] = {}
    network.visit(images(), names, lambda name, value, below: visited.__setitem__(name, value.clone()))  # noqa: ARG005
    for name in names:
        alone = network.forward(images(), [name])[name]  # other foldings and in-place rectifiers than together
        assert tuple(alone.shape[1:]) == network.layers[name].shape
        for other in (together[name], recording.activations([name])[name], visited[name]):
            torch.testing.assert_close(other, alone, rtol=1e-4, atol=1e-5)


def test_visit_hands_over_the_value_below_each_rectifier() -> None:
    network = opened(Residual())
    seen: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}

    def keep(name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        seen[name] = (value.clone(), None if below is None else below.clone())

    network.visit(images(), list(network.layers), keep)
    for name, layer in network.layers.items():
        value, below = seen[name]
        assert (below is not None) == bool(layer.rectifier)
        if below is not None:
            torch.testing.assert_close(below.clamp_min(0), value)
            assert (below < 0).any()


@pytest.mark.parametrize("net", NETS)
def test_visit_of_values_below_rectifiers_alone_changes_no_other_layer(net: type[nn.Module]) -> None:
    network = opened(net())
    rectified = [name for name, layer in network.layers.items() if layer.rectifier]
    recording = network.record(images())
    visited: dict[str, torch.Tensor] = {}

    def keep(name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        visited[name] = value.clone() if name not in rectified or below is None else below.clone()

    network.visit(images(), list(network.layers), keep, below_only=rectified)
    for name in network.layers:
        wanted = recording.below_rectifier(name) if name in rectified else recording.activations([name])[name]
        torch.testing.assert_close(visited[name], wanted, rtol=1e-4, atol=1e-5)


def test_forward_runs_no_layer_above_the_ones_asked_for() -> None:
    network = opened(Classic())
    ran: list[str] = []
    handles = [
        part.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, part in network.graph_module.named_modules()
        if name
    ]
    network.forward(images(), ["pool1"])
    for handle in handles:
        handle.remove()
    assert "pool1" in ran
    assert not {"norm1", "conv2", "fc", "prob"} & set(ran)


def test_a_recorded_activation_survives_later_passes_and_in_place_rectifiers() -> None:
    network = opened(Residual())
    recording = network.record(images())
    before = {name: value.clone() for name, value in recording.activations(list(network.layers)).items()}
    network.forward(images(seed=1), list(network.layers))
    network.record(images(seed=2))
    recording.backward("relu_2", torch.ones(2, 8, 16, 16), "guided")
    after = recording.activations(list(network.layers))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (before["stem_norm"] < 0).any(), "the rectifier above has overwritten the norm's values"


def test_outputs_are_in_inference_mode_and_ask_for_no_gradient() -> None:
    out = opened(Classic()).forward(images(), ["prob"])["prob"]
    assert out.is_inference()
    assert not out.requires_grad


def test_a_module_is_left_as_it_was() -> None:
    module = Residual().train()
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    network = opened(module)
    network.backward(images(), "relu_1", torch.ones(2, 8, 16, 16), "deconv")
    assert module.training
    assert module.relu.inplace
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())


def everything_public(network: TorchNetwork) -> None:
    x = images()
    network.forward(x, list(network.layers))
    network.visit(x, list(network.layers), lambda *_: None)
    diff = torch.ones(2, *network.layers["relu_2"].shape)
    for mode in ("grad", "deconv", "guided"):
        network.backward(x, "relu_2", diff, mode)
    network.receptive_field("relu_2", (3, 3))
    network.deprocess(network.preprocess(network.deprocess(x)[0]))
    network.ascent_pass("relu_2", (3, 3))(x, torch.tensor([0, 1]))


def failing_calls(network: TorchNetwork) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the visitor fails")

    with pytest.raises(RuntimeError):
        network.visit(images(), ["relu_2"], fail)
    recording = network.record(images())
    with pytest.raises(ToolboxError):
        recording.backward("relu_2", torch.ones(1), "deconv")
    with pytest.raises(ToolboxError):
        recording.backward("relu_2", torch.ones(2, 8, 16, 16), "sideways")  # type: ignore[arg-type]
    with pytest.raises(ToolboxError):
        network.forward(images(), ["no such layer"])


@pytest.mark.parametrize("use", [everything_public, failing_calls])
def test_no_call_leaves_a_hook_a_flag_or_a_changed_parameter_behind(use: object) -> None:
    network = opened(Residual())
    parts = dict(network.graph_module.named_modules())
    before = {name: tensor.clone() for name, tensor in network.graph_module.state_dict().items()}
    grad_mode = torch.is_grad_enabled()
    use(network)  # type: ignore[operator]
    for part in parts.values():
        hooks = [part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks]
        assert not any(hooks)
        assert not part.training
    assert not any(parameter.requires_grad for parameter in network.graph_module.parameters())
    assert all(parameter.grad is None for parameter in network.graph_module.parameters())
    after = network.graph_module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.is_grad_enabled() == grad_mode
    recording = network.record(images())
    plain = recording.backward("fc", torch.ones(2, 5))["data"]
    recording.backward("fc", torch.ones(2, 5), "guided")
    assert torch.equal(plain, recording.backward("fc", torch.ones(2, 5))["data"]), "a mode has stayed on"


def test_backward_runs_the_forward_pass_once_for_the_same_images() -> None:
    network = opened(Classic())
    runs: list[int] = []
    handle = network.graph_module.get_submodule("conv1").register_forward_hook(lambda *_: runs.append(1))
    x = images()
    for mode in ("grad", "deconv", "guided"):
        for layer in ("fc", "relu2"):
            network.backward(x, layer, torch.ones(2, *network.layers[layer].shape), mode)
    assert len(runs) == 1
    network.backward(images(seed=9), "fc", torch.ones(2, 10))
    handle.remove()
    assert len(runs) == 2


def test_wrong_calls_say_what_is_wrong() -> None:
    network = opened(Classic())
    with pytest.raises(ToolboxError, match=r"no layer \"conv9\".*conv"):
        network.forward(images(), ["conv9"])
    with pytest.raises(ToolboxError, match=r"takes images N×3×32×32, not 2×3×16×16"):
        network.forward(images(size=16), ["conv1"])
    with pytest.raises(ToolboxError, match=r"unknown backward mode"):
        network.backward(images(), "fc", torch.ones(2, 10), "upwards")  # type: ignore[arg-type]
    with pytest.raises(ToolboxError, match=r"shape \(2, 9\); the layer has \(2, 10\)"):
        network.backward(images(), "fc", torch.ones(2, 9))


def test_label_layers_are_the_last_softmax_and_what_it_reads() -> None:
    assert opened(Classic()).label_layers == ("fc", "prob")
    residual = opened(Residual())
    assert residual.label_layers == ("fc",)
    logits = residual.forward(images(), ["fc"])["fc"]
    torch.testing.assert_close(residual.probabilities(logits), logits.softmax(1))


def test_a_module_with_tensors_of_five_axes_opens() -> None:
    class FiveAxes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.register_buffer("windows", torch.ones(1, 2, 1, 1, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) * self.windows.sum()

    network = opened(FiveAxes())
    assert network.graph_module.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert network.forward(torch.ones(1, 3, 32, 32), ["mul"])["mul"].shape == (1, 4, 30, 30)
