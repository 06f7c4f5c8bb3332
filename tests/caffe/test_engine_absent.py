"""What is said where real Caffe is not there, or not where it is said to be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.caffe.process import CaffeProcess, Installation, find_caffe


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEEPVIS_CAFFE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_without_caffe_one_sentence_says_how_to_get_it() -> None:
    with pytest.raises(ToolboxError, match=r"scripts/build_caffe\.sh builds it") as caught:
        find_caffe()
    assert "\n" not in str(caught.value)


def test_a_wrong_place_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPVIS_CAFFE", str(tmp_path))
    with pytest.raises(ToolboxError, match="there is no Caffe at") as caught:
        find_caffe()
    assert str(tmp_path) in str(caught.value)


def test_the_usual_folder_of_the_script_is_found_and_a_setting_goes_before(tmp_path: Path) -> None:
    usual = tmp_path / "data" / "deepvis-toolbox" / "caffe"
    (usual / "python" / "caffe").mkdir(parents=True)
    (usual / "complete").touch()
    assert find_caffe() == Installation(sys.executable, (usual / "python", usual / "site"))
    assert find_caffe(sys.executable) == Installation(sys.executable)


def test_a_python_without_caffe_is_told() -> None:
    with pytest.raises(ToolboxError, match="cannot import caffe"):
        CaffeProcess(Installation(sys.executable))


def test_a_program_that_is_no_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match=r"/true cannot import caffe \(its process .* DEEPVIS_CAFFE must name"):
        CaffeProcess(Installation("/bin/true"))
    (tmp_path / "no-program").write_text("hello")
    (tmp_path / "no-program").chmod(0o755)
    with pytest.raises(ToolboxError, match=r"cannot be run \(Exec format error\); DEEPVIS_CAFFE must name"):
        CaffeProcess(Installation(str(tmp_path / "no-program")))
