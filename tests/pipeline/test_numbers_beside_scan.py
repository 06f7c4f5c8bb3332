"""The pipeline's records say what its scan tells of each preferred image; without readable photographs, less."""

import json
import shutil

import pytest
from pipeline_runs import run

from deepvis_toolbox import Unit, load_network
from deepvis_toolbox.optimize.natural.photographs import photographs_of_scan
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.numbers import numbers_of
from deepvis_toolbox.unit_images.picture_file import read_picture

UNIT = Unit("4", 1)


def records(workplace):
    folder = workplace / "model" / "pictures" / "regularized_opt" / "4"
    return {path: json.loads(path.read_text()) for path in sorted(folder.glob("4_0001_*_info.json"))}


def test_records_and_the_store_say_what_the_scan_tells(workplace):
    assert run("--images", "images", "--units", "4:1", "--count", "2") == 0
    net = load_network("model", trust=True)
    photographs = photographs_of_scan(net, str(workplace / "maxes" / "tiny"), None)
    found = records(workplace)
    assert len(found) == 2
    for path, record in found.items():
        picture = read_picture(path.with_name(path.name.replace("_info.json", "_best_Xpm.png")))
        assert record["path_similarity"] == pytest.approx(photographs.path(UNIT, picture).whole, rel=1e-4, abs=1e-5)
        assert record["natural"] == pytest.approx(photographs.largest(UNIT), rel=1e-5)
        assert record["over_natural"] == pytest.approx(record["best_objective"] / record["natural"], rel=1e-5)
    kept, first = numbers_of(UnitImageStore(workplace / "model" / "pictures"), UNIT), next(iter(found.values()))
    assert kept.path_similarity == first["path_similarity"]
    assert kept.over_natural == pytest.approx(first["over_natural"], rel=1e-5)
    assert "photographs" not in first["naturalness"]  # it shows the part that the unit sees
    assert kept.colour is None
    assert f"path {kept.path_similarity:.2f}" in kept.short


def test_photographs_that_are_gone_cost_no_picture(workplace, capsys):
    assert run("--images", "images", "--units", "4:1", "--count", "1") == 0
    for path in (workplace / "model" / "pictures" / "regularized_opt" / "4").glob("*"):
        path.unlink()
    shutil.rmtree(workplace / "images")
    capsys.readouterr()
    assert run("--units", "4:1", "--count", "1", "--stages", "preferred") == 0
    (record,) = records(workplace).values()
    assert "path_similarity" not in record
    assert record["over_natural"] == pytest.approx(record["best_objective"] / record["natural"], rel=1e-5)
