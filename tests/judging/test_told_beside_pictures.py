"""The numbers beside pictures: in records, on the sheet of a comparison, in small stores."""

import json

import numpy as np
import pytest

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.files import montages
from deepvis_toolbox.optimize.files.record import whole_naturalness
from deepvis_toolbox.optimize.files.transfer import transfer_of_one, whole_picture_input
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS
from deepvis_toolbox.unit_images.numbers import (
    JudgeNumbers,
    UnitNumbers,
    add_numbers,
    complete_numbers,
    natural_of,
    numbers_of,
    numbers_path,
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
            f"natural: colour {inside(pictures, 'colour')}/2, contrast {inside(pictures, 'contrast')}/2",
            f"small: {right} of 2 right, probability {judged.probability:.2f}",
        ]


def inside(pictures, number):
    """Of how many pictures it lies in the range of photographs; counted with plain NumPy."""
    low, high = getattr(PHOTOGRAPHS, number)
    values = {
        "colour": [(each.max(2).astype(int) - each.min(2)).mean() for each in pictures],
        "contrast": [(each @ np.array([0.299, 0.587, 0.114])).std() for each in pictures],
    }
    return sum(low <= value <= high for value in values[number])


def test_a_record_says_how_natural_its_picture_looks(tmp_path, own):
    folder = tmp_path / "store" / "regularized_opt" / "fc"
    assert optimized(own, tmp_path / "store") == 0
    for path in folder.glob("*_info.json"):
        found = record(path)["naturalness"]
        picture = read_picture(path.with_name(path.name.replace("_info.json", "_best_Xpm.png"))).astype(float)
        assert found["colour"] == pytest.approx((picture.max(2) - picture.min(2)).mean(), rel=1e-5)
        assert found["contrast"] == pytest.approx((picture @ [0.299, 0.587, 0.114]).std(), rel=1e-5)
        assert found["photographs"] == {"colour": [7.1, 85.1], "contrast": [32.1, 80.1]}


def test_judges_say_in_the_records_what_they_see_and_the_window_shows_it(tmp_path, own, capsys):
    folder, net = tmp_path / "store" / "regularized_opt" / "fc", load_network(str(own), trust=True)
    assert optimized(own, tmp_path / "store", "--judge", str(own)) == 0
    for path in folder.glob("*_info.json"):
        picture = read_picture(path.with_name(path.name.replace("_info.json", "_best_Xpm.png")))
        shares = net.probabilities(net.forward(whole_picture_input(picture, net), ["fc"])["fc"])[0]
        found = record(path)["transfer"]["small"]
        assert found["probability"] == pytest.approx(float(shares[1]), abs=1e-6)
        assert found["rank"] == int((shares > shares[1]).sum())
        assert found["said"] == net.labels[int(shares.argmax())]
    both, store = [record(path) for path in folder.glob("*_info.json")], UnitImageStore(tmp_path / "store")
    first = max(both, key=lambda each: each["best_objective"])
    kept = numbers_of(store, UNIT)
    assert kept.transfer["small"].probability == first["transfer"]["small"]["probability"]
    assert (kept.reached, kept.colour) == (first["best_objective"], first["naturalness"]["colour"])
    assert f"{kept.transfer['small'].probability:.0%} · " in kept.short
    capsys.readouterr()
    assert optimized(own, tmp_path / "store", "--judge", str(own)) == 0
    assert "stay as they are; python -m deepvis_toolbox.optimize.judge --write" in capsys.readouterr().err


def test_what_the_judge_kept_of_a_picture_stays_when_its_records_are_read(tmp_path, own):
    store = UnitImageStore(tmp_path / "store")
    assert optimized(own, store.folder) == 0
    other = {"other": JudgeNumbers(rank=3, probability=0.1, said="ant")}
    picture = picture_hash(store.files("regularized_opt", UNIT)[0])
    kept = UnitNumbers(picture_sha256=picture, reached=9.0, path_similarity=0.5, transfer=other)
    add_numbers(store, {UNIT: kept}, {UNIT: 4.0})
    own_numbers = UnitNumbers(picture_sha256=picture, reached=1.0, colour=20.0, transfer={"small": other["other"]})
    complete_numbers(store, {UNIT: own_numbers}, {UNIT: 5.0})
    found = numbers_of(store, UNIT)
    assert (found.reached, found.path_similarity, found.colour, found.natural) == (9.0, 0.5, 20.0, 4.0)
    assert found.transfer.keys() == {"small", "other"}


def test_records_without_these_numbers_are_still_those_of_their_pictures(tmp_path, own, capsys):
    assert optimized(own, tmp_path / "store", "--judge", str(own)) == 0
    for path in tmp_path.rglob("*_info.json"):
        former = record(path)
        for name in ("naturalness", "transfer"):
            del former[name]
        path.write_text(json.dumps(former))
    capsys.readouterr()
    assert optimized(own, tmp_path / "store") == 0
    assert "0 pictures made, 2 were there already" in capsys.readouterr().out


@pytest.mark.parametrize("nonsense", [{"small": {"rank": -1}}, "much", {str(n): {} for n in range(99)}, None])
def test_nonsense_in_a_record_is_not_kept(tmp_path, own, nonsense):
    store = UnitImageStore(tmp_path / "store")
    assert optimized(own, store.folder, "--judge", str(own)) == 0
    numbers_path(store).unlink()
    for path in tmp_path.rglob("*_info.json"):
        path.write_text(json.dumps(record(path) | {"transfer": nonsense}))
    assert optimized(own, store.folder) == 0
    assert numbers_of(store, UNIT) is None


@pytest.mark.parametrize(
    "nonsense",
    ["much", None, [], {}, {"colour": 3}, {"colour": -1, "contrast": 4}, {"colour": 1, "contrast": float("nan")}],
)
def test_a_nonsensical_look_in_a_record_is_none(nonsense):
    whole = {**nonsense, "photographs": {}} if isinstance(nonsense, dict) else nonsense
    assert whole_naturalness({"naturalness": whole}) is None
    assert whole_naturalness({"naturalness": {"colour": 3, "contrast": 4.5}}) is None  # of a part
    assert whole_naturalness({"naturalness": {"colour": 3, "contrast": 4.5, "photographs": {}}}) == (3, 4.5)


def test_judges_without_the_class_are_refused_before_any_work(tmp_path, own):
    other = model(tmp_path / "other", names=["ant", "bat", "cat", "dog", "eel"])
    other.write_text(other.read_text().replace("name: small", "name: other"))
    asked = ["--judge", str(other), "--trust", str(other.parent)]
    for more in ([], ["--compare", "paper1"]):
        with pytest.raises(ToolboxError, match='knows no class "bee"'):
            optimized(own, tmp_path / "store", *asked, *more)
    assert not (tmp_path / "store" / "regularized_opt").exists()


def test_a_small_store_keeps_what_its_pictures_reached_and_not_what_was_judged_of_larger_ones(tmp_path, own):
    store, small = UnitImageStore(tmp_path / "store"), UnitImageStore(tmp_path / "small")
    assert optimized(own, store.folder) == 0
    judged = {"small": JudgeNumbers(rank=0, probability=0.9, said="bee")}
    picture = picture_hash(store.files("regularized_opt", UNIT)[0])
    add_numbers(store, {UNIT: UnitNumbers(picture_sha256=picture, reached=3.0, transfer=judged)}, {UNIT: 2.0})
    records = sorted((store.folder / "regularized_opt" / "fc").glob("*_info.json"))
    reached = {path: record(path)["best_objective"] for path in records}
    assert reached[records[0]] < reached[records[1]], "choose other seeds: the second one is to reach more"
    pack(store, small, 12)
    found = numbers_of(small, UNIT)
    assert (found.reached, found.natural, found.transfer) == (reached[records[0]], 2.0, {})  # of the first of two
    assert natural_of(small, UNIT) == 2.0
    for path in records:
        path.unlink()
    pack(store, small, 12)
    assert (
        numbers_of(small, UNIT).reached is None
    )  # the store's 3.0 is of the second one, which its montage begins with
