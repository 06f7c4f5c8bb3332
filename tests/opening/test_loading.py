"""One door opens every network, and says in one sentence why it stays shut."""

from __future__ import annotations

import os
import re
import runpy
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.network.device import resolve_device

USERS_MODULE = """
import torch
import yaml
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))

class Choosing(Small):
    def forward(self, x):
        if x.sum() > 0:  # depends on values
            x = -x
        return super().forward(x)

def small():
    torch.manual_seed(0)
    return Small()

def broken():
    raise RuntimeError("no such luck")

def nothing():
    return 42

def needs(argument):
    return Small()

instance = Small()
number = 3
"""

LINE_THAT_CHOOSES = 1 + USERS_MODULE.split("if x.sum()")[0].count("\n")
LINE_THAT_RAISES = 1 + USERS_MODULE.split("raise RuntimeError")[0].count("\n")


@pytest.fixture
def users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module of the user's own."""
    (tmp_path / "users_own_module.py").write_text(USERS_MODULE)
    (tmp_path / "wrong_module.py").write_text("import there_is_no_such_library\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPVIS_MODELS", f"{tmp_path.parent}{os.pathsep}{tmp_path}")  # the user's own: may name code
    sys.modules.pop("users_own_module", None)
    return tmp_path


@pytest.mark.usefixtures("users_folder")
def test_a_users_factory_is_opened_with_size_and_normalisation_from_flags() -> None:
    path_before = list(sys.path)
    network = load_network(
        "users_own_module:small", device="cpu", input_size=(9, 11), mean=[1, 2, 3], std=[4, 5, 6], crop=1
    )
    assert network.input_shape == (3, 9, 11)
    frame = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    expected = ((frame - np.float32([1, 2, 3])) / np.float32([4, 5, 6])).transpose(2, 0, 1)
    np.testing.assert_allclose(network.preprocess(frame)[0].numpy(), expected, rtol=1e-6)
    assert sys.path == path_before
    module = sys.modules["users_own_module"].small().eval()
    with torch.inference_mode():
        wanted = module(network.preprocess(frame))
    torch.testing.assert_close(network.forward(network.preprocess(frame), ["fc"])["fc"], wanted)


@pytest.mark.usefixtures("users_folder")
@pytest.mark.parametrize("name", ["Small", "instance"])
def test_a_module_class_or_a_module_itself_does_as_well(name: str) -> None:
    assert load_network(f"users_own_module:{name}", device="cpu", input_size=8).layers["fc"].channels == 5


@pytest.mark.usefixtures("users_folder")
@pytest.mark.parametrize(("model", "parts"), [
    ("users_own_module:smal", ['no "smal"', 'did you mean "small"']),
    ("users_own_module:broken", ["RuntimeError: no such luck", f"users_own_module.py:{LINE_THAT_RAISES}"]),
    ("users_own_module:nothing", ["returned int", "nn.Module"]),
    ("users_own_module:needs", ["TypeError", "argument"]),
    ("users_own_module:number", ["int", "function"]),
    ("users_own_module:Choosing", [f"users_own_module.py:{LINE_THAT_CHOOSES}", "if x.sum() > 0"]),
    ("no_such_module:f", ['no module "no_such_module"', "or in a folder that --path names"]),
    ("users_own_module.inner:f", ["users_own_module"]),
    ("wrong_module:f", ["importing wrong_module failed", "there_is_no_such_library", "wrong_module.py:1"]),
    ("a b:c", ["package.module:function"]),
    (":", ["package.module:function"]),
])  # fmt: skip
def test_a_factory_that_gives_no_network_is_told_in_one_sentence(model: str, parts: list[str]) -> None:
    with pytest.raises(ToolboxError) as caught:
        load_network(model, device="cpu", input_size=8)
    assert [part for part in parts if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("users_folder")
def test_a_factory_without_an_input_size_asks_for_it() -> None:
    with pytest.raises(ToolboxError, match="--input-size"):
        load_network("users_own_module:small")


def test_a_model_yaml_gives_a_users_network_its_weights_labels_and_input(users_folder: Path) -> None:
    folder = users_folder / "mine"
    folder.mkdir()
    (folder / "model.yaml").write_text(
        "factory: users_own_module:small\nweights: w.pth\nlabels: l.txt\nlabel_layers: fc\n"
        "input: {size: 8, channels: BGR, mean: 100}\n"
    )
    (folder / "l.txt").write_text("a\nb\nc\nd\ne\n")
    given = {name: torch.rand_like(value) for name, value in nn.Linear(4, 5).state_dict().items()}
    sys.path.insert(0, str(users_folder))
    module = __import__("users_own_module").small()
    sys.path.remove(str(users_folder))
    torch.save(
        {"state_dict": {**module.state_dict(), **{f"fc.{name}": value for name, value in given.items()}}},
        folder / "w.pth",
    )
    for name in (folder, folder / "model.yaml"):
        network = load_network(name, device="cpu")
        assert (network.name, network.labels, network.preprocessing.channels) == ("mine", tuple("abcde"), "BGR")
        fc = network.forward(torch.zeros(1, 3, 8, 8), ["fc"])["fc"][0]
        module.fc.load_state_dict(given)
        with torch.inference_mode():
            torch.testing.assert_close(fc, module.eval()(torch.zeros(1, 3, 8, 8))[0])
    (folder / "l.txt").write_text("a\nb\n")
    with pytest.raises(ToolboxError, match=r'model.yaml:3: l.txt has 2 lines, layer "fc" has 5 units'):
        load_network(folder, device="cpu")


@pytest.mark.parametrize(("change", "message"), [
    (lambda state: state.pop("fc.bias"), r"missing: fc.bias"),
    (lambda state: state.update(extra=torch.zeros(1)), r"left over: extra"),
    (lambda state: state.update({"fc.bias": torch.zeros(3)}), r"of another shape: fc.bias"),
    (lambda state: state.update({"fc.bias": torch.full((5,), torch.nan)}), r"not finite: in: fc.bias"),
    (lambda state: state.update({"fc.bias": torch.zeros(1).expand(10**12)}), r"of another shape: fc.bias"),
    (lambda state: state.update({"fc.bias": 3}), r"no state dict"),
])  # fmt: skip
def test_weights_that_do_not_fit_are_named(users_folder: Path, change: Callable[[dict], Any], message: str) -> None:
    state = load_small(users_folder)
    change(state)
    torch.save(state, users_folder / "w.pth")
    with pytest.raises(ToolboxError, match=message):
        load_network("users_own_module:small", input_size=8, weights="w.pth")


WRAPPED: dict[str, Callable[[dict], Any]] = {
    "data parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "data parallel in the middle": lambda state: {name.replace(".", ".module.", 1): v for name, v in state.items()},
    "torch.compile": lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
    "both": lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
    "net": lambda state: {"net": state, "epoch": 3},
    "a NumPy number beside it": lambda state: {"state_dict": state, "best": np.float64(0.3), "step": np.int64(7)},
    "a lightning checkpoint's nesting": lambda state: {"model": {"state_dict": state}},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_weights_are_found_in_whatever_they_were_wrapped_while_training(users_folder: Path, wrapped: str) -> None:
    state = {name: torch.rand_like(value) for name, value in load_small(users_folder).items()}
    torch.save(WRAPPED[wrapped](state), users_folder / "w.pth")
    network = load_network("users_own_module:small", input_size=8, weights="w.pth", device="cpu")
    found = network.graph_module.state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())


@pytest.mark.usefixtures("users_folder")
@pytest.mark.parametrize("given", [
    {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    {"mean": 0.5, "std": 0.5},
])  # fmt: skip
def test_means_of_pixels_of_0_to_1_are_noticed_and_what_is_told_is_torchvisions_own(given: dict[str, Any]) -> None:
    with pytest.raises(ToolboxError, match=r"pixels of 0 to 1; .* scale: 0.00392157 \(1/255\), and std") as caught:
        load_network("users_own_module:small", input_size=8, **given)
    told = yaml.safe_load(re.search(r"write mean: (\[.*?\]|[\d.]+)", str(caught.value))[1])  # type: ignore[index]
    network = load_network("users_own_module:small", input_size=8, mean=told, scale=1 / 255, std=given["std"])
    frame = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    pixels = torch.from_numpy(frame).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(given[name]).reshape(-1, 1, 1) for name in ("mean", "std"))
    torch.testing.assert_close(network.preprocess(frame)[0].cpu(), (pixels - mean) / std, rtol=1e-3, atol=1e-4)


def load_small(folder: Path) -> dict[str, torch.Tensor]:
    return dict(runpy.run_path(str(folder / "users_own_module.py"))["small"]().state_dict())


def test_a_weights_file_never_runs_code(users_folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (users_folder / "sprung",)

    torch.save({"fc.bias": Trap()}, users_folder / "w.pth")
    with pytest.raises(ToolboxError, match="cannot be read as weights") as caught:
        load_network("users_own_module:small", input_size=8, weights="w.pth")
    assert not (users_folder / "sprung").exists()
    assert "weights_only" not in str(caught.value)  # nobody is told to switch off what protects them


@pytest.mark.parametrize("name", ["net.caffemodel", "NET.caffemodel.h5"])
def test_weights_of_caffe_without_their_prototxt_ask_for_it(users_folder: Path, name: str) -> None:
    (users_folder / name).write_bytes(b"\x0a\x03net")
    with pytest.raises(ToolboxError, match=rf"{name} holds weights of a Caffe network; .* --prototxt FILE"):
        load_network("users_own_module:small", input_size=8, weights=name)


def test_a_compressed_bomb_is_refused_before_it_is_unpacked(users_folder: Path) -> None:
    torch.save({"fc.bias": torch.zeros(5_000_000)}, users_folder / "plain.pth")
    with zipfile.ZipFile(users_folder / "plain.pth") as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(users_folder / "w.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, content in members.items():
            bomb.writestr(name, content)
    with pytest.raises(ToolboxError, match="unpacks to more"):
        load_network("users_own_module:small", input_size=8, weights="w.pth")


@pytest.mark.parametrize("content", [b"", b"some text", b"PK\x03\x04" + bytes(50)])
def test_a_file_that_holds_no_weights_is_refused(users_folder: Path, content: bytes) -> None:
    (users_folder / "w.pth").write_bytes(content)
    with pytest.raises(ToolboxError, match=r"w\.pth"):
        load_network("users_own_module:small", input_size=8, weights="w.pth")


def test_missing_weights_tell_what_would_fetch_them(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(
        "name: far\nframework: caffe\nprototxt: d.prototxt\nweights: w.caffemodel\nfetch: ['http://example.org/w.caffemodel']"
    )
    (tmp_path / "d.prototxt").write_text("name: 'x'")
    with pytest.raises(ToolboxError, match=r"model.yaml:4: .*w.caffemodel is not there; .*--fetch far downloads it"):
        load_network(tmp_path)


@pytest.mark.parametrize(("arguments", "message"), [
    (("efficientnet-lite0", "cafe"), 'unknown engine "cafe"; it is one of torch, caffe; did you mean "caffe"'),
    (("efficientnet-lite0", "caffe"), "runs Caffe's own files only"),
    (("efficientnet-lite0", "torch", "gpu"), 'unknown device "gpu"'),
    (("efficientnet-lite0", "torch", "cuda:"), "unknown device"),
    ((None,), "name a model"),
    (("",), "name a model"),
    (("x" * 5000,), "can be no file"),
    (("a\0b",), "no"),
])  # fmt: skip
def test_a_wrong_word_is_told_with_the_right_ones(arguments: tuple, message: str) -> None:
    with pytest.raises(ToolboxError, match=message):
        load_network(*arguments)


@pytest.mark.parametrize("changes", [
    {"channels": "RBG"}, {"mean": [1, 2]}, {"mean": "none.npy"}, {"std": 0}, {"input_size": (224,)}, {"crop": 2},
    {"labels": "none.txt"}, {"weights": "none.pth"}, {"scale": "wide"}, {"input_size": 10**9},
])  # fmt: skip
def test_a_wrong_flag_is_one_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(ToolboxError):
        load_network("efficientnet-lite0", device="cpu", **changes)


def test_devices_that_are_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(ToolboxError, match="choose --device cpu or auto"):
            resolve_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("CUDA:1") == torch.device("cuda:1")
    with pytest.raises(ToolboxError, match="cuda:0 to cuda:1"):
        resolve_device("cuda:2")


def tiny_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


@pytest.fixture
def fake_torchvision(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What torchvision offers, as far as it is used here; the real one is an optional extra."""
    asked: dict[str, Any] = {}
    transforms = SimpleNamespace(mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.1], crop_size=[20], resize_size=[25])
    weights = SimpleNamespace(transforms=lambda: transforms, meta={"categories": ["cat", "dog"]})
    models = ModuleType("torchvision.models")

    def get_model(name: str, weights: Any) -> nn.Module:
        asked.update(name=name, weights=weights)
        return tiny_network()

    vars(models).update(
        list_models=lambda: ["tinynet", "otternet"],
        get_model_weights=lambda _: SimpleNamespace(DEFAULT=weights),
        get_model=get_model,
    )
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return asked


def test_torchvision_tells_size_crop_normalisation_and_labels(fake_torchvision: dict[str, Any]) -> None:
    network = load_network("torchvision:tinynet", device="cpu")
    how = network.preprocessing
    assert fake_torchvision["weights"] is not None
    assert (network.input_shape, how.crop, network.labels) == ((3, 20, 20), 0.8, ("cat", "dog"))
    np.testing.assert_allclose(how.mean, [127.5, 102, 76.5], rtol=1e-6)
    np.testing.assert_allclose(how.gain, [1 / 51, 1 / 51, 1 / 25.5], rtol=1e-6)


def test_flags_come_before_what_torchvision_says(fake_torchvision: dict[str, Any], tmp_path: Path) -> None:
    torch.save(tiny_network().state_dict(), tmp_path / "w.pth")
    network = load_network("torchvision:tinynet", device="cpu", weights=tmp_path / "w.pth", input_size=(16, 12), mean=0)
    assert fake_torchvision["weights"] is None
    assert network.input_shape == (3, 16, 12)
    assert network.preprocessing.mean.tolist() == [0, 0, 0]  # type: ignore[union-attr]
    np.testing.assert_allclose(network.preprocessing.std, [51, 51, 25.5], rtol=1e-6)
    assert network.labels == ()


def test_weights_that_cannot_be_downloaded_can_come_from_a_file(
    fake_torchvision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(name: str, weights: Any) -> nn.Module:
        raise OSError(f"no route to the weights {weights} of {name}")

    assert fake_torchvision == {}
    monkeypatch.setattr(sys.modules["torchvision.models"], "get_model", offline)
    with pytest.raises(ToolboxError, match=r"OSError: no route .* --weights"):
        load_network("torchvision:tinynet")


@pytest.mark.usefixtures("fake_torchvision")
def test_an_unknown_name_of_torchvision_is_told_with_the_nearest() -> None:
    with pytest.raises(ToolboxError, match='no model "tinynett"; did you mean "tinynet"'):
        load_network("torchvision:tinynett")


def test_timm_tells_size_crop_and_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, pretrained: bool) -> nn.Module:
        assert (name, pretrained) == ("tiny", True)
        module = tiny_network()
        module.pretrained_cfg = {  # type: ignore[assignment]
            "input_size": (3, 18, 22), "mean": (0.5,) * 3, "std": (0.25,) * 3, "crop_pct": 0.9,
        }  # fmt: skip
        return module

    timm = ModuleType("timm")
    vars(timm).update(is_model=lambda name: name == "tiny", list_models=lambda: ["tiny"], create_model=create_model)
    monkeypatch.setitem(sys.modules, "timm", timm)
    network = load_network("timm:tiny", device="cpu")
    assert (network.input_shape, network.preprocessing.crop) == ((3, 18, 22), 0.9)
    np.testing.assert_allclose(network.preprocessing.gain, [1 / 63.75] * 3, rtol=1e-6)
    with pytest.raises(ToolboxError, match='timm has no model "huge"; it has 1, such as tiny'):
        load_network("timm:huge")


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_installed_is_one_sentence(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # makes the import fail
    monkeypatch.setitem(sys.modules, f"{library}.models", None)
    with pytest.raises(ToolboxError, match=f"{library} is not installed; .*pip install {library}"):
        load_network(f"{library}:resnet18")


def test_a_library_made_for_another_torch_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(ToolboxError, match=r"timm cannot be imported \(operator nms does not exist\); .* torch 2"):
        load_network("timm:resnet18")


def test_a_caffe_network_tells_its_own_size_and_can_be_given_another(shared: Path) -> None:
    folder = shared / "reference" / "squeezenet"
    files = {"prototxt": folder / "deploy.prototxt", "weights": folder / "weights.caffemodel"}
    network = load_network(None, device="cpu", **files, mean=[104, 117, 123])
    assert (network.input_shape, network.preprocessing.channels) == ((3, 227, 227), "BGR")
    np.testing.assert_array_equal(network.preprocessing.mean, [104, 117, 123])
    smaller = load_network(None, device="cpu", **files, input_size=(131, 163))
    assert smaller.input_shape == (3, 131, 163)
    with pytest.raises(ToolboxError, match="takes 3"):
        load_network(None, device="cpu", **files, channels="gray")


def test_a_module_of_the_same_name_elsewhere_is_not_taken_for_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, units in (("a", 5), ("b", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net_here.py").write_text(
            f"from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(3, {units}, 3), nn.ReLU())\n"
        )
        (tmp_path / name / "model.yaml").write_text("factory: net_here:make\ninput: {size: 32}\n")
    monkeypatch.chdir(tmp_path / "a")
    try:
        assert load_network(".", trust=True).layers["0"].shape == (5, 30, 30)
        monkeypatch.chdir(tmp_path / "b")
        with pytest.raises(ToolboxError, match=r"model.yaml:1: the module net_here .*b/net_here.py.*a/net_here.py"):
            load_network(".", trust=True)
        monkeypatch.chdir(tmp_path)  # no other of that name here
        assert load_network("net_here:make", input_size=32).layers["0"].shape == (5, 30, 30)
    finally:
        sys.modules.pop("net_here", None)


def test_a_module_that_is_given_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept_net.py").write_text(
        "import torch\nfrom torch import nn\nNET = nn.Sequential(nn.Conv2d(3, 4, 3))\ndef make():\n    return NET\n"
    )
    monkeypatch.chdir(tmp_path)
    x = torch.ones(1, 3, 32, 32)
    try:
        for factory in ("kept_net:NET", "kept_net:make"):
            before = load_network(factory, input_size=32).forward(x, ["0"])["0"]
            kept = sys.modules["kept_net"].NET
            kept.train()
            torch.save({name: torch.ones_like(value) for name, value in kept.state_dict().items()}, "ones.pt")
            filled = load_network(factory, input_size=32, weights="ones.pt").forward(x, ["0"])["0"]
            assert float(filled[0, 0, 0, 0]) == 28
            assert torch.equal(load_network(factory, input_size=32).forward(x, ["0"])["0"], before)
            assert kept.training
            assert all(parameter.requires_grad for parameter in kept.parameters())
    finally:
        sys.modules.pop("kept_net", None)


def test_a_mistake_in_a_model_yaml_of_a_factory_is_told_with_its_line(users_folder: Path) -> None:
    text = "name: own\nfactory: users_own_module:small\ninput:\n  size: 8\n  mean: 0.5\n  std: 0.5\n"
    (users_folder / "model.yaml").write_text(text)
    with pytest.raises(ToolboxError, match=r"model\.yaml:\d: .*pixels of 0 to 1"):
        load_network(str(users_folder))


MASKED = """
import torch
from torch import nn

class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("mask", torch.zeros(4, 1, 1))

    def forward(self, x):
        return torch.sigmoid(self.conv(x) + self.mask)
"""


@pytest.mark.parametrize(("change", "told"), [
    (lambda state: state["mask"][1].fill_(-torch.inf), ""),
    (lambda state: state["mask"][1].fill_(torch.nan), "not finite: in: mask"),
    (lambda state: state["conv.bias"][1].fill_(torch.inf), "not finite: in: conv.bias"),
    (lambda state: state.update({"conv.bias": torch.full((4,), 1e300, dtype=torch.float64)}), "not finite: .*bias"),
    (lambda state: state.update({"mask": torch.full((4, 1, 1), 1e300, dtype=torch.float64)}), "not finite: in: mask"),
    (lambda state: state.update({"conv.bias": state["conv.bias"] * (1 + 1j)}), "complex: conv.bias"),
])  # fmt: skip
def test_weights_are_numbers_once_the_network_holds_them(
    change: Callable[[dict], Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "masked_net.py").write_text(MASKED)
    monkeypatch.chdir(tmp_path)
    module = runpy.run_path("masked_net.py")["Masked"]()
    state = dict(module.state_dict())
    change(state)
    torch.save(state, "weights.pt")
    try:
        if told:
            with pytest.raises(ToolboxError, match=told):
                load_network("masked_net:Masked", input_size=8, weights="weights.pt")
        else:
            net = load_network("masked_net:Masked", input_size=8, weights="weights.pt")
            assert (net.forward(torch.randn(1, 3, 8, 8), ["sigmoid"])["sigmoid"][0, 1] == 0).all()
    finally:
        sys.modules.pop("masked_net", None)


def test_lazy_modules_without_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())\n"
    (tmp_path / "lazily_made.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ToolboxError, match="has no weights before it has seen an image"):
        load_network("lazily_made:make", device="cpu", input_size=32)
