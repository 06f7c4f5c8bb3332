"""The command: what it makes, says, refuses and leaves."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.paper.figure import FIGURES
from deepvis_toolbox.paper.paper_command import main, spoken

SMALL = ["--quick", "--max-iter", "2", "--trials", "2"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper") / "model"
    folder.mkdir()
    (folder / "model.yaml").write_text(
        "name: tiny\nframework: torch\nfactory: tests.pipeline.pipeline_convnet:make\n"
        "input: {size: 16, mean: 127, std: 64}\n"
    )
    return folder


@pytest.fixture(autouse=True)
def trusted(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPVIS_MODELS", str(model.parent))


def run(model: Path, out: Path, *more: str) -> int:
    given = ["--model", str(model), "--device", "cpu", "--out", str(out), *SMALL, *more]
    return run_command(lambda: main(given))


def test_the_quick_form_makes_every_figure_and_says_its_time_first(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, tmp_path) == 0
    out, err = capsys.readouterr()
    assert {path.name for path in tmp_path.glob("*.json")} == {f"figure-{name}.json" for name in FIGURES}
    assert sorted(out.splitlines()) == sorted(map(str, [*tmp_path.glob("*.jpg"), *tmp_path.glob("*.png")]))
    assert err.index("quick form: at most about ") < err.index("paper: ")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pieces").rglob("*.npz")}
    assert run(model, tmp_path, "--json", "-q") == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "pieces").rglob("*.npz")}
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_the_estimate_makes_nothing(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(model, tmp_path, "--estimate", "-q", "--figure", "3") == 0
    assert "figure 3: 0 of 17 pieces are done; about" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_named_units_layers_and_pictures_are_those_shown(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 256, (20, 30, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), picture)
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    more = ["--units", "4:1,1", "4:1", "--layers", "4", "--images", str(tmp_path / "in"), "--figure", "2", "5", "-q"]
    assert run(model, tmp_path / "out", *more) == 0
    second = json.loads((tmp_path / "out" / "figure-2.json").read_text())
    assert second["parameters"] == {"layer": "4", "channel": 1}
    assert second["pictures"]["count"] == 3
    assert list(json.loads((tmp_path / "out" / "figure-5.json").read_text())["numbers"]["activations"]) == ["4"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--figure", "7"], 'error: there is no figure "7"; it is one of '),
        (["--figure", "S2"], 'error: there is no figure "S2"'),
        (["--trials", "0"], 'error: --trials is "0"; it must be a whole number, 1 to 2000'),
        (["--units", "9:1"], 'error: the network has no layer "9"'),
        (["--units", "4:99"], "4:99"),
        (
            ["--units", "4:1@mean"],
            'error: --units: a figure shows units at the centre of their maps; write "4:1", not "4:1@mean"',
        ),
        (["--layers", "nothing"], 'error: the network has no layer "nothing"'),
        (["--images", "no/such/folder"], "no/such/folder"),
        (["--figure"], "expected at least one argument"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    given: list[str], said: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, tmp_path, *given, "-q") == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_pictures_of_which_none_can_be_read_are_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert run(model, tmp_path / "out", "--images", str(tmp_path / "in"), "-q") == 2
    assert capsys.readouterr().err == "error: none of the pictures after --images can be read\n"


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(model, tmp_path / "file", "-q") == 2
    assert "cannot write" in capsys.readouterr().err


def test_times_are_said_as_people_say_them() -> None:
    assert [spoken(seconds) for seconds in (3, 89, 300, 7200)] == ["3 s", "89 s", "5 min", "2.0 h"]


def test_what_takes_more_than_an_hour_is_refused_where_there_is_nobody_to_ask(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepvis_toolbox.paper.making.seconds_a_pass", lambda _: 1000.0)
    assert run(model, tmp_path, "--figure", "3", "-q") == 2
    told = capsys.readouterr().err
    assert "this would take about" in told
    assert "give --yes to make it all the same, or make less with --quick or --figure" in told
    assert not list(tmp_path.rglob("*.npz"))
    assert run(model, tmp_path, "--figure", "3", "-q", "--yes", "--max-iter", "1") == 0
