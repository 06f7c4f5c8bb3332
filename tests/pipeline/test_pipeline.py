"""Checks the one command that fills the window's pane: what it writes, that it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox import Unit, load_network
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.cli.optimize_command import main as optimize
from deepvis_toolbox.optimize.files.presets import preset
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.production import make_unit_images
from deepvis_toolbox.pipeline.on_demand import OnDemand
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.pipeline.stages import CropStage, Job, PreferredStage, mean_over_layers
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore, montage3x3
from deepvis_toolbox.unit_images.montage import tiles_of_3x3
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS

sys.path.insert(0, str(Path(__file__).resolve().parent))
import pipeline_convnet
from pipeline_runs import channels, modified, run


def test_one_command_makes_all_pictures_of_the_units_and_says_what_it_takes_first(workplace, capsys):
    (workplace / "images" / "broken.png").write_bytes(b"x")
    assert run("--images", "images", "--layers", "1", "4", "--count", "2") == 2
    said = capsys.readouterr()
    assert "7 units of 2 layers" in said.out
    assert said.out.index("about") < said.out.index("done")
    assert "broken.png" in said.err
    store = UnitImageStore(workplace / "model" / "pictures", shared={"2": "1"})
    for kind in UNIT_IMAGE_KINDS:
        assert channels(store, kind, "1") == [0, 1, 2, 3]
        assert channels(store, kind, "4") == [0, 1, 2]
        assert store.has(kind, Unit("2", 1))
    assert (store.folder / "max_im/4/4_0002.jpg").exists()
    assert (store.folder / "regularized_opt/4/4_0002_montage.jpg").exists()
    before = modified(store.folder / "max_im") | modified(workplace / "maxes")
    assert run("--images", "images", "--layers", "1", "4", "--count", "2") == 2
    assert modified(store.folder / "max_im").items() <= before.items()  # nothing was made again
    assert "preferred images, 0 pictures" in capsys.readouterr().out


def test_an_estimate_and_a_run_say_as_json_what_is_to_be_made_and_what_was(workplace, capsys):
    assert run("--units", "4:0-1", "--count", "2", "--estimate", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    store = str(workplace / "model" / "pictures")
    assert (plan["units"], plan["layers"], plan["store"]) == (2, 1, store)
    assert [(part["amount"], part["unit"]) for part in plan["stages"]] == [(4, "pictures")]
    assert plan["seconds"] == sum(part["seconds"] for part in plan["stages"])
    assert not Path(store).exists()
    assert run("--units", "4:0,4:1", "--count", "2", "--json", "-q") == 0
    said = capsys.readouterr()
    assert (json.loads(said.out)["problems"], said.err) == ([], "")
    assert UnitImageStore(store).units("regularized_opt", "4") == [Unit("4", 0), Unit("4", 1)]


def test_a_later_run_for_other_layers_uses_the_same_scan(workplace, capsys):
    assert run("--images", "images", "--units", "1:0", "--stages", "scan", "crops") == 0
    arrays = modified(workplace / "maxes")
    capsys.readouterr()
    assert run("--images", "images", "--units", "4:1", "--stages", "scan", "crops") == 0
    assert "scan, 0 pictures" in capsys.readouterr().out
    store = UnitImageStore(workplace / "model" / "pictures")
    assert channels(store, "max_im", "4") == [1]
    assert modified(workplace / "maxes").keys() == arrays.keys()


def test_an_estimate_makes_nothing(workplace, capsys):
    assert run("--images", "images", "--estimate") == 0
    assert "about" in capsys.readouterr().out
    assert not (workplace / "model" / "pictures").exists()
    assert not (workplace / "maxes").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stages", "scan"], "--images is missing"),
        (["--images", "nowhere"], "does not exist"),
        (["--units", "4:9"], "units 0 to 2"),
        (["--units", "nonsuch:1"], "no layer"),
        (["--count", "0"], "1 to 9"),
        (["--preset", "nonsuch"], "no preset"),
        (["--stages", "crops", "--images", "images"], "holds no top images"),
        (["--images", "images", "--units", "4:0", "data:0"], "which has no top images"),
        (["--list", "list.txt"], "give the folder with --images"),
    ],
)
def test_mistakes_are_one_sentence_and_status_2(workplace, capsys, arguments, said):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (workplace / "maxes").exists()


def test_packing_keeps_what_is_shown_and_shrinks_it(tmp_path):
    source, target = UnitImageStore(tmp_path / "big"), UnitImageStore(tmp_path / "small")
    colours = [np.full((60, 40, 3), 20 * number, np.uint8) for number in range(9)]
    source.write_montage("max_im", Unit("a/b", 3), montage3x3(colours))
    source.write_montage("regularized_opt", Unit("a/b", 3), montage3x3(colours[:1]))
    source.write_single("regularized_opt", Unit("a/b", 3), "s0000_best_X", colours[4], ".png")
    count, size = pack(source, target, 30)
    files = [path for path in target.folder.rglob("*") if path.is_file()]
    assert count == len(files) == 2
    assert sum(path.stat().st_size for path in files) == size
    tiles = tiles_of_3x3(target.read("max_im", Unit("a/b", 3)))
    assert tiles[0].shape == (30, 20, 3)
    assert [round(float(tile.mean()) / 20) for tile in tiles] == list(range(9))
    shown = target.read("regularized_opt", Unit("a/b", 3))  # a single picture is shown large
    assert shown.shape == (30, 20, 3)
    assert abs(float(shown.mean()) - 80) < 3
    with pytest.raises(ToolboxError, match="no unit images"):
        pack(UnitImageStore(tmp_path / "nowhere"), target, 30)


@pytest.mark.parametrize(
    "case", ["itself", "inside", "around", "another network's", "unclaimed source", "an archive's"]
)
def test_packing_replaces_neither_its_source_nor_anybodys_pictures(tmp_path, case):
    source, target = UnitImageStore(tmp_path / "a/source"), UnitImageStore(tmp_path / "target")
    for store in (source, target):
        store.write_montage("max_im", Unit("1", 3), montage3x3([np.full((60, 40, 3), 20, np.uint8)]))
    if case == "another network's":
        (source.folder / "network.json").write_text('{"name": "mine"}')
    if case in ("another network's", "unclaimed source"):
        (target.folder / "network.json").write_text('{"name": "other"}')
    if case == "an archive's":
        published(target.folder)
        source.write_montage("max_im", Unit("1", 1), montage3x3([np.full((60, 40, 3), 20, np.uint8)]))
    into = {"itself": source.folder, "inside": source.folder / "small", "around": tmp_path / "a"}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(ToolboxError, match="choose another folder to pack into"):
        pack(source, UnitImageStore(into.get(case, target.folder)), 30)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_packing_a_store_with_names_of_its_own(tmp_path):
    source, target = UnitImageStore(tmp_path / "in"), UnitImageStore(tmp_path / "out")
    source.write_single("regularized_opt", Unit("1", 2), "a", np.full((20, 20, 3), 50, np.uint8))
    first = source.single_path("regularized_opt", Unit("1", 2), "a")
    for name in ("1_0002_ü x.jpg", "1_0002_-.jpg"):
        first.with_name(name).write_bytes(first.read_bytes())
    assert pack(source, target, 16)[0] == 3
    assert len(target.singles("regularized_opt", Unit("1", 2))) == 3


def test_packing_again_is_the_same(tmp_path):
    source, target = UnitImageStore(tmp_path / "source"), UnitImageStore(tmp_path / "target")
    source.write_montage("max_im", Unit("1", 3), montage3x3([np.full((60, 40, 3), 20, np.uint8)]))
    first = pack(source, target, 30)
    assert pack(source, target, 30) == first


@pytest.mark.usefixtures("workplace")
def test_packing_says_how_the_pictures_were_made_and_forgets_it_where_others_replace_them(caplog):
    big, small = UnitImageStore("big"), UnitImageStore("small")
    net = load_network("model/model.yaml")
    how, other = AscentSettings(max_iter=3), AscentSettings(max_iter=3, decay=0.5)
    make_unit_images(net, [Unit("4", 0)], [0, 10, 2], how, big, Silence())
    make_unit_images(net, [Unit("4", 1)], [0], how, big, Silence())
    make_unit_images(net, [Unit("4", 1)], [1], other, big, Silence())
    file = Path("small/regularized_opt/made_by.json")
    pack(big, small, 30)
    made = json.loads(file.read_text())["made"]
    assert [group["units"] for group in made] == [{"4:0": [0, 2, 10], "4:1": [0]}, {"4:1": [1]}]
    assert [group["settings"] for group in made] == [how.as_record(), other.as_record()]
    assert all(group["input"] == net.preprocessing.identity() for group in made)
    pack(big, small, 30)
    assert json.loads(file.read_text())["made"] == made

    unknown = UnitImageStore("unknown")  # pictures without records
    unknown.write_single("regularized_opt", Unit("4", 1), "s0000_best_Xpm", np.zeros((9, 9, 3), np.uint8), ".png")
    (unknown.folder / "network.json").write_bytes((big.folder / "network.json").read_bytes())
    pack(unknown, small, 30)
    assert [group["units"] for group in json.loads(file.read_text())["made"]] == [{"4:0": [0, 2, 10]}]

    file.write_text('{"format": 1, "made": [{"settings": 3}]}')
    pack(big, small, 30)
    assert "is damaged (made.0.input: Field required); it is written anew" in caplog.text
    assert json.loads(file.read_text())["made"] == made


def published(folder: Path) -> dict[Path, bytes]:
    """An archive's pictures of unit 1 of layer 1, and of the whole layer."""
    names = (
        "regularized_opt/1/1_0001_montage",
        "regularized_opt/1/whole_layer",
        "max_im/1/1_0001",
        "max_deconv/1/1_0001",
    )
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.jpg"), np.full((112, 112, 3), 90, np.uint8))
    return {folder / f"{name}.jpg": (folder / f"{name}.jpg").read_bytes() for name in names}


def test_an_archives_pictures_stay_and_the_units_without_get_theirs(workplace, capsys):
    folder = workplace / "model" / "pictures"
    archive = published(folder)
    assert run("--images", "images", "--layers", "1") == 0
    assert {path: path.read_bytes() for path in archive} == archive
    assert not [path for path in folder.rglob("1_0001*") if path not in archive]
    store = UnitImageStore(folder)
    for kind in UNIT_IMAGE_KINDS:
        assert channels(store, kind, "1") == [0, 1, 2, 3]
    assert "preferred images, 3 pictures" in capsys.readouterr().out


def on_demand(workplace: Path, unit: Unit) -> str:
    """What is said at the end when the pictures are made as the key `g` does."""
    with load_network(workplace / "model", device="cpu") as net:
        store, maxes = UnitImageStore.for_network(net.description), Path("maxes/tiny")
        making = OnDemand(net, store, seeds=(0, 1), maxes=maxes if maxes.exists() else None)
        while not making.is_done(unit):
            making.advance(unit)
        return making.growth(unit).note


def test_on_demand_a_unit_with_published_pictures_says_so_and_gets_no_others(workplace):
    assert run("--images", "images", "--units", "4:0", "--stages", "scan") == 0
    folder = workplace / "model" / "pictures"
    archive = published(folder)
    assert on_demand(workplace, Unit("1", 1)) == "it has pictures already"
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == archive
    assert on_demand(workplace, Unit("1", 2)) == "made and saved"
    assert all(UnitImageStore(folder).has(kind, Unit("1", 2)) for kind in UNIT_IMAGE_KINDS)


def test_on_demand_a_unit_with_the_models_own_pictures_says_so(workplace):
    shipped = UnitImageStore(workplace / "model" / "unit_images")
    shipped.write_single("regularized_opt", Unit("1", 1), "s0000", np.full((16, 16, 3), 90, np.uint8))
    assert on_demand(workplace, Unit("1", 1)) == "it has pictures already"
    assert on_demand(workplace, Unit("1", 2)) == "made and saved"


def test_on_demand_a_unit_that_nothing_leads_up_from_says_so_and_keeps_no_noise(workplace, monkeypatch):
    flat = pipeline_convnet.make()
    flat[0].weight.data[2] = 0
    flat[0].bias.data[2] = -1
    monkeypatch.setattr(pipeline_convnet, "make", lambda: flat)
    said = on_demand(workplace, Unit("1", 2))
    assert "the gradient is exactly zero" in said
    store = UnitImageStore(workplace / "model" / "pictures")
    assert not store.has("regularized_opt", Unit("1", 2))
    assert on_demand(workplace, Unit("1", 1)) == "made and saved"


def test_pictures_made_of_a_published_unit_on_purpose_go_beside_the_archives(workplace):
    folder = workplace / "model" / "pictures"
    archive = published(folder)
    with load_network(workplace / "model", device="cpu") as net:
        store = UnitImageStore.for_network(net.description)
        summary = make_unit_images(net, [Unit("1", 1)], [0], preset(net, "default"), store, Silence())
        again = make_unit_images(net, [Unit("1", 1)], [1], preset(net, "default"), store, Silence())
    assert [path.name for path in summary.written + again.written] == ["1_0001_made_montage.jpg"] * 2
    assert not again.problems
    assert {path: path.read_bytes() for path in archive} == archive


def test_of_a_layer_that_shows_anothers_pictures_those_are_made(workplace):
    assert run("--images", "images", "--units", "2:3") == 0
    assert on_demand(workplace, Unit("2", 2)) == "made and saved"
    folder = workplace / "model" / "pictures"
    for kind in UNIT_IMAGE_KINDS:
        assert channels(UnitImageStore(folder), kind, "1") == [2, 3]
        assert [path.name for path in (folder / kind).iterdir() if path.is_dir()] == ["1"]


def test_a_store_of_other_weights_is_refused_before_anything_is_made(workplace, capsys, monkeypatch):
    assert run("--units", "4:0") == 0
    folder = workplace / "model" / "pictures"
    before = modified(folder)
    changed = pipeline_convnet.make()
    changed[0].weight.data.mul_(2)
    monkeypatch.setattr(pipeline_convnet, "make", lambda: changed)
    assert run("--images", "images", "--units", "4:1") == 2
    assert "holds the unit images of other weights (tiny" in capsys.readouterr().err
    assert "other weights" in on_demand(workplace, Unit("4", 1))
    assert modified(folder) == before
    assert run("--units", "4:1", "--store", "elsewhere") == 0


def test_what_is_left_is_counted_and_tried_without_regard_to_the_units_order(workplace):
    assert run("--images", "images", "--units", "4:0", "4:1", "--count", "2") == 0
    units = [Unit("1", 0), *(Unit("4", channel) for channel in range(3))]
    with load_network(workplace / "model", device="cpu") as net:
        store = UnitImageStore.for_network(net.description)
        tried, costs = [], {"1": 100.0, "4": 1.0}
        for ordered in (units, units[::-1]):
            job = Job(net, tuple(ordered), store, None, Path("maxes/tiny"), (0, 1), preset(net, "default"))
            crops, preferred = CropStage(job), PreferredStage(job)
            assert (crops.amount(), crops.total(), preferred.amount()) == (2, 4, 4)
            left = [picture.target.layer for picture in preferred.left]
            tried.append(mean_over_layers(job, left, costs.__getitem__))
    assert tried == [50.5, 50.5]


def test_half_written_files_of_killed_runs_are_removed_and_those_of_others_stay(workplace):
    folder = workplace / "model" / "pictures" / "regularized_opt" / "4"
    folder.mkdir(parents=True)
    old, new = (folder / f".{digit * 32}.partial.png" for digit in "ab")
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert run("--units", "4:0") == 0
    assert not old.exists()
    assert new.exists()


def test_units_that_see_a_part_of_the_image_have_a_default_of_their_own_in_all_commands(workplace, capsys):
    model = workplace / "model" / "model.yaml"
    parts = "parts: {max_iter: 3, lr_policy: constant, lr_params: {lr: 20.0}}"
    model.write_text(model.read_text().replace("{default:", f"{{{parts}, default:"))
    assert run("--units", "1:0", "6:0") == 0
    assert optimize(["--model", "model/model.yaml", "--trust", "model", "--units", "1:1", "6:1"]) == 0
    assert 'the preset "parts" of tiny for units that see a part of the image' in capsys.readouterr().err
    for unit in (Unit("1", 2), Unit("6", 2)):
        assert on_demand(workplace, unit) == "made and saved"
    folder = workplace / "model" / "pictures" / "regularized_opt"
    for layer, steps in (("1", 3), ("6", 5)):
        records = [json.loads(path.read_text()) for path in (folder / layer).glob("*_s0000_info.json")]
        assert [record["settings"]["max_iter"] for record in records] == [steps] * 3
