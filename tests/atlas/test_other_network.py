"""The same unit in another network: which it is, what is said of it, and its pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from deepvis_toolbox.counterpart import unit_matching
from deepvis_toolbox.measure.matching import LayersMatcher
from tests.pipeline import pipeline_convnet

from .conftest import LABELS, build, files_of, make_store
from .test_atlas import data_of, in_the_browser

ORDER = [2, 0, 1]
"""Which of layer 4's units stands at each place in the other network."""


def reordered() -> dict[str, torch.Tensor]:
    weights = {name: tensor.clone() for name, tensor in pipeline_convnet.make().state_dict().items()}
    for name in ("3.weight", "3.bias"):
        weights[name] = weights[name][ORDER]
    weights["6.weight"] = weights["6.weight"].reshape(5, 3, 36)[:, ORDER].reshape(5, 108)
    return weights


@pytest.fixture(scope="module")
def compared(made: Path) -> Path:
    """The model's folder, with other weights and their unit images."""
    torch.save(reordered(), made / "reordered.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPVIS_MODELS", str(made))
        make_store(made, "other", "other_maxes", "--weights", str(made / "reordered.pt"))
    return made


def flags(folder: Path) -> list[str]:
    given = ["--compare", str(folder / "reordered.pt"), "--probe", str(folder / "images")]
    return [*given, "--compare-store", str(folder / "other")]


def units_of(site: Path, layer: str) -> Any:
    return data_of(site / "data" / f"{layer}.js")["units"]


def test_each_unit_names_its_partner_and_shows_its_pictures(compared: Path, tmp_path: Path) -> None:
    assert build(compared, tmp_path / "site", *flags(compared)) == 0
    units = units_of(tmp_path / "site", "4")
    for number in range(3):
        partner = units[str(number)]["other"]
        assert partner["unit"] == ORDER.index(number)
        assert partner["correlation"] == pytest.approx(1, abs=1e-3)
        pictured = ORDER.index(number) in {0, 1}
        assert ("preferred" in partner, "top" in partner) == (pictured, pictured)
        for kind, folder in (("preferred", "regularized_opt"), ("top", "max_im")) if pictured else ():
            shown = cv2.imread(str(tmp_path / "site" / partner[kind]))
            (source,) = (compared / "other" / folder / "4").glob(f"4_{ORDER.index(number):04d}*.jpg")
            wanted = cv2.resize(cv2.imread(str(source)), shown.shape[1::-1], interpolation=cv2.INTER_AREA)
            assert np.abs(shown.astype(float) - wanted).mean() < 10
    page = (tmp_path / "site" / "layers" / "4.html").read_text("utf-8")
    assert "Compared with reordered.pt" in page
    assert "mean correlation 1.00" in page
    assert 'value="agrees"' in page
    assert 'data-agrees="1.0"' in page


@pytest.mark.slow
def test_the_browser_shows_the_partner_and_sorts_by_correlation(compared: Path, tmp_path: Path) -> None:
    assert build(compared, tmp_path / "site", *flags(compared)) == 0
    page = in_the_browser(f"{(tmp_path / 'site' / 'layers' / '4.html').as_uri()}#2", tmp_path / "profile")
    assert "Matched in reordered.pt" in page
    assert f"4:{ORDER.index(2)}</td><td>correlation 1.00" in page
    assert 'alt="preferred images of 4:0 in reordered.pt"' in page
    assert 'alt="top images of 4:0 in reordered.pt"' in page


def test_classes_are_the_same_by_their_numbers(compared: Path, tmp_path: Path) -> None:
    assert build(compared, tmp_path / "site", *flags(compared)) == 0
    partners = [units_of(tmp_path / "site", "6")[str(number)]["other"] for number in range(5)]
    assert [(each["unit"], each["label"]) for each in partners] == list(enumerate(LABELS))
    assert not [each for each in partners if "correlation" in each]


def test_without_a_probe_units_are_the_same_by_their_numbers(compared: Path, tmp_path: Path) -> None:
    assert build(compared, tmp_path / "site", "--compare", str(compared / "reordered.pt")) == 0
    partners = [units_of(tmp_path / "site", "4")[str(number)]["other"] for number in range(3)]
    assert partners == [{"unit": number} for number in range(3)], "no pictures: those here were made with other weights"
    assert "unit by unit of the same number" in (tmp_path / "site" / "layers" / "4.html").read_text("utf-8")


def test_built_again_nothing_is_matched_or_written_and_elsewhere_the_bytes_are_the_same(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(compared, tmp_path / "site", *flags(compared), "--layers", "0", "2", "4") == 0
    first = files_of(tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    monkeypatch.setattr(unit_matching, "LAYERS_AT_ONCE", 2)
    assert build(compared, tmp_path / "elsewhere", *flags(compared), "--layers", "0", "2", "4") == 0
    assert files_of(tmp_path / "elsewhere") == first

    def unwanted(*_: object) -> None:
        raise AssertionError("a picture was looked at again")

    monkeypatch.setattr(LayersMatcher, "see", unwanted)
    capsys.readouterr()
    assert build(compared, tmp_path / "site", *flags(compared), "--layers", "0", "2", "4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0
    assert build(compared, tmp_path / "site", "--layers", "0", "2", "4") == 0
    assert not [path for path in files_of(tmp_path / "site") if "_other_" in path]
    assert "other" not in units_of(tmp_path / "site", "4")["0"]


def test_a_layer_of_too_few_values_and_one_that_the_other_lacks_say_why(compared: Path, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    for number in range(2):
        shutil.copy(compared / "images" / f"{number}.png", tmp_path / "two")
    given = ["--compare", str(compared / "reordered.pt"), "--probe", str(tmp_path / "two"), "--layers", "5", "4"]
    assert build(compared, tmp_path / "site", *given) == 0
    why = data_of(tmp_path / "site" / "data" / "5.js")["other"]["why_none"]
    assert why.startswith("--probe: 2 values of each are too few to match 108 units")
    assert why in (tmp_path / "site" / "layers" / "5.html").read_text("utf-8")
    assert not [unit for unit in units_of(tmp_path / "site", "5").values() if "other" in unit]
    other = ["--compare", "tests.atlas.test_other_network:shallow", "--path", str(Path(__file__).parents[2])]
    assert build(compared, tmp_path / "another", *other, "--layers", "4", "6") == 0
    said = data_of(tmp_path / "another" / "data" / "6.js")["other"]["why_none"]
    assert said == f"{other[1]} has no layer 6: there is nothing to compare with"
    assert "why_none" in data_of(tmp_path / "another" / "data" / "4.js")["other"]


def shallow() -> torch.nn.Module:
    """Return the same network up to its fifth operation."""
    return pipeline_convnet.make()[:5]


def test_what_does_not_go_together_is_refused_before_anything_is_written(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    weights = str(compared / "reordered.pt")
    for more, told in (
        (["--probe", str(compared / "images")], "--probe needs --compare"),
        (["--compare-store", str(compared / "other")], "--compare-store needs --compare"),
        (["--compare", "nowhere.pt"], "there is no such file"),
        (["--compare", "nowhere"], "nowhere"),
        (["--compare", weights, "--probe", str(tmp_path / "empty")], "it has 0"),
        (["--compare", weights, "--compare-store", str(compared / "store")], "holds the unit images of other weights"),
    ):
        assert build(compared, tmp_path / "site", *more) == 2, more
        assert told in capsys.readouterr().err
        assert not (tmp_path / "site").exists()
