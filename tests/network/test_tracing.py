"""Any module of a user becomes a graph with readable layer names, or an error that names the line that stopped it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.network.tracing import finished_graph, trace
from tests.nets import opened


class Decides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if x.sum() > 0:  # the line that the message must name
            return x
        return -x


def test_control_flow_on_values_is_refused_with_the_users_own_line() -> None:
    with pytest.raises(ToolboxError) as caught:
        trace(Decides(), (3, 8, 8))
    message = str(caught.value)
    assert f"test_tracing.py:{inspect.getsourcelines(Decides.forward)[1] + 2}:" in message
    assert "if x.sum() > 0" in message
    assert "kind" in message


class ConvRelu(nn.Module):
    one_layer = True

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(F.pad(x, (0, 0, 0, 0)))))


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(ConvRelu(), nn.MaxPool2d(2))
        self.twice = ConvRelu()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage(x)
        x = self.twice(self.twice(x)) + x
        return self.head(x)


def test_layers_are_named_by_module_path_scope_and_use() -> None:
    network = opened(Named(), (16, 16))
    assert list(network.layers) == [
        "data", "stage.0", "stage.1", "twice", "twice_1", "add", "head.0", "head.1",
    ]  # fmt: skip
    assert network.layers["stage.0"].kind == "conv"
    assert network.layers["stage.0"].rectifier == "relu"
    assert "stage" in network.layers
    assert network.layers.canonical("head") == "head.1"


def test_a_module_shown_as_one_layer_starts_below_its_rectifier() -> None:
    network = opened(Named(), (16, 16))
    x = torch.randn(1, 3, 16, 16)
    recording = network.record(x)
    below, value = recording.below_rectifier("stage.0"), recording.activations(["stage.0"])["stage.0"]
    assert (below < 0).any()
    assert torch.equal(below.clamp_min(0), value)


class HasOptions(nn.Module):
    """As many classifiers: options that its callers may leave out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(
        self,
        x: torch.Tensor,
        scale: float = 2.0,
        mask: torch.Tensor | None = None,
        *rest: torch.Tensor,
        features: bool = False,
        **more: torch.Tensor,
    ) -> torch.Tensor:
        x = self.conv(x) * scale
        if mask is not None:
            x = x * mask
        return x if features or rest or more else x.mean((2, 3))


class TakesAll(HasOptions):
    def forward(self, *images: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images[0])


@pytest.mark.parametrize("net", [HasOptions, TakesAll])
def test_whatever_forward_takes_besides_the_image_has_its_default(net: type[nn.Module]) -> None:
    module = net().eval()
    network = opened(module, (8, 8))
    last = next(reversed(network.layers))
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network.forward(x, [last])[last], module(x))


class NeedsTwo(HasOptions):
    def forward(self, x: torch.Tensor, depth: torch.Tensor, scale: float = 1.0) -> torch.Tensor:  # type: ignore[override]
        return self.conv(x) * depth * scale


class ChecksSize(HasOptions):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        torch._assert(x.shape[2] == 5, "five rows")
        return self.conv(x)


class HasLock(HasOptions):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Fails(HasOptions):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.conv(x) + self.missing


class GivesNothing(HasOptions):
    def forward(self, x: torch.Tensor) -> list[float]:  # type: ignore[override]
        self.conv(x)
        return [1.0]


class FailsWithPictures(HasOptions):
    """Its graph would run."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        if type(x) is torch.Tensor:
            raise ValueError("only for export")
        return self.conv(x)


def compiled() -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (NeedsTwo, "forward of NeedsTwo needs depth besides the image"),
        (ChecksSize, "does not run on a 3×8×8 image: five rows"),
        (GivesNothing, "forward of GivesNothing gives no tensor"),
        (FailsWithPictures, "FailsWithPictures does not run on a 3×8×8 image: only for export"),
        (HasLock, "HasLock cannot be copied.*lock"),
        (compiled, "compiled by torch.jit"),
        (Fails, r"test_tracing.py:\d+: torch.fx cannot trace `return self.conv\(x\) \+ self.missing`.*'missing'\)$"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_sentence(make: Callable[[], nn.Module], told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        opened(make(), (8, 8))


class Opaque(nn.Module):
    kind = "custom"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class HoldsOpaque(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.odd = Opaque()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.odd(self.conv(x))


def test_a_module_that_names_its_kind_is_kept_as_one_layer() -> None:
    network = opened(HoldsOpaque(), (8, 8))
    assert network.layers["odd"].kind == "custom"
    assert network.receptive_field("odd", (2, 2)) == (0, 0, 8, 8)


class Tokens(nn.Module):
    """A small vision transformer without its blocks: patches, a class token, a norm, a head on the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        return self.head(self.norm(x).mean(1))


def test_tokens_are_layers_with_a_grid() -> None:
    network = opened(Tokens(), (16, 16))
    norm = network.layers["norm"]
    assert norm.shape == (17, 8)
    assert norm.token_grid == (4, 4)
    assert norm.channels == 8
    assert network.label_layers == ("head",)
    assert network.backward(torch.randn(2, 3, 16, 16), "head", torch.ones(2, 5))["data"].any()


def test_a_network_that_does_not_fit_the_image_size_says_so() -> None:
    with pytest.raises(ToolboxError, match=r"does not run on a 3×20×20 image"):
        opened(Named(), (20, 20))


def test_a_graph_that_reads_what_its_modules_lack_is_refused_in_a_sentence() -> None:
    own, graph = nn.Sequential(), fx.Graph()
    own.fc = nn.Linear(3, 4, bias=False)
    value = graph.call_module("fc", (graph.placeholder("image"),))
    graph.output(graph.call_function(torch.add, (value, graph.get_attr("fc.bias"))))
    del own.fc.bias
    with pytest.raises(ToolboxError, match=r"the network's parts do not fit together: .*nonexistent attribute bias"):
        finished_graph(graph, own, None, (3, 4, 4))
