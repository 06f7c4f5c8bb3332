"""What is installed: the wheel's files, the commands, what they need; and that a user's own files are in no way."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deepvis_toolbox.program_names import INSTALLED

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
STRAY = [
    "models/squeezenet/net.caffemodel",
    "models/squeezenet/fetched/mean.npy",
    "models/squeezenet/fetched/notes.txt",
    "models/squeezenet/unit_images_made/regularized_opt/fc/fc_0000_montage.jpg",
]
"""What users' runs leave in a checkout."""


def tracked(*folders: str) -> list[str]:
    """The files that git tracks below the folders."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout, so that nothing says which files belong to it")
    command = ["git", "ls-files", "-z", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a wheel that is built of a copy of the checkout, with what users' runs leave there."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for name in STRAY:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(b"x")
    code = "import setuptools.build_meta as b; print(b.build_wheel('dist'))"
    subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, check=True)
    (built,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_the_wheel_holds_two_packages_and_nothing_else_on_top_level(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"deepvis_toolbox", "find_maxes"}


def test_the_wheel_holds_every_module_and_data_file_of_the_packages(wheel: list[str]) -> None:
    assert set(tracked("deepvis_toolbox", "find_maxes")) <= set(wheel)
    assert "deepvis_toolbox/py.typed" in wheel


def test_the_wheel_holds_the_models_files_that_belong_to_it_and_none_that_was_fetched_or_made(wheel: list[str]) -> None:
    packed = {name.removeprefix("deepvis_toolbox/") for name in wheel if name.startswith("deepvis_toolbox/models/")}
    assert packed == set(tracked("models"))


def test_every_command_is_installed_and_leads_to_a_function() -> None:
    assert set(PROJECT["scripts"]) == set(INSTALLED)
    for name, value in PROJECT["scripts"].items():
        assert callable(EntryPoint(name, value, "console_scripts").load())


def test_the_pinned_requirements_are_those_of_the_package() -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    pinned = {requirement.name: requirement for requirement in map(Requirement, filter(None, lines))}
    wanted = {requirement.name: requirement for requirement in map(Requirement, PROJECT["dependencies"])}
    assert set(pinned) == set(wanted)
    for name, requirement in pinned.items():
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        assert specifier.version in wanted[name].specifier, name


def locked(name: str) -> dict[str, list[tuple[str, int]]]:
    """The packages of a lock: (version, how many hashes) of each."""
    found: dict[str, list[tuple[str, int]]] = {}
    for package in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        if head := re.match(r"([\w.-]+)==([\w.]+)", package):
            found.setdefault(head[1].lower(), []).append(
                (head[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}", package)))
            )
    return found


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_locks_hold_the_pinned_versions_with_hashes(name: str) -> None:
    lock, torch = locked(f"{name}.lock"), locked("requirements-torch.lock")
    lines = [line.partition("#")[0].strip() for line in (ROOT / f"{name}.txt").read_text().splitlines()]
    for requirement in (Requirement(line) for line in lines if line and not line.startswith("-r")):
        (specifier,) = requirement.specifier
        versions = [
            version for version, _ in (torch if requirement.name == "torch" else lock)[requirement.name.lower()]
        ]
        assert versions == [specifier.version], f"{requirement.name}: run scripts/lock_requirements.py"
    assert all(count for versions in [*lock.values(), *torch.values()] for _, count in versions)
    assert "torch" not in lock, "its builds have other hashes"
    if name == "requirements-dev":
        assert locked("requirements.lock").items() <= lock.items()


def test_the_notice_is_what_its_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("notice", ROOT / "scripts" / "notice.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    here = {name: version(name) for name in script.packages() if name not in script.ELSEWHERE}
    if any(found.partition("+")[0] not in script.packages()[name] for name, found in here.items()):
        pytest.skip("what is installed here is not what the lock holds")
    assert (ROOT / "NOTICE").read_text("utf-8") == script.notice(), "run: python scripts/notice.py"


def test_every_sentence_that_says_what_to_install_names_what_exists() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(each for several in extras.values() for each in several)]
    known = {Requirement(each).name for each in wanted} | {
        "pyarrow",
        "pre-commit",
    }  # which Ray brings as well; a tool of developers
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = []
    for path in [*pages, *(ROOT / "deepvis_toolbox").rglob("*.py")]:
        for text in re.findall(r"pip install (?:--[\w-]+ )*([^\n`]+)", path.read_text("utf-8")):
            named += [(path.name, word) for word in re.split(r"[\s,;]", text)[:1]]
        for requirement in re.findall(r"pip_install\('([^']+)'\)", path.read_text("utf-8")):
            named.append((path.name, requirement))
    assert len(named) > 6
    for page, word in named:
        plain = word.lstrip("'\"").rstrip("'\")")
        local = re.fullmatch(r"\.(?:\[(\w+)\])?", plain)
        if local:
            assert local[1] is None or local[1] in extras, (page, word)
        elif not plain.startswith("{"):  # filled in: checked where it is called
            assert Requirement(plain).name in known, (page, word)


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """A working directory, also on the path for modules, where a user's own files have the names of this program's."""
    for name in ("settings", "run_toolbox", "optimize_image", "models", "find_max_acts", "merge", "live", "words"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user was imported')\n")
    (tmp_path / "find_maxes.py").write_text("raise SystemExit('a file of the user was imported')\n")
    (tmp_path / "models" / "efficientnet-lite0").mkdir(parents=True)
    (tmp_path / "models" / "efficientnet-lite0" / "model.yaml").write_text("nothing: [")
    (tmp_path / "efficientnet-lite0").mkdir()
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script, *arguments = shlex.split(command)
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("script", ["run_toolbox.py", "optimize_image.py", "settings.py", "find_maxes/find_max_acts.py",
                                    "find_maxes/crop_max_patches.py", "find_maxes/merge.py"])  # fmt: skip
def test_a_script_runs_from_any_folder_whatever_a_users_files_are_called(script: str, users_folder: Path) -> None:
    done = run(f"{script} --help", users_folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "examples:" in done.stdout


def test_the_commands_work_among_a_users_files_of_the_same_names(users_folder: Path) -> None:
    from skimage import data
    from skimage.io import imsave

    (users_folder / "photos").mkdir()
    imsave(users_folder / "photos" / "a.png", data.astronaut()[:256, :256])
    commands = [
        "settings.py --set window.width=900",
        "find_maxes/find_max_acts.py --images photos --layers fc --out maxes --device cpu -q",
        "find_maxes/crop_max_patches.py --maxes maxes --units fc:9 --store made --device cpu -q",
        "optimize_image.py --units fc:9 --max-iter 1 --store made --device cpu -q",
        "run_toolbox.py --headless --input photos --snapshot window.png --device cpu",
    ]
    for command in commands:
        done = run(command, users_folder)
        assert done.returncode == 0, (command, done.stderr)
    assert (users_folder / "made/max_im/fc/fc_0009.jpg").is_file()
    assert (users_folder / "window.png").is_file()
