"""What a model's folder may do: nothing but be read, unless the user says so, and for as long as it stays as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.opening.trust import content_hash, is_trusted, trust, trusted_folders
from deepvis_toolbox.settings.loading import load_settings
from tests.conftest import ROOT

CODE = """
from pathlib import Path
from torch import nn

Path("it_ran").touch()

def make():
    return nn.Conv2d(3, 2, 3)
"""
MODEL = "name: strange\nfactory: strange_net:make\ninput: {size: 8}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's model folder, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv("DEEPVIS_MODELS", raising=False)
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "strange_net.py").write_text(CODE)
    (folder / "model.yaml").write_text(MODEL)
    yield folder
    sys.modules.pop("strange_net", None)


def ran() -> bool:
    return Path("it_ran").exists()


def test_a_strangers_folder_runs_nothing_and_the_sentence_says_what_would_run(folder: Path) -> None:
    wanted = (
        r"strange/model\.yaml:2: the model's folder names code: strange_net:make would be imported and run.*--trust"
    )
    for model in ("strange", str(folder), "strange/model.yaml"):
        with pytest.raises(ToolboxError, match=wanted):
            load_network(model)
    assert not ran()


@pytest.mark.parametrize("factory", ["http.server:test", "os:abort", "deepvis_toolbox.live.toolbox_command:main"])
def test_what_is_installed_is_not_run_either(folder: Path, factory: str) -> None:
    (folder / "model.yaml").write_text(f"factory: {factory}\ninput: {{size: 8}}\n")
    with pytest.raises(ToolboxError, match="would be imported and run"):
        load_network("strange")


@pytest.mark.parametrize("factory", ["torchvision:resnet18", "timm:resnet18"])
def test_a_library_that_would_download_weights_is_not_asked(folder: Path, factory: str) -> None:
    (folder / "model.yaml").write_text(f"factory: {factory}\ninput: {{size: 8}}\n")
    with pytest.raises(ToolboxError, match="would be imported and run"):
        load_network("strange")


INSTALLED = ["os:abort", "http.server:test", "builtins:breakpoint", "__main__:main", "unseen_package:make",
             "deepvis_toolbox.live.toolbox_command:main", "unseen_namespace.inner:make",
             "torch.nn:Identity"]  # fmt: skip


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages that are installed, which leave a file behind once they are imported."""
    site = tmp_path / "site"
    for name in ("unseen_package/__init__.py", "unseen_namespace/inner.py"):
        (site / name).parent.mkdir(parents=True)
        (site / name).write_text(CODE)
    monkeypatch.syspath_prepend(str(site))
    yield site
    for name in ("unseen_package", "unseen_namespace.inner", "unseen_namespace"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("factory", INSTALLED)
@pytest.mark.parametrize("how", ["remembered", "for this once", "inside the folder"])
def test_a_trusted_folder_names_no_code_that_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, factory: str, how: str
) -> None:
    (folder / "model.yaml").write_text(f"factory: {factory}\ninput: {{size: 8}}\n")
    if how != "for this once":
        trust(folder)
    if how == "inside the folder":
        monkeypatch.chdir(folder)
    wanted = rf"model\.yaml:1: {factory} is not run: .*name it yourself \(--model {factory}\)"
    with pytest.raises(ToolboxError, match=wanted):
        load_network(folder, trust=how == "for this once")
    assert not list(folder.parent.rglob("it_ran"))


@pytest.mark.usefixtures("installed")
def test_what_is_installed_runs_where_the_user_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_network("unseen_package:make", input_size=8, device="cpu").close()
    assert ran()
    for name in ("unseen_package", "unseen_namespace.inner"):
        (folder / "model.yaml").write_text(f"factory: {name}:make\ninput: {{size: 8}}\n")
        load_network(folder, device="cpu", trust=True, path=["site"]).close()
        with monkeypatch.context() as patch:
            patch.setenv("DEEPVIS_MODELS", str(folder.parent))
            load_network(folder, device="cpu").close()


def test_what_the_user_names_must_return_a_network() -> None:
    with pytest.raises(ToolboxError, match=r"platform:node returned str, not a torch\.nn\.Module"):
        load_network("platform:node", input_size=8)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["unseen_package", "antigravity", "os", "math"])
def test_an_installed_module_is_not_imported_in_the_place_of_the_folders(folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text(CODE)
    (folder / "model.yaml").write_text(f"factory: {name}:make\ninput: {{size: 8}}\n")
    with pytest.raises(ToolboxError, match=rf"model\.yaml:1: the module {name} of .* cannot be imported"):
        load_network(folder, trust=True)
    assert not ran()
    assert name in ("os", "math") or name not in sys.modules


def test_a_module_that_is_nowhere_is_wanted_beside_the_model_yaml(folder: Path) -> None:
    (folder / "strange_net.py").unlink()
    with pytest.raises(ToolboxError, match='there is no module "strange_net" for strange_net:make; it must lie in'):
        load_network(folder, trust=True)


def test_a_trusted_folders_module_may_import_what_is_installed(folder: Path) -> None:
    (folder / "strange_net.py").write_text("from tests.nets import Residual as make\n")
    with load_network(folder, device="cpu", trust=True) as network:
        assert network.layers


def test_a_module_behind_a_link_that_leads_out_is_not_the_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "strange_net.py").rename(tmp_path / "elsewhere" / "strange_net.py")
    (folder / "strange_net.py").symlink_to(tmp_path / "elsewhere" / "strange_net.py")
    with pytest.raises(ToolboxError, match="strange_net:make is not run"):
        load_network(folder, trust=True)
    assert not ran()


def test_what_is_installed_into_the_folder_is_not_beside_its_model_yaml(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment within a model's folder holds programs that are no networks."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "unseen_tool.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(folder / ".venv"))
    (folder / "model.yaml").write_text("factory: unseen_tool:make\ninput: {size: 8}\n")
    with pytest.raises(ToolboxError, match="unseen_tool:make is not run"):
        load_network(folder, trust=True)
    assert not ran()


def test_a_folder_that_is_trusted_opens_until_it_changes(folder: Path) -> None:
    assert not is_trusted(folder)
    trust("strange")
    assert is_trusted(folder)
    with load_network("strange") as network:
        assert network.name == "strange"
    assert ran()
    (told,) = trusted_folders()
    assert (told.folder, told.is_unchanged) == (folder, True)
    (folder / "strange_net.py").write_text(CODE + "\n# another one\n")
    assert not is_trusted(folder)
    assert not trusted_folders()[0].is_unchanged
    with pytest.raises(ToolboxError, match="would be imported and run"):
        load_network("strange")
    trust(folder)
    assert [told.is_unchanged for told in trusted_folders()] == [True]


@pytest.mark.parametrize(
    "name",
    ["more.py", "package/__init__.py", "inner.so", "old.pyc", "deep/er/code.py", "__pycache__/code.py",
     "__pycache__/code.pyc", "other.yaml", "other.yml"],
)  # fmt: skip
def test_whatever_could_be_imported_is_part_of_what_is_trusted(folder: Path, name: str) -> None:
    trust(folder)
    before = content_hash(folder)
    (folder / "picture.png").write_bytes(b"no code")
    (folder / "weights.pt").write_bytes(b"no code")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "strange_net.cpython-311.opt-1.pyc").write_bytes(b"a cache, which is not believed")
    assert content_hash(folder) == before
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"code")
    assert not is_trusted(folder)


def test_another_description_in_a_trusted_folder_is_not_trusted_with_it(folder: Path) -> None:
    trust(folder)
    (folder / "other.yaml").write_text("factory: os:abort\ninput: {size: 8}\n")
    with pytest.raises(ToolboxError, match="would be imported and run"):
        load_network("strange/other.yaml")


@pytest.mark.parametrize("name", ["package.py", "package.so", "deep/package.pyc"])
def test_a_linked_package_from_elsewhere_cannot_be_trusted(folder: Path, tmp_path: Path, name: str) -> None:
    code = tmp_path / "elsewhere" / name
    code.parent.mkdir(parents=True)
    (tmp_path / "elsewhere" / "circle").symlink_to(tmp_path / "elsewhere")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    trust(folder)
    code.write_bytes(b"code")
    assert not trusted_folders()[0].is_unchanged
    with pytest.raises(ToolboxError, match="a link that leads out"):
        trust(folder)


def test_a_preset_of_a_strangers_names_no_picture(folder: Path) -> None:
    presets = "presets:\n  mine: {decay: 0.5}\n  yours: {start_at: 'image:/etc/hostname'}\n"
    (folder / "model.yaml").write_text(f"framework: onnx\nonnx: net.onnx\n{presets}")
    with pytest.raises(ToolboxError, match=r"model\.yaml:5: image:/etc/hostname names a picture outside"):
        load_network("strange")
    with pytest.raises(ToolboxError, match=r"file .*net.onnx is not there"):
        load_network("strange", trust=True)


def test_pythons_caches_are_not_believed(folder: Path) -> None:
    """A cache that says it fits the source is code too; nobody sees it when the source is read."""
    import importlib.util
    import py_compile

    source = folder / "strange_net.py"
    clean = source.read_text()
    hostile = clean.replace("it_ran", "cache_ran").ljust(len(clean))
    assert len(hostile.encode()) >= len(clean.encode())
    source.write_text(hostile)
    cache = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(source), str(cache), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    source.write_text(clean)
    trust(folder)
    load_network("strange").close()
    assert ran()
    assert not Path("cache_ran").exists()


def test_links_and_paths_that_lead_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a\nb\n")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    for labels in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "~/labels.txt"):
        (folder / "model.yaml").write_text(f"{MODEL}labels: {labels}\n")
        with pytest.raises(ToolboxError, match=r"model\.yaml:4: .* leads out of the model's folder"):
            load_network("strange")
    for line in ("weights: ../w.pt", "unit_images: {folder: /tmp/pictures}"):
        (folder / "model.yaml").write_text(f"{MODEL}{line}\n")
        with pytest.raises(ToolboxError, match="leads out of the model's folder"):
            load_network("strange")
    (folder / "elsewhere.py").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ToolboxError, match="a link that leads out"):
        trust(folder)


def test_a_users_own_models_may_name_what_they_like(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPVIS_MODELS", str(folder.parent))
    load_network("strange").close()
    assert ran()


@pytest.mark.parametrize("line", [
    "log: {file: /tmp/log}", "log: {level: debug}", "sources: {input: ['camera:0']}", "live: {screenshots: /tmp}",
    "unit_images: {folder: /tmp}", "unit_images: {maxes: /tmp}", "look: {font_path: /etc/passwd}",
    "unit_images: {cache_megabytes: 1048576}", "web: {upload_megabytes: 4096}",
])  # fmt: skip
def test_a_model_yaml_has_no_say_in_what_is_read_and_written_elsewhere(folder: Path, line: str) -> None:
    (folder / "model.yaml").write_text(f"{MODEL}settings:\n  {line}\n")
    with pytest.raises(ToolboxError, match=r'model\.yaml:5: a model.yaml cannot set "'):
        load_settings("strange")


@pytest.mark.usefixtures("folder")
def test_settings_of_the_working_directory_are_not_read_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    Path("settings_local.yaml").write_text("model: strange\nlog: {file: written}\n")
    settings = load_settings()
    assert (settings.model, settings.log.file) == ("efficientnet-lite0", None)
    assert "settings_local.yaml of this folder is not read" in caplog.text
    assert load_settings(local=Path("settings_local.yaml")).model == "strange"


def test_a_store_of_trust_that_is_damaged_trusts_nothing(folder: Path) -> None:
    trust(folder)
    store = Path("configuration/deepvis-toolbox/trusted.json")
    for content in ("[]", "{", '{"a": 1}', "", "null"):
        store.write_text(content)
        assert not is_trusted(folder)
    trust(folder)
    assert json.loads(store.read_text()) == {str(folder): content_hash(folder)}


def test_what_was_trusted_by_a_former_version_stays_so(folder: Path) -> None:
    trust(folder)
    Path("configuration/deepvis-toolbox/trusted.json").write_text(json.dumps({content_hash(folder): str(folder)}))
    assert is_trusted(folder)


def test_two_folders_of_the_same_content_are_trusted_each_by_itself(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    trust(folder)
    assert not is_trusted(copy)
    trust(copy)
    assert is_trusted(folder)
    (copy / "model.yaml").write_text("name: changed\n")
    assert is_trusted(folder)
    assert not is_trusted(copy)


def test_a_folder_is_not_trusted_for_what_another_one_holds(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "model.yaml").write_text("name: other\n")
    trust(folder)
    trust(other)
    (folder / "model.yaml").write_text("name: other\n")
    assert not is_trusted(folder)


def test_folders_that_are_trusted_at_the_same_time_are_all_kept(folder: Path, tmp_path: Path) -> None:
    folders = [tmp_path / f"copy {number}" for number in range(12)]
    for number, each in enumerate(folders):
        shutil.copytree(folder, each)
        (each / "model.yaml").write_text(f"name: copy{number}\n")
    with ThreadPoolExecutor(len(folders)) as pool:
        list(pool.map(trust, folders))
    assert {each.folder for each in trusted_folders()} >= set(folders)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    called = [sys.executable, str(ROOT / "optimize_image.py"), "--units", "strange_net:0", *arguments]
    return subprocess.run(called, capture_output=True, text=True, timeout=120, check=False)


def test_from_the_command_line(folder: Path) -> None:
    flags = ["--model", "strange", "--device", "cpu", "--max-iter", "2", "-q", "--store", "store"]
    units = ["--units", "conv2d:0"]
    refused = command(*flags)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "would be imported and run" in refused.stderr
    assert not ran()
    command(*flags, "--trust", "strange", *units)
    assert ran()
    listed = subprocess.run(
        [sys.executable, str(ROOT / "run_toolbox.py"), "--trusted"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.startswith(f"{folder}: as it was trusted (")
    wrong = command(*flags, "--trust", "nowhere")
    assert wrong.returncode == 2
    assert "there is no model.yaml" in wrong.stderr


def test_the_working_directory_is_looked_up_last_and_path_adds_places(folder: Path) -> None:
    Path("colorsys.py").write_text(CODE)  # as a module of Python's own
    with pytest.raises(ToolboxError, match=r'colorsys has no "make"|the module colorsys of .* cannot be imported'):
        load_network("colorsys:make", input_size=8)
    assert not ran()
    with pytest.raises(ToolboxError, match=r'no module "strange_net".*--path'):
        load_network("strange_net:make", input_size=8)
    load_network("strange_net:make", input_size=8, path=["strange"]).close()
    assert ran()
    assert str(folder) not in sys.path


@pytest.mark.usefixtures("folder")
def test_decoding_processes_import_nothing_from_the_working_directory() -> None:
    from PIL import Image

    Path("pictures").mkdir()
    for number in range(40):
        Image.new("RGB", (9, 9), (number, 200, 30)).save(f"pictures/{number}.png")
    hostile = f"open({str(Path('decoder_ran').absolute())!r}, 'w')\nraise SystemExit\n"
    for name in ("cv2", "numpy", "PIL", "json", "runpy", "deepvis_toolbox"):
        Path(f"pictures/{name}.py").write_text(hostile)
    called = [sys.executable, str(ROOT / "find_maxes/find_max_acts.py"), "--images", ".", "--layers", "stem", "-q"]
    done = subprocess.run(
        [*called, "--out", "../maxes", "--device", "cpu", "--workers", "2"], cwd="pictures", capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not Path("decoder_ran").exists()
