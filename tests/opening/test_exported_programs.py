"""Exported programs (.pt2) open by path, as the module that they were made of, and run nothing that a file brings."""

from __future__ import annotations

import copy
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import ToolboxError, load_network
from tests.nets import Branching, Classic, Residual, opened
from tests.network.exported_networks import EXPORTED

SIZE = (32, 32)


def exported(module: nn.Module, path: Path, count: int = 2, size: tuple[int, int] = SIZE, *, any_number: bool) -> Path:
    shapes = ({0: torch.export.Dim.AUTO},) if any_number else None
    program = torch.export.export(module, (torch.randn(count, 3, *size),), dynamic_shapes=shapes, strict=False)
    torch.export.save(program, path)
    return path


def residual() -> nn.Module:
    torch.manual_seed(3)
    return Residual().eval()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(residual(), tmp_path_factory.mktemp("programs") / "net.pt2", any_number=True)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "residual": (Residual, SIZE),
    "branching": (Branching, SIZE),
    **{
        name: (EXPORTED[name], (16, 16))
        for name in ("nn.TransformerEncoder", "a mask built from the shape", "parts of a tensor that are written to")
    },
    "under no_grad": (EXPORTED["a decision on the shape, in a function under no_grad"], (16, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_is_the_network_that_its_module_is(name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    make, size = NETWORKS[name]
    module = make().eval()
    network = load_network(exported(module, tmp_path / "net.pt2", size=size, any_number=True))
    itself = opened(module, size, "export")
    assert list(network.layers) == list(itself.layers)
    x = torch.randn(3, 3, *size)
    last = list(network.layers)[-1]
    values, wanted = (each.forward(x, list(network.layers)) for each in (network, itself))
    for layer in network.layers:
        assert network.layers[layer] == itself.layers[layer]
        torch.testing.assert_close(values[layer], wanted[layer], rtol=1e-4, atol=1e-6)
        assert network.receptive_field(layer) == itself.receptive_field(layer)
    diff = torch.randn_like(wanted[last])
    modes: Any = ("grad", "deconv", "guided")
    for mode in modes:
        found = network.backward(x, last, diff, mode)["data"]
        torch.testing.assert_close(found, itself.backward(x, last, diff, mode)["data"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [Residual, Branching, Classic])
def test_a_program_of_core_operations_is_the_same_network(make: type[nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = make().eval()
    shapes = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(module, (torch.randn(2, 3, *SIZE),), dynamic_shapes=shapes, strict=False)
    torch.export.save(program, tmp_path / "whole.pt2")
    torch.export.save(program.run_decompositions(), tmp_path / "core.pt2")
    whole, core = load_network(tmp_path / "whole.pt2"), load_network(tmp_path / "core.pt2")
    named = [name for name in core.layers if name in whole.layers]
    assert {"conv1", "conv2", "fc"} & {*whole.layers} <= {*named}
    x = torch.randn(2, 3, *SIZE)
    values, wanted = core.forward(x, named), whole.forward(x, named)
    for name in named:
        assert core.layers[name] == whole.layers[name]
        assert core.receptive_field(name) == whole.receptive_field(name)
        torch.testing.assert_close(values[name], wanted[name], rtol=1e-4, atol=1e-6)
    assert list(core.layers)[-1] == list(whole.layers)[-1]


def test_convolutions_and_batch_norms_of_a_program_are_folded_as_modules(file: Path) -> None:
    network = load_network(file)
    kinds = {type(part) for part in network.graph_module.modules()}  # type: ignore[attr-defined]
    assert {nn.Conv2d, nn.BatchNorm2d, nn.Linear} <= kinds


def test_a_program_for_one_picture_is_run_one_at_a_time(tmp_path: Path) -> None:
    module = residual()
    network = load_network(exported(module, tmp_path / "net.pt2", 1, any_number=False))
    assert any("one picture at a time" in note for note in network.notes)
    x = torch.randn(3, 3, *SIZE)
    with torch.no_grad():
        torch.testing.assert_close(network.forward(x, ["fc"])["fc"], module(x), rtol=1e-4, atol=1e-6)


def test_a_program_for_several_pictures_alone_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = exported(residual(), tmp_path / "net.pt2", 4, any_number=False)
    with pytest.raises(ToolboxError, match="exported for 4 pictures at a time: export it for one"):
        load_network(path)


def test_a_model_yaml_may_name_a_program_of_its_own_folder(file: Path, tmp_path: Path) -> None:
    (tmp_path / "inside.pt2").write_bytes(file.read_bytes())
    (tmp_path / "model.yaml").write_text("name: mine\nprogram: inside.pt2\ninput: {mean: 120}\n")
    assert load_network(tmp_path).name == "mine"
    (tmp_path / "model.yaml").write_text(f"program: {file}\n")
    with pytest.raises(ToolboxError, match="leads out of the model's folder"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"input_size": 64}, "was exported for images of 32×32"),
        ({"channels": "gray"}, "takes 3"),
        ({"weights": "other.pth"}, "has its weights in it"),
    ],
)
def test_flags_that_do_not_fit_a_program_are_refused(options: Any, told: str, file: Path) -> None:
    with pytest.raises(ToolboxError, match=told):
        load_network(file, **options)


class TwoImages(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


def test_a_program_of_images_of_two_sizes_is_refused(tmp_path: Path) -> None:
    program = torch.export.export(TwoImages(), (torch.randn(1, 3, 8, 8), torch.randn(1, 3, 1, 1)), strict=False)
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(ToolboxError, match=r"takes images of different sizes \(x, y\)"):
        load_network(tmp_path / "net.pt2")


# Files that want to run something, or to take everything.


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


Change = Callable[[dict[str, bytes], Path], None]


def rewritten(source: Path, target: Path, change: Change, marker: Path, *, packed: bool = False) -> Path:
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries, marker)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return target


def in_json(name: str, change: Callable[[Any, Path], None]) -> Change:
    def changed(entries: dict[str, bytes], marker: Path) -> None:
        (path,) = (each for each in entries if each.endswith(name))
        content = json.loads(entries[path])
        change(content, marker)
        entries[path] = json.dumps(content).encode()

    return changed


def example_inputs(entries: dict[str, bytes], marker: Path) -> None:
    (path,) = (each for each in entries if each.endswith("sample_inputs/model.pt"))
    entries[path] = pickle.dumps(Payload(marker))


def pickled_weight(entries: dict[str, bytes], marker: Path) -> None:
    in_json("weights_config.json", lambda table, _: table["config"]["fc.bias"].update(use_pickle=True))(entries, marker)
    entries["net/data/weights/weight_10"] = pickle.dumps(Payload(marker))


def pickled_object(entries: dict[str, bytes], marker: Path) -> None:
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    in_json("constants_config.json", lambda table, _: table["config"].update(thing=entry))(entries, marker)
    entries["net/data/constants/opaque_obj_0"] = pickle.dumps(Payload(marker))


def evaluated(program: Any, marker: Path) -> None:
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    program["range_constraints"] = {code: {"min_val": 0, "max_val": None}}
    program["guards_code"] = [code]
    graph = program["graph_module"]["graph"]
    for values in (graph["sym_int_values"].values(), graph["tensor_values"]["x"]["sizes"][:1]):
        for value in values:
            value["as_expr"]["expr_str"] = code


@pytest.mark.parametrize("change", [example_inputs, in_json("model.json", evaluated)])
def test_what_would_run_elsewhere_is_not_read(change: Change, file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    assert load_network(rewritten(file, tmp_path / "net.pt2", change, marker)).layers
    assert not marker.exists()


def nodes(program: Any) -> list[Any]:
    found: list[Any] = program["graph_module"]["graph"]["nodes"]
    return found


def named_by_code(program: Any, marker: Path) -> None:
    spec = program["graph_module"]["signature"]["input_specs"][0]
    spec["parameter"]["parameter_name"] = f"stem.weight; open({str(marker)!r}, 'w')"


def tensor_named_by_code(table: Any, marker: Path) -> None:
    table["config"][f"x; open({str(marker)!r}, 'w')"] = table["config"]["fc.bias"]


def argument_named_by_code(program: Any, marker: Path) -> None:
    nodes(program)[1]["inputs"][-1] |= {"kind": 2, "name": f"padding=open({str(marker)!r}, 'w')"}


def calls(target: str) -> Callable[[Any, Path], None]:
    def change(program: Any, _: Path) -> None:
        nodes(program)[1]["target"] = target

    return change


def reads_a_file(program: Any, marker: Path) -> None:
    marker.parent.mkdir(exist_ok=True)
    nodes(program)[1].update(
        target="torch.ops.aten.from_file.default",
        inputs=[{"name": "filename", "arg": {"as_string": str(marker)}, "kind": 1},
                {"name": "shared", "arg": {"as_bool": True}, "kind": 1},
                {"name": "size", "arg": {"as_int": 8}, "kind": 1}],
    )  # fmt: skip


def elsewhere(table: Any, _: Path) -> None:
    table["config"]["fc.bias"]["path_name"] = "../../models/model.json"


def larger_than_stored(table: Any, _: Path) -> None:
    table["config"]["fc.bias"]["tensor_meta"]["sizes"] = [{"as_int": 1 << 39}]


def larger_than_memory(program: Any, _: Path) -> None:
    sizes = {"as_ints": [1 << 20, 1 << 20]}
    zeros = {"target": "torch.ops.aten.zeros.default", "inputs": [{"name": "size", "arg": sizes, "kind": 1}],
             "outputs": [{"as_tensor": {"name": "much"}}], "metadata": {}}  # fmt: skip
    nodes(program).insert(0, zeros)


def number_without_end(program: Any, _: Path) -> None:
    last = "sym_size_int_1"
    for step in range(200):
        size = {"as_name": last} if step else {"as_int": 3}
        given = [{"name": "", "arg": {"as_sym_int": size}, "kind": 1}] * 2
        last = f"more_{step}"
        node = {"target": "_operator.mul", "inputs": given, "outputs": [{"as_sym_int": {"as_name": last}}]}
        nodes(program).insert(1 + step, node)
    nodes(program)[201]["inputs"][3]["arg"] = {"as_sym_ints": [{"as_name": last}, {"as_name": last}]}


def of_height(height: Any) -> Change:
    def change(program: Any, _: Path) -> None:
        program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][2] = {"as_int": height}

    return in_json("model.json", change)


def huge_number(program: Any, _: Path) -> None:
    for node in program["graph_module"]["graph"]["nodes"]:
        for each in node["inputs"]:
            if "as_float" in each["arg"]:
                each["arg"]["as_float"] = 10**400


def without_numbers(entries: dict[str, bytes], _: Path) -> None:
    entries["net/data/weights/weight_10"] = b"\xff" * 20


def nested(entries: dict[str, bytes], _: Path) -> None:
    entries["net/models/model.json"] = b"[" * 100_000


HOSTILE: dict[str, tuple[Change, str]] = {
    "a pickled weight": (pickled_weight, "fc.bias is kept by pickle"),
    "a pickled object": (pickled_object, "thing is kept by pickle"),
    "a parameter named by code": (in_json("model.json", named_by_code), "no exported program that can be read"),
    "a tensor named by code": (in_json("weights_config.json", tensor_named_by_code), "no part of a module is"),
    "an argument named by code": (in_json("model.json", argument_named_by_code), "no exported program that can"),
    "a height in words": (of_height("32"), "a size is no whole number of 1 to 8192"),
    "a height that nobody has": (of_height(10**9), "a size is no whole number of 1 to 8192"),
    "a number that no float is": (in_json("model.json", huge_number), "no exported program that can be read"),
    "a file to map": (in_json("model.json", reads_a_file), r"aten\.from_file\.default is not known"),
    "another library": (
        in_json("model.json", calls("torch.ops.profiler._record_function_enter.default")),
        r"_record_function_enter\.default is not known",
    ),
    "a function of Python's": (in_json("model.json", calls("os.system")), r"os\.system is not known"),
    "a path out of the archive": (in_json("weights_config.json", elsewhere), "kept by pickle"),
    "a tensor larger than its bytes": (
        in_json("weights_config.json", larger_than_stored),
        "larger than what is stored",
    ),
    "a tensor larger than memory": (
        in_json("model.json", larger_than_memory),
        "takes more memory than is free",
    ),
    "a number without end": (in_json("model.json", number_without_end), "does not run on a 3×32×32 image"),
    "values that are none": (without_numbers, "fc.bias holds values that are not finite"),
    "JSON nested deeply": (nested, "is no exported program of PyTorch .*nested too deeply"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_one_sentence(name: str, file: Path, tmp_path: Path) -> None:
    change, told = HOSTILE[name]
    marker = tmp_path / "made" / "it ran"
    with pytest.raises(ToolboxError, match=told) as caught:
        load_network(rewritten(file, tmp_path / "net.pt2", change, marker))
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_a_packed_archive_and_files_that_are_none_are_refused(file: Path, tmp_path: Path) -> None:
    packed = rewritten(file, tmp_path / "packed.pt2", lambda *_: None, tmp_path, packed=True)
    with pytest.raises(ToolboxError, match="is packed"):
        load_network(packed)
    (tmp_path / "empty.pt2").write_bytes(b"")
    (tmp_path / "half.pt2").write_bytes(file.read_bytes()[:9000])
    torch.save(residual().state_dict(), tmp_path / "weights.pt2")
    for name, told in {"empty": "is no exported", "half": "is no exported", "weights": "no model.json"}.items():
        with pytest.raises(ToolboxError, match=told):
            load_network(tmp_path / f"{name}.pt2")
    with pytest.raises(ToolboxError, match=r"program file .*nowhere\.pt2 is not there"):
        load_network(tmp_path / "nowhere.pt2")


def test_a_program_whose_weights_want_a_password_or_end_with_the_file_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    name = max((name for name in zipfile.ZipFile(file).namelist() if "/weights/weight" in name), key=len).encode()
    local, central = whole.index(name) - 30, whole.rindex(name) - 46
    locked = bytearray(whole)
    for flags in (local + 6, central + 8):
        locked[flags] |= 1
    # The member's header stands once more in the archive's comment, behind which the file ends.
    beginning = whole[local : local + 30 + len(name) + int.from_bytes(whole[local + 28 : local + 30], "little")]
    ends = bytearray(whole[:-2] + struct.pack("<H", len(beginning)) + beginning)
    ends[central + 42 : central + 46] = struct.pack("<I", len(whole))
    for content, told in ((locked, "RuntimeError: .*password"), (ends, "its end is missing")):
        (tmp_path / "net.pt2").write_bytes(content)
        with pytest.raises(ToolboxError, match=f"is no exported program of PyTorch .{told}"):
            load_network(tmp_path / "net.pt2")


class OwnProduct(nn.Module):
    """Multiplies by a linear layer's weight; the layer's bias is read elsewhere, or nowhere."""

    def __init__(self, *, adds: bool) -> None:
        super().__init__()
        self.conv, self.fc, self.adds = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), adds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.linear(self.conv(x).relu().mean((2, 3)), self.fc.weight)
        return x + 2 * self.fc.bias if self.adds else x


@pytest.mark.parametrize("adds", [True, False])
def test_a_layers_tensors_may_be_read_one_by_one(adds: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    module, x = OwnProduct(adds=adds).eval(), torch.randn(2, 3, 8, 8)
    net = load_network(exported(module, tmp_path / "net.pt2", size=(8, 8), any_number=True))
    last = list(net.layers)[-1]
    torch.testing.assert_close(net.forward(x, [last])[last], module(x), rtol=1e-4, atol=1e-5)
    assert "conv" in net.layers, "what lies alone in its place is the module that it was"


def test_weights_that_are_tied_stay_so(tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = EXPORTED["tied weights"]().eval()
    path = exported(copy.deepcopy(module), tmp_path / "net.pt2", size=(16, 16), any_number=True)
    network = load_network(path)
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(network.forward(x, ["head"])["head"], module(x), rtol=1e-4, atol=1e-6)
