"""torch.export as the second way in: what torch.fx opens it opens alike, and what torch.fx refuses it opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.network.device import make_tensors_on
from deepvis_toolbox.network.promise import leaves_in
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from find_maxes import scan
from tests.nets import Branching, Classic, Residual, opened
from tests.network import awkward_operations, awkward_wrappings
from tests.network.awkward_networks import EQUAL, REFUSED, Around
from tests.network.awkward_networks import SIZE as AWKWARD_SIZE
from tests.network.awkward_operations import POOLED, RECTIFYING
from tests.network.exported_networks import EXPORTED, SIZE

assert awkward_operations.EQUAL is awkward_wrappings.EQUAL is EQUAL  # both have entered theirs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

MODES: Any = ("grad", "deconv", "guided")


def images(count: int = 2, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def arrived(network: TorchNetwork, x: torch.Tensor, mode: Any) -> torch.Tensor | str:
    last = list(network.layers)[-1]
    diff = torch.randn(len(x), *network.layers[last].shape, generator=torch.Generator().manual_seed(2))
    try:
        return network.backward(x, last, diff, mode)["data"]
    except ToolboxError as error:
        return str(error)


def hold_ways_together(module: nn.Module, size: tuple[int, int]) -> None:
    """Both ways give the same layers, kinds, receptive fields, values and signals in every mode."""
    by_fx, by_export = opened(module, size, "fx"), opened(module, size, "export")
    x = images(size=size)
    assert list(by_fx.layers) == list(by_export.layers)
    assert by_fx.label_layers == by_export.label_layers
    assert len(by_fx.notes) == len(by_export.notes)
    wanted, found = (network.forward(x, list(network.layers)) for network in (by_fx, by_export))
    for name, layer in by_fx.layers.items():
        assert by_export.layers[name] == layer
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-5, atol=1e-6)
        assert by_export.receptive_field(name, layer.centre) == by_fx.receptive_field(name, layer.centre)
        assert by_export.layers_feeding(name) == by_fx.layers_feeding(name)
    for mode in MODES:
        torch.testing.assert_close(arrived(by_export, x, mode), arrived(by_fx, x, mode), rtol=1e-4, atol=1e-6)


OPENED_INSIDE = "attention with tokens first"
"""torch.fx has one layer where torch.export has those inside."""


@pytest.mark.parametrize(
    "idiom", [idiom for idiom in EQUAL if not idiom.startswith(("rectifier", "pooling", OPENED_INSIDE))]
)
def test_both_ways_open_a_network_alike(idiom: str) -> None:
    torch.manual_seed(5)
    hold_ways_together(EQUAL[idiom]().eval(), AWKWARD_SIZE)


class SideBySide(Around):
    """Every rectifier, and every pooling over a size, on one convolution's maps."""

    def ending(self, x: torch.Tensor) -> torch.Tensor:
        parts = [rectify(self, x) for rectify in RECTIFYING.values()]
        pooled = [pool(part).mean((2, 3), keepdim=True) for pool, part in zip(POOLED.values(), parts, strict=False)]
        return self.last(self.mix(sum(parts) + sum(pooled)).mean((2, 3)))


def test_both_ways_know_all_rectifiers_and_windows_alike() -> None:
    torch.manual_seed(5)
    module = SideBySide(lambda net, x: net.norm(x)).eval()
    hold_ways_together(module, AWKWARD_SIZE)
    rectifiers = [layer.rectifier for layer in opened(module, AWKWARD_SIZE, "export").layers.values()]
    assert len(list(filter(None, rectifiers))) == len(RECTIFYING)


@pytest.mark.parametrize("make", [Classic, Residual, Branching])
def test_both_ways_fold_and_quicken_alike(make: type[nn.Module]) -> None:
    torch.manual_seed(5)
    hold_ways_together(make().eval(), (32, 32))


def test_inside_of_attention_there_are_layers_with_the_names_of_its_weights() -> None:
    torch.manual_seed(5)
    module = EQUAL[OPENED_INSIDE]().eval()
    by_fx, by_export = opened(module, AWKWARD_SIZE, "fx"), opened(module, AWKWARD_SIZE, "export")
    assert list(by_export.layers) == [
        "data", "conv", "flatten", "permute", "attention.in_proj", "attention.scaled_dot_product_attention",
        "attention", "relu", "mean", "last",
    ]  # fmt: skip
    assert by_export.layers["attention.scaled_dot_product_attention"].kind == "attention"
    x = images(size=AWKWARD_SIZE)
    torch.testing.assert_close(by_export.forward(x, ["last"])["last"], by_fx.forward(x, ["last"])["last"])
    for mode in MODES:
        torch.testing.assert_close(arrived(by_export, x, mode), arrived(by_fx, x, mode), rtol=1e-4, atol=1e-6)


TAKES_ONE = ("windows counted by int()",)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (*SIZE, 3), np.uint8)).save(path)
    return paths


def logits(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return next(tensor for tensor in leaves_in(module(x)) if tensor.shape[1:] == (5,))


@pytest.mark.parametrize("stops", EXPORTED)
def test_what_torch_fx_refuses_opens_and_works_in_every_verb(stops: str, pictures: list[Path]) -> None:
    torch.manual_seed(7)
    module = EXPORTED[stops]().eval()
    with pytest.raises(ToolboxError, match=r"torch\.fx cannot trace"):
        opened(module, SIZE, "fx")
    network = opened(module, SIZE)
    assert any("one picture at a time" in note for note in network.notes) == (stops in TAKES_ONE)
    assert network.label_layers[-1] == "head"
    for count in (1, 3):
        x = images(count)
        leaf = x.clone().requires_grad_()
        wanted = logits(module, leaf * 1)
        torch.testing.assert_close(network.forward(x, ["head"])["head"], wanted.detach(), rtol=1e-4, atol=1e-5)
        diff = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(count))
        (gradient,) = torch.autograd.grad(wanted, leaf, diff)
        torch.testing.assert_close(network.backward(x, "head", diff)["data"], gradient, rtol=1e-3, atol=1e-5)
    for mode in MODES:
        assert network.backward(x, "head", diff, mode)["data"].any()
    ((result,)) = preferred_images(network, [Unit("head", 3)], seeds=[0], settings=AscentSettings(max_iter=4))
    assert result.objective[-1] > result.objective[0]
    top = scan(network, pictures, layers=["head"], top=3, workers=0)
    x = torch.cat([network.preprocess(np.asarray(Image.open(path))) for path in pictures])
    with torch.no_grad():
        values = torch.cat([logits(module, part) for part in x.split(1)]).T.sort(descending=True).values
    np.testing.assert_allclose(top.values["head"], values.numpy(), rtol=1e-4, atol=1e-4)


def test_tensors_made_of_sizes_are_made_where_the_network_is() -> None:
    graph_module = trace(EXPORTED["torch.zeros of the shape"]().eval(), (3, *SIZE))
    make_tensors_on(graph_module, torch.device("meta"))
    made = [node.target([2], **node.kwargs) for node in graph_module.graph.nodes if "device" in node.kwargs]
    assert [tensor.device.type for tensor in made] == ["meta"]


class Counts(nn.Module):
    """Keeps its own count, which a program would not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 4, 3), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.conv(x) * self.calls


def test_what_keeps_something_from_call_to_call_is_refused() -> None:
    module = Counts()
    with pytest.raises(ToolboxError, match="Counts gives other values at its second call"):
        opened(module, SIZE, "export")
    assert module.calls == 0


def test_what_both_ways_refuse_names_the_line_and_says_so() -> None:
    torch.manual_seed(5)
    module = Around(lambda net, x: net.norm(x) if x.sum() > 0 else x)
    with pytest.raises(
        ToolboxError, match=r"test_exported.py:\d+: .*`.*x\.sum\(\) > 0.*export cannot follow it either"
    ):
        opened(module, AWKWARD_SIZE)
    with pytest.raises(
        ToolboxError, match=r"torch\.export cannot follow `.*\(a decision depends on a picture's values"
    ):
        opened(module, AWKWARD_SIZE, "export")


def test_there_is_no_other_way() -> None:
    with pytest.raises(ToolboxError, match=r'no way "exports" to a graph; .* did you mean "export"'):
        opened(Classic(), SIZE, "exports")  # type: ignore[arg-type]


@pytest.mark.parametrize("idiom", ["zeros of sizes", "module made in forward"])
def test_what_torch_fx_alone_refuses_opens(idiom: str) -> None:
    torch.manual_seed(5)
    module = REFUSED[idiom][0]().eval()
    x = images(size=AWKWARD_SIZE)
    with torch.no_grad():
        torch.testing.assert_close(opened(module, AWKWARD_SIZE).forward(x, ["last"])["last"], module(x))
