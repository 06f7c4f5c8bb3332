"""The numbers beside pictures: in records, on the sheet of a comparison, in small stores."""

import json

import numpy as np
import pytest

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.files import montages
from deepvis_toolbox.optimize.files.transfer import transfer_of_one
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.numbers import (
    JudgeNumbers,
    UnitNumbers,
    add_numbers,
    natural_of,
    numbers_of,
    picture_hash,
)
from deepvis_toolbox.unit_images.picture_file import read_picture
from deepvis_toolbox.words.unit import Unit
from tests.judging.test_judge import model

UNIT = Unit("fc", 1)


@pytest.fixture
def own(tmp_path):
    return model(tmp_path / "own")


def optimized(own, store, *more):
    network = ["--model", str(own), "--trust", str(own.parent)]
    return main([*network, "--units", "fc:1", "--seeds", "0,1", "--max-iter", "3", "-q", "--store", str(store), *more])


def record(path):
    return json.loads(path.read_text())


def test_a_record_says_what_is_reached_over_the_best_photograph_where_the_store_knows_it(tmp_path, own):
    folder = tmp_path / "store" / "regularized_opt" / "fc"
    assert optimized(own, tmp_path / "store") == 0
    assert "over_natural" not in record(folder / "fc_0001_s0000_info.json")
    add_numbers(UnitImageStore(tmp_path / "store"), {}, {UNIT: 4.0})
    assert optimized(own, tmp_path / "store", "--seeds", "5") == 0
    found = record(folder / "fc_0001_s0005_info.json")
    assert found["over_natural"] == pytest.approx(found["best_objective"] / 4)


def test_a_comparison_says_what_each_way_reaches_and_what_a_judge_sees(tmp_path, own, monkeypatch):
    drawn = []
    monkeypatch.setattr(montages, "comparison", lambda panels: drawn.extend(panels) or np.zeros((8, 8, 3), np.uint8))
    add_numbers(UnitImageStore(tmp_path / "store"), {}, {UNIT: 4.0})
    assert optimized(own, tmp_path / "store", "--compare", "paper1,paper3", "--judge", str(own)) == 0
    folder, net = tmp_path / "store" / "regularized_opt" / "fc", load_network(str(own), trust=True)
    assert [panel.title for panel in drawn] == ["paper1", "paper3"]
    for panel in drawn:
        paths = [folder / f"fc_0001_compare-{panel.title}_s{seed:04d}" for seed in (0, 1)]
        reached = np.mean([record(path.with_name(f"{path.name}_info.json"))["best_objective"] for path in paths])
        pictures = [read_picture(path.with_name(f"{path.name}_best_Xpm.png")) for path in paths]
        judged = transfer_of_one(net, UNIT, pictures, net)
        right = sum(verdict.rank == 0 for verdict in judged.verdicts)
        assert panel.notes == [
            f"reached {reached:.4g}, {reached / 4:.2f}× the best photograph",
            f"small: {right} of 2 right, probability {judged.probability:.2f}",
        ]


def test_judges_without_a_comparison_or_without_the_class_are_refused_before_any_work(tmp_path, own):
    with pytest.raises(ToolboxError, match="--judge goes with --compare"):
        optimized(own, tmp_path / "store", "--judge", str(own))
    other = model(tmp_path / "other", names=["ant", "bat", "cat", "dog", "eel"])
    other.write_text(other.read_text().replace("name: small", "name: other"))
    asked = ["--compare", "paper1", "--judge", str(other), "--trust", str(other.parent)]
    with pytest.raises(ToolboxError, match='knows no class "bee"'):
        optimized(own, tmp_path / "store", *asked)
    assert not (tmp_path / "store" / "regularized_opt").exists()


def test_a_small_store_keeps_what_its_pictures_reached_and_not_what_was_judged_of_larger_ones(tmp_path, own):
    store, small = UnitImageStore(tmp_path / "store"), UnitImageStore(tmp_path / "small")
    assert optimized(own, store.folder) == 0
    judged = {"small": JudgeNumbers(rank=0, probability=0.9, said="bee")}
    picture = picture_hash(store.files("regularized_opt", UNIT)[0])
    add_numbers(store, {UNIT: UnitNumbers(picture_sha256=picture, reached=3.0, transfer=judged)}, {UNIT: 2.0})
    pack(store, small, 12)
    found = numbers_of(small, UNIT)
    assert (found.reached, found.natural, found.transfer) == (3.0, 2.0, {})
    assert natural_of(small, UNIT) == 2.0
