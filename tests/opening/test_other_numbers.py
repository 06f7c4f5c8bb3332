"""Networks of other numbers than float32 are computed in float32, and that is told, whichever door they come by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.network.interface import Network
from tests.nets import Residual, opened

ROUNDING = {torch.float16: 4e-3, torch.bfloat16: 4e-2, torch.float64: 1e-5}
KINDS = pytest.mark.parametrize("kind", ROUNDING, ids=str)


def residual(kind: torch.dtype) -> nn.Module:
    torch.manual_seed(2)
    return Residual().eval().to(kind)


def hold(net: Network, module: nn.Module, kind: torch.dtype) -> None:
    """The network gives what the module gives in its own numbers, but for their rounding, and says what was done."""
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = module(x.to(kind)).float()
    found = net.forward(x, ["fc"])["fc"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0, atol=ROUNDING[kind] * float(wanted.abs().max()))
    name = str(kind).removeprefix("torch.")
    assert [note for note in net.notes if name in note and "computed in float32" in note]


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], str]:
    def entered(module: nn.Module) -> str:
        home = ModuleType("of_other_numbers")
        home.make = lambda: module  # type: ignore[attr-defined]
        monkeypatch.setitem(__import__("sys").modules, "of_other_numbers", home)
        return "of_other_numbers:make"

    return entered


@KINDS
def test_a_module_is_converted_and_left_as_it_is(kind: torch.dtype, factory: Callable[[nn.Module], str]) -> None:
    module = residual(kind)
    with load_network(factory(module), device="cpu", input_size=32) as net:
        hold(net, module, kind)
    assert {each.dtype for each in module.parameters()} == {kind}


@KINDS
def test_a_checkpoint_is_converted(kind: torch.dtype, tmp_path: Path, factory: Callable[[nn.Module], str]) -> None:
    module = residual(kind)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    with load_network(factory(Residual()), device="cpu", input_size=32, weights=tmp_path / "w.pt") as net:
        hold(net, module, kind)


def test_the_weights_of_a_file_are_not_rounded_to_the_numbers_of_the_factory(
    tmp_path: Path, factory: Callable[[nn.Module], str]
) -> None:
    trained = residual(torch.float32)
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    given = residual(torch.float16)
    with load_network(factory(given), device="cpu", input_size=32, weights=tmp_path / "w.pt") as net:
        x = torch.randn(1, 3, 32, 32)
        torch.testing.assert_close(net.forward(x, ["fc"])["fc"], trained(x).detach(), rtol=1e-4, atol=1e-5)


@KINDS
def test_an_exported_program_is_converted(kind: torch.dtype, tmp_path: Path) -> None:
    module, images = residual(kind), torch.randn(2, 3, 32, 32, dtype=kind)
    program = torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(program, tmp_path / "net.pt2")
    with load_network(tmp_path / "net.pt2", device="cpu") as net:
        hold(net, module, kind)


class Inside(nn.Module):
    """Takes float32 images, and computes in half precision inside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 3).half(), nn.Linear(4, 5).half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x.half()).relu().mean((2, 3))).float()


def test_a_program_that_turns_to_half_precision_inside_is_converted_as_a_whole(tmp_path: Path) -> None:
    module = Inside().eval()
    torch.export.save(torch.export.export(module, (torch.randn(1, 3, 32, 32),)), tmp_path / "net.pt2")
    with load_network(tmp_path / "net.pt2", device="cpu") as net:
        hold(net, module, torch.float16)


def test_an_onnx_file_of_half_precision_is_converted(tmp_path: Path) -> None:
    from tests.onnx_files.made_files import exported

    module = residual(torch.float16)
    file = exported(residual(torch.float32), tmp_path / "net.onnx")
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(file))
    for tensor in model.graph.initializer:
        numbers = numpy_helper.to_array(tensor)
        if numbers.dtype == "float32":
            tensor.CopyFrom(numpy_helper.from_array(numbers.astype("float16"), tensor.name))
    for each in (*model.graph.input, *model.graph.output):
        each.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, str(file))
    with load_network(file, device="cpu") as net:
        hold(net, module, torch.float16)


CASTS = {
    "half": lambda x: x.half(),
    "to": lambda x: x.to(torch.float16),
    "bfloat16": lambda x: x.bfloat16(),
    "double": lambda x: x.double(),
}


class Casting(nn.Module):
    """Kept in another precision as a whole, to which forward casts what it computes."""

    def __init__(self, cast: str, *, by_weights: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.cast, self.by_weights = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), cast, by_weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.relu(self.conv(x)).mean((2, 3))
        return self.fc(pooled.to(self.fc.weight.dtype) if self.by_weights else CASTS[self.cast](pooled))


@pytest.mark.parametrize("cast", CASTS)
def test_what_casts_to_another_precision_in_forward_is_told_what_to_write(cast: str) -> None:
    kept = {"half": torch.float16, "to": torch.float16, "bfloat16": torch.bfloat16, "double": torch.float64}[cast]
    with pytest.raises(ToolboxError, match=r"computed in float32 here, .* cast to the type of the weights"):
        opened(Casting(cast).to(kept).eval(), (8, 8))
    module = Casting(cast, by_weights=True)
    x = torch.randn(1, 3, 8, 8)
    wanted = module(x).detach()
    found = opened(module.to(kept).eval(), (8, 8)).forward(x, ["fc"])["fc"]
    assert torch.allclose(found, wanted, atol=ROUNDING[kept])
