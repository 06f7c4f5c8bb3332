"""Checks what the pipeline takes for pictures, which scans it uses, and that two runs do not share a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pipeline_runs import channels, modified, run

from deepvis_toolbox import load_network
from deepvis_toolbox.folder_lock import LOCK, FolderLock
from deepvis_toolbox.pipeline.on_demand import OnDemand
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from find_maxes import TopImages, list_pictures, scan

ALL = ("--images", "images", "--units", "4:0")


def test_the_first_pictures_may_all_be_unreadable(workplace: Path, capsys):
    for number in range(40):
        (workplace / "images" / f"0000_{number:02d}.png").write_bytes(b"x")
    assert run(*ALL) == 2
    said = capsys.readouterr()
    assert "done; 40 problems" in said.out
    assert channels(UnitImageStore(workplace / "model" / "pictures"), "max_im", "4") == [0]


def test_without_a_readable_picture_the_sentence_says_so(workplace: Path, capsys):
    for path in (workplace / "images").iterdir():
        path.write_bytes(b"x")
    assert run(*ALL) == 2
    assert "error: none of the 12 pictures can be read" in capsys.readouterr().err


@pytest.mark.parametrize("stages", [["scan", "crops"], ["crops"]])
@pytest.mark.parametrize("form", ["images", "images.tar", "list.txt"])
def test_pictures_that_moved_since_the_scan_are_cut_out_of_where_images_says(workplace: Path, stages, form):
    shutil.make_archive("images", "tar", ".", "images")
    (workplace / "list.txt").write_text("".join(f"images/{number}.png\n" for number in range(12)))
    assert run("--images", form, "--units", "4:0", "--stages", "scan", "crops", "--store", "before") == 0
    (workplace / "new").mkdir()
    for name in ("images", "images.tar", "list.txt"):
        shutil.move(name, workplace / "new" / name)
    there = ["--images", f"new/{form}"]
    assert run(*there, "--units", "4:0", "--stages", *stages, "--store", "after") == 0
    for path in (workplace / "before").rglob("*.jpg"):
        assert (workplace / "after" / path.relative_to(workplace / "before")).read_bytes() == path.read_bytes()
    before = modified(workplace / "after")
    assert run(*there, "--units", "4:0", "--stages", *stages, "--store", "after") == 0  # and it stays so
    assert modified(workplace / "after") == before


@pytest.mark.parametrize("claimed", [True, False])
def test_its_own_store_among_the_pictures_is_left_out_and_named(workplace: Path, capsys, claimed):
    store = ["--store", "images/unit_images"]
    assert run(*ALL, *store) == 0
    if not claimed:  # as an archive that was unpacked
        (workplace / "images" / "unit_images" / "network.json").unlink()
    scanned = modified(workplace / "maxes")
    capsys.readouterr()
    assert run("--images", "images", "--units", "4:1", *store) == 0
    said = capsys.readouterr()
    assert "scan, 0 pictures" in said.out
    assert "images/unit_images" in said.err
    assert "left out" in said.err
    assert modified(workplace / "maxes") == scanned
    assert len(TopImages.load("maxes/tiny").paths) == 12


def test_a_store_among_the_pictures_is_no_data_set_of_the_scan_either(workplace: Path):
    assert run(*ALL, "--store", "images/made/unit_images") == 0
    listed = list_pictures(workplace / "images")
    assert len(listed) == 12
    assert "is a store of unit images" in " ".join(listed.notes)


def test_all_pictures_in_the_store_are_refused(workplace: Path, capsys):
    shutil.move(workplace / "images", workplace / "model" / "pictures")
    assert run("--images", "model/pictures", "--units", "4:0") == 2
    assert "lie in the store" in capsys.readouterr().err


def test_a_finished_scan_in_a_place_that_cannot_be_written_is_used(workplace: Path, monkeypatch):
    assert run(*ALL, "--stages", "scan") == 0
    before = modified(workplace / "maxes")
    for name in ("replace", "unlink"):
        real = getattr(Path, name)
        monkeypatch.setattr(Path, name, _refusing(real, workplace / "maxes"))
    (workplace / "maxes" / "tiny").chmod(0o555)
    try:
        assert run(*ALL) == 0
    finally:
        (workplace / "maxes" / "tiny").chmod(0o755)
    assert modified(workplace / "maxes") == before


def _refusing(real, folder: Path):
    def refuse(path, *arguments, **keywords):
        assert folder not in path.parents
        return real(path, *arguments, **keywords)

    return refuse


def test_a_scan_that_another_command_made_with_more_in_it_is_used(workplace: Path, capsys):
    with load_network(workplace / "model", device="cpu") as net:
        scan(net, list_pictures("images"), top=11, statistics=True, batch_size=5, out="maxes/tiny")
    assert run(*ALL) == 0
    assert TopImages.load("maxes/tiny").manifest["identity"]["batch_size"] == 5
    assert "scan, 0 pictures" in capsys.readouterr().out


def test_a_second_run_into_the_store_is_refused(workplace: Path, capsys):
    store = workplace / "model" / "pictures"
    with FolderLock(store):
        assert run(*ALL) == 2
        assert "another run is writing to" in capsys.readouterr().err
        assert not any((store / kind).exists() for kind in ("max_im", "regularized_opt"))
    assert run(*ALL) == 0


def test_on_demand_a_store_that_another_run_writes_to_is_said_and_tried_again_when_asked_again(workplace: Path):
    with load_network(workplace / "model", device="cpu") as net:
        store, unit = UnitImageStore.for_network(net.description), Unit("1", 1)
        making = OnDemand(net, store, seeds=(0,))

        def made() -> str:
            while not making.is_done(unit):
                making.advance(unit)
            growth = making.growth(unit)
            assert growth.done
            return growth.note

        with FolderLock(store.folder):
            assert "another run is writing to" in made()
            assert not store.has("regularized_opt", unit)
        making.growth(unit)
        assert made() == "made and saved"
        assert not (store.folder / LOCK).exists()
        making.advance(unit2 := Unit("1", 2))
        while "step" not in making.growth(unit2).note:
            making.advance(unit2)
        with FolderLock(store.folder):  # nothing is locked while a picture climbs
            unit = unit2
            assert "another run is writing to" in made()


def test_an_unreadable_picture_makes_the_exit_status_2_in_json_too(workplace: Path, capsys):
    (workplace / "images" / "broken.png").write_bytes(b"x")
    assert run(*ALL, "--json", "-q") == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "broken.png" in problem
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(workplace / "images" / "broken.png")


def test_a_scan_begun_before_an_update_that_changes_numbers_goes_on_where_that_is_accepted(workplace: Path, capsys):
    with load_network(workplace / "model", device="cpu") as net:
        scan(net, list_pictures("images"), batch_size=5, shard=(0, 2), out="maxes/tiny")
    manifest, arrays = Path("maxes/tiny/manifest.json"), Path("maxes/tiny/top_images.npz")
    record = json.loads(manifest.read_text())
    record["identity"]["versions"]["torch"] = "1.0.0"
    manifest.write_text(json.dumps(record))
    with np.load(arrays) as file:
        kept = dict(file)
    kept["top.values"] = np.nextafter(kept["top.values"], np.float32(np.inf))
    np.savez(arrays, **kept)
    assert run(*ALL) == 2
    assert "--accept-versions" in capsys.readouterr().err
    assert run(*ALL, "--accept-versions") == 0
    assert TopImages.load("maxes/tiny").is_complete
