"""The random search for parameters: its trials, its contact sheet, and the preset saved from it."""

import base64
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from deepvis_toolbox import AscentSettings, ToolboxError
from deepvis_toolbox.opening.model_file import read_model_file
from deepvis_toolbox.optimize.cli.search_command import SHEET, main
from deepvis_toolbox.optimize.files.preset_writing import save_preset
from deepvis_toolbox.optimize.method.search_space import sampled

MODEL = """# a network of the tests
name: small
factory: tests.optimize.networks:small_classifier
input: {size: [24, 20], mean: 110}   # no scaling
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPVIS_MODELS", str(tmp_path.parent))  # the user's own, which may name code
    (tmp_path / "model.yaml").write_text(MODEL)
    return tmp_path / "model.yaml"


def search(model, *arguments):
    flags = ["--model", str(model), "--output", str(model.parent / "out"), "--max-iter", "4"]
    return main([*flags, "--units", "fc:1", "fc:4", *arguments])


def test_the_contact_sheet_holds_every_trials_pictures_and_parameters(model):
    assert search(model, "--trials", "6", "--seed", "5") == 0
    html = (model.parent / "out" / SHEET).read_text()
    rows = re.findall(r'<tr data-trial="(\d+)" data-objective="([^"]+)">(.*?)</tr>', html, re.DOTALL)
    assert sorted(int(number) for number, _, _ in rows) == list(range(6))
    objectives = [float(objective) for _, objective, _ in rows]
    assert objectives == sorted(objectives, reverse=True)
    for number, _, row in rows:
        pictures = re.findall(r"base64,([A-Za-z0-9+/=]+)", row)
        assert [cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1).shape for data in pictures] == [
            (24, 20, 3)
        ] * 2
        for key in sampled(5, int(number), 4):
            assert key in row
    assert "http" not in html


def test_a_search_goes_on_also_where_some_of_its_ascents_failed(model, capsys):
    model.write_text(MODEL.replace("small_classifier", "dead_classifier"))
    assert search(model, "--trials", "1") == 0
    assert "2 pictures made" in capsys.readouterr().out
    assert search(model, "--trials", "2") == 0
    assert "2 pictures made, 2 were there already" in capsys.readouterr().out


def test_run_again_the_search_goes_on_with_the_trials_that_are_not_done(model, capsys):
    search(model, "--trials", "2")
    stamps = {path: path.stat().st_mtime_ns for path in (model.parent / "out").rglob("*.jpg")}
    capsys.readouterr()
    search(model, "--trials", "3")
    assert "2 pictures made, 4 were there already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    with pytest.raises(ToolboxError, match=r"another run.*--out"):
        search(model, "--trials", "2", "--seed", "1")


def test_trials_are_valid_varied_and_the_same_for_a_seed():
    trials = [sampled(0, number) for number in range(300)]
    assert trials == [sampled(0, number) for number in range(300)]
    assert len({str(trial) for trial in trials}) == 300
    for trial in trials:
        AscentSettings(**trial)
    switched_on = {key for trial in trials for key in trial}
    assert {
        "decay",
        "blur_radius",
        "small_val_percentile",
        "small_norm_percentile",
        "px_abs_benefit_percentile",
    } <= switched_on
    assert {trial["lr_policy"] for trial in trials} == {"constant", "progress"}


def test_the_chosen_row_becomes_a_preset_and_the_file_keeps_its_comments(model):
    assert main(["--model", str(model), "--max-iter", "4", "--seed", "5", "--trial", "3", "--save-preset", "mine"]) == 0
    save_preset(model, "second", {"decay": 0.1})
    text = model.read_text()
    assert text.startswith(MODEL)
    presets = yaml.safe_load(text)["presets"]
    assert {name: AscentSettings(**values).as_record() for name, values in presets.items()} == {
        "mine": AscentSettings(**sampled(5, 3, 4)).as_record(),
        "second": AscentSettings(decay=0.1).as_record(),
    }
    assert read_model_file(model).presets["second"] == {"decay": 0.1}


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("mine", {"decay": 0.1}, "already"),
        ("a b", {"decay": 0.1}, "cannot be a preset's name"),
        ("new", {"decay": 7}, "decay is 7"),
        ("new", {"dekay": 0.1}, 'did you mean "decay"'),
    ],
)
def test_a_preset_that_cannot_be_saved_is_one_sentence_and_leaves_the_file_alone(name, values, says, model):
    save_preset(model, "mine", {"decay": 0.2})
    before = model.read_text()
    with pytest.raises(ToolboxError) as error:
        save_preset(model, name, values)
    assert says in str(error.value)
    assert model.read_text() == before


def test_presets_that_are_saved_at_the_same_time_are_all_kept(model):
    names = [f"preset{number}" for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: save_preset(model, name, {"decay": 0.1}), names))
    assert set(read_model_file(model).presets) >= set(names)


def test_a_section_that_is_quoted_text_is_no_place_for_a_preset(tmp_path: Path) -> None:
    model = tmp_path / "model.yaml"
    text = "factory: 'torchvision:alexnet\npresets:\n  mine: {decay: 0.1}'\n"
    model.write_text(text, "utf-8")
    with pytest.raises(ToolboxError, match=r"by hand.*added: \{decay: 0\.5\}"):
        save_preset(model, "added", {"decay": 0.5})
    assert model.read_text("utf-8") == text


def test_presets_can_be_added_to_the_default_networks_model_file(tmp_path):
    shutil.copy(Path(__file__).resolve().parents[2] / "models/efficientnet-lite0/model.yaml", tmp_path / "model.yaml")
    before = read_model_file(tmp_path / "model.yaml").presets
    save_preset(tmp_path / "model.yaml", "found", sampled(0, 0))
    assert read_model_file(tmp_path / "model.yaml").presets.keys() == {*before, "found"}
