"""Checks crops and deconvs: where they lie, what they show, what is written, and what is told when things change."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_convnet import make

from deepvis_toolbox import load_network
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import UnitImagesDescription
from deepvis_toolbox.scan.patches.patch_store import PatchOptions, info_path, write_patches
from deepvis_toolbox.scan.patches.patches import PatchMaker, cut_out, entries_of, shown_rect
from deepvis_toolbox.scan.pictures import picture_reader
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.unit_images.montage import JPEG_TILE, enlarged, tiles_of_3x3
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit
from find_maxes import TopImages, scan


@pytest.fixture(scope="module")
def top(small_net, picture_paths):
    return scan(small_net, picture_paths, labels=range(len(picture_paths)), workers=0)


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*.*")}


def read(net, path):
    return net.preprocess(cv2.imread(str(path))[..., ::-1])


def patches_of(net, top, layer, unit, modes=("deconv",)):
    return list(PatchMaker(net, top, modes).patches(entries_of(top, Unit(layer, unit), 9)))


def test_the_crop_is_the_receptive_field_and_grey_outside_the_picture(small_net, top, picture_paths):
    outside = 0
    for unit in range(10):
        for patch in patches_of(small_net, top, "relu2", unit):
            field = small_net.receptive_field("relu2", patch.entry.unit.place)
            assert patch.rect == field
            seen = small_net.deprocess(read(small_net, picture_paths[patch.entry.picture]))
            for row in range(field.top, field.bottom):
                for column in range(field.left, field.right):
                    inside = 0 <= row < 16 and 0 <= column < 16
                    wanted = seen[0, row, column].tolist() if inside else [128, 128, 128]
                    assert patch.image[row - field.top, column - field.left].tolist() == wanted
                    outside += not inside
    assert outside > 0


def test_where_the_field_fits_the_picture_the_crops_centre_is_the_units_centre(small_net, top):
    fitting = 0
    for patch in patches_of(small_net, top, "relu2", 3):
        row, column = patch.entry.unit.place  # stride 2, padding 1, kernels 3 and 3: the unit looks at 2 * place
        centre = (patch.rect.top + patch.rect.bottom - 1) / 2, (patch.rect.left + patch.rect.right - 1) / 2
        assert centre == (2 * row, 2 * column)
        fitting += patch.rect.top >= 0 and patch.rect.bottom <= 16
    assert fitting > 0


@pytest.mark.parametrize("mode", ["deconv", "guided", "grad"])
def test_a_backward_pass_is_zero_outside_the_receptive_field_and_all_of_it_is_in_the_crop(small_net, top, mode):
    for patch in patches_of(small_net, top, "relu2", 4, (mode,)):
        x = read(small_net, top.paths[patch.entry.picture])
        diff = torch.zeros(1, *small_net.layers["relu2"].shape)
        diff[0, 4, patch.entry.unit.place[0], patch.entry.unit.place[1]] = 1
        whole = small_net.backward(x, "relu2", diff, mode)[small_net.input_name][0].permute(1, 2, 0).cpu().numpy()
        cut = cut_out(whole, patch.rect, 0)
        np.testing.assert_allclose(patch.gradients[mode], cut, atol=1e-5 * np.abs(whole).max())
        outside = np.ones((16, 16), bool)
        outside[max(patch.rect.top, 0) : patch.rect.bottom, max(patch.rect.left, 0) : patch.rect.right] = False
        assert (whole[outside] == 0).all()
        assert whole.any()


def test_a_field_larger_than_the_picture_shows_the_whole_side():
    assert shown_rect(Rect(-30, 2, 40, 9), 16, 16) == Rect(0, 2, 16, 9)
    assert shown_rect(Rect(-3, -100, 5, 100), 16, 20) == Rect(-3, 0, 5, 20)


def test_flat_layers_show_the_whole_picture(small_net, top):
    for patch in patches_of(small_net, top, "fc", 2):
        assert patch.image.shape == (16, 16, 3)
        assert patch.recomputed == pytest.approx(patch.entry.value, rel=1e-4, abs=1e-4)


def test_the_montages_are_those_of_the_published_layout_with_the_best_first(small_net, top, tmp_path):
    store = UnitImageStore(tmp_path)
    summary = write_patches(small_net, top, [Unit("relu2", 3), Unit("fc", 1)], store, PatchOptions(singles=True))
    assert (summary.made, summary.problems) == (2, [])
    assert (tmp_path / "max_im/relu2/relu2_0003.jpg").exists()
    assert (tmp_path / "max_deconv/fc/fc_0001.jpg").exists()
    images = np.stack([enlarged(patch.image, JPEG_TILE) for patch in patches_of(small_net, top, "fc", 1)]).astype(int)
    for rank, tile in enumerate(tiles_of_3x3(store.read("max_im", Unit("fc", 1)))):
        distances = np.abs(images - tile).mean((1, 2, 3))  # not 0: JPEG blurs the noise
        assert distances[rank] == distances.min()
    singles = store.singles("max_im", Unit("fc", 1))
    assert len(singles) == 9
    first = cv2.imread(str(singles[0]))[..., ::-1]
    np.testing.assert_array_equal(first, patches_of(small_net, top, "fc", 1)[0].image)


def test_the_info_says_value_picture_label_and_place(small_net, top, tmp_path):
    store = UnitImageStore(tmp_path)
    write_patches(small_net, top, [Unit("relu2", 3)], store)
    lines = [json.loads(line) for line in info_path(store, Unit("relu2", 3)).read_text().splitlines()]
    assert [line["rank"] for line in lines] == list(range(9))
    assert [line["label"] for line in lines] == top.images["relu2"][3].tolist()
    assert [line["place"] for line in lines] == top.places["relu2"][3].tolist()
    assert lines[0]["value"] == float(top.values["relu2"][3, 0])
    assert lines[0]["picture"] == top.paths[top.images["relu2"][3, 0]]


def test_an_info_that_is_a_pipe_or_nested_deeply_is_not_waited_for(small_net, top, tmp_path):
    store, unit = UnitImageStore(tmp_path), Unit("relu2", 3)
    for change in (lambda path: (path.unlink(), os.mkfifo(path)), lambda path: path.write_text("[" * 100_000)):
        write_patches(small_net, top, [unit], store)
        change(info_path(store, unit))
        assert write_patches(small_net, top, [unit], store).made == 1


def test_what_is_there_is_not_made_again_and_another_scan_is(small_net, top, picture_paths, tmp_path):
    store = UnitImageStore(tmp_path)
    units = [Unit("relu2", unit) for unit in range(3)]
    assert write_patches(small_net, top, units, store).made == 3
    store.montage_path("max_deconv", Unit("relu2", 1)).unlink()
    store.montage_path("max_im", Unit("relu2", 0)).write_bytes(b"")  # as a power cut leaves it
    again = write_patches(small_net, top, units, store)
    assert (again.made, again.there) == (2, 1)
    other = scan(small_net, picture_paths[:11], workers=0)
    assert write_patches(small_net, other, units[1:], store).made == 2


def test_more_looks_are_written_beside_the_montage(small_net, top, tmp_path):
    store = UnitImageStore(tmp_path)
    looks = (("deconv", "raw"), ("guided", "norm"), ("grad", "norm blurred"))
    write_patches(small_net, top, [Unit("relu2", 3)], store, PatchOptions(count=2, looks=looks))
    assert [path.name for path in store.singles("max_deconv", Unit("relu2", 3))] == [
        "relu2_0003_000_grad-norm-blurred.png",
        "relu2_0003_000_guided-norm.png",
        "relu2_0003_001_grad-norm-blurred.png",
        "relu2_0003_001_guided-norm.png",
    ]


def test_the_model_says_how_is_shown_what_excites_a_unit(small_net, top, tmp_path, monkeypatch):
    guided = UnitImagesDescription(looks=(("guided", "norm"),))
    monkeypatch.setattr(small_net, "description", replace(small_net.description, unit_images=guided))
    store, asked, unit = UnitImageStore(tmp_path / "a"), UnitImageStore(tmp_path / "b"), Unit("relu2", 3)
    write_patches(small_net, top, [unit], store)
    write_patches(small_net, top, [unit], asked, PatchOptions(looks=(("guided", "norm"),)))
    assert store.said("max_deconv", unit) == "guided:norm"
    assert np.array_equal(store.read("max_deconv", unit), asked.read("max_deconv", unit))
    assert write_patches(small_net, top, [unit], store, PatchOptions()).made == 1  # another look than what is there
    assert store.said("max_deconv", unit) == "deconv:raw"


def test_a_picture_that_changed_or_vanished_since_the_scan_is_told(small_net, picture_paths, tmp_path):
    copies = [tmp_path / path.name for path in picture_paths[:3]]
    for path, copy in zip(picture_paths, copies, strict=False):
        copy.write_bytes(path.read_bytes())
    top = scan(small_net, copies, workers=0)
    copies[0].write_bytes(picture_paths[5].read_bytes())
    copies[1].unlink()
    summary = write_patches(small_net, top, [Unit("fc", 0)], UnitImageStore(tmp_path / "store"))
    assert len(summary.problems) == 2
    assert any("has changed since" in problem for problem in summary.problems)
    assert any("no such file" in problem for problem in summary.problems)


def test_another_networks_scan_and_unscanned_layers_are_refused(small_net, top, picture_paths, tmp_path, monkeypatch):
    def changed():
        net = make()
        net.conv1.weight.data.mul_(2)
        return net

    monkeypatch.setattr("small_convnet.make", changed)
    other = load_network("small_convnet:make", device="cpu", input_size=16, mean=127, std=64)
    with pytest.raises(ToolboxError, match="other weights"):
        write_patches(other, top, [Unit("fc", 0)], UnitImageStore(tmp_path))
    part = scan(small_net, picture_paths[:2], layers=["fc"], workers=0)
    with pytest.raises(ToolboxError, match="was not scanned"):
        write_patches(small_net, part, [Unit("relu1", 0)], UnitImageStore(tmp_path))


@pytest.mark.parametrize(("changed", "said"), [({"mean": 0}, "mean, scale or std"), ({"crop": 0.5}, "crop")])
def test_a_scan_of_pictures_prepared_otherwise_is_refused_before_anything_is_written(
    top, tmp_path, small_net, changed, said
):
    prepared = {"input_size": 16, "mean": 127, "std": 64, **changed}
    other = load_network("small_convnet:make", device=str(small_net.device), **prepared)
    with pytest.raises(ToolboxError, match=rf"another preprocessing \(its {said} differs\)"):
        write_patches(other, top, [Unit("fc", 0)], UnitImageStore(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_pictures_that_moved_are_found_below_another_root(small_net, picture_folder, tmp_path):
    from find_maxes import list_pictures

    top = scan(small_net, list_pictures(picture_folder), layers=["fc"], workers=0)
    top.pictures = replace(top.pictures, root=str(tmp_path / "moved"))
    (tmp_path / "moved").symlink_to(picture_folder)
    assert not write_patches(small_net, top, [Unit("fc", 0)], UnitImageStore(tmp_path / "store")).problems


def test_pictures_that_were_missing_are_cut_out_once_they_are_there_again(small_net, picture_folder, tmp_path):
    from find_maxes import list_pictures

    top = scan(small_net, list_pictures(picture_folder), layers=["fc"], workers=0)
    there, store = top.pictures, UnitImageStore(tmp_path / "store")
    top.pictures = replace(there, root=str(tmp_path / "nowhere"))
    assert len(write_patches(small_net, top, [Unit("fc", 0)], store).problems) == 9
    top.pictures = there
    again = write_patches(small_net, top, [Unit("fc", 0)], store)
    assert (again.made, again.problems) == (1, [])
    assert store.read("max_im", Unit("fc", 0)).std() > 20  # not grey any more
    assert write_patches(small_net, top, [Unit("fc", 0)], store).there == 1


@pytest.mark.parametrize("which", [1, 3, 19])
@pytest.mark.parametrize("other", ["scan", "count", "tile", "looks"])
def test_a_run_killed_while_it_replaces_crops_leaves_none_under_the_former_record(
    small_net, top, picture_paths, tmp_path, monkeypatch, which, other
):
    store, unit = UnitImageStore(tmp_path), Unit("fc", 0)
    former = PatchOptions(singles=which > 3)
    write_patches(small_net, top, [unit], store, former)
    before = files_in(tmp_path)
    changed = {"count": {"count": 8}, "tile": {"tile": 5}, "looks": {"looks": (("grad", "norm"),)}}.get(other, {})
    others_top = scan(small_net, picture_paths[:30], workers=0) if other == "scan" else top
    real, seen = Path.replace, []

    def killed(path, target):
        seen.append(target)
        if len(seen) == which:
            raise KeyboardInterrupt
        return real(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_patches(small_net, others_top, [unit], store, replace(former, **changed))
    again = write_patches(small_net, top, [unit], store, former)
    assert (again.made, again.there) == (1, 0)
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("later", [{"count": 3, "singles": True}, {"singles": False}, {"looks": (("grad", "raw"),)}])
def test_single_patches_of_a_former_run_do_not_stay_among_the_new_ones(small_net, top, tmp_path, later):
    store, fresh, unit = UnitImageStore(tmp_path / "a"), UnitImageStore(tmp_path / "b"), Unit("fc", 0)
    looks = (("deconv", "raw"), ("guided", "norm blurred"))
    write_patches(small_net, top, [unit, Unit("fc", 1)], store, PatchOptions(singles=True, looks=looks))
    own = store.write_single("max_im", unit, "mine", np.zeros((4, 4, 3), np.uint8), ".png")
    neighbours = {path: path.read_bytes() for path in tmp_path.rglob("fc_0001*")}
    for each in (store, fresh):
        write_patches(small_net, top, [unit], each, PatchOptions(**later))
    names = {path.name for path in (tmp_path / "b").rglob("fc_0000*")}
    assert {path.name for path in (tmp_path / "a").rglob("fc_0000*")} == names | {own.name}
    assert {path: path.read_bytes() for path in tmp_path.rglob("fc_0001*")} == neighbours


def test_single_patches_that_were_removed_are_made_again(small_net, top, tmp_path):
    store, unit, options = UnitImageStore(tmp_path), Unit("fc", 0), PatchOptions(singles=True)
    write_patches(small_net, top, [unit], store, options)
    before = files_in(tmp_path)
    store.singles("max_deconv", unit)[4].unlink()
    assert write_patches(small_net, top, [unit], store, options).made == 1
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("missing", [1, 9])
@pytest.mark.parametrize("changed", [{}, {"count": 8}, {"tile": 5}, {"looks": (("grad", "norm"),)}])
@pytest.mark.parametrize("record", ["sound", "cut", "gone"])
def test_crops_that_are_sound_are_not_replaced_by_grey_ones(
    small_net, picture_paths, tmp_path, missing, changed, record
):
    copies = [tmp_path / "pictures" / path.name for path in picture_paths[:9]]
    copies[0].parent.mkdir()
    for path, copy in zip(picture_paths, copies, strict=False):
        copy.write_bytes(path.read_bytes())
    top, store, unit = scan(small_net, copies, workers=0), UnitImageStore(tmp_path / "store"), Unit("fc", 0)
    write_patches(small_net, top, [unit], store)
    before = {path: path.read_bytes() for path in store.folder.rglob("*.jpg")}
    info = info_path(store, unit)
    if record != "sound":
        info.write_text(info.read_text()[:100]) if record == "cut" else info.unlink()
    elif not changed:  # it was made of pictures of which one has changed since
        lines = [json.loads(line) for line in info.read_text().splitlines()]
        info.write_text("\n".join(json.dumps(line | {"problem": "has changed since"}) for line in lines))
    for index in top.images["fc"][0, :missing]:
        copies[index].rename(copies[index].with_suffix(".away"))
    summary = write_patches(small_net, top, [unit], store, PatchOptions(**changed))
    assert summary.made == 0
    assert "fc:0: its former pictures stay, since more of these cannot be read" in summary.problems
    assert {path: path.read_bytes() for path in store.folder.rglob("*.jpg")} == before
    for index in top.images["fc"][0, :missing]:
        copies[index].with_suffix(".away").rename(copies[index])
    again = write_patches(small_net, top, [unit], store, PatchOptions(**changed))
    assert (again.made, again.problems) == (1, [])


def test_where_fewer_crops_are_grey_than_before_they_take_their_place(small_net, picture_paths, tmp_path):
    copies = [tmp_path / path.name for path in picture_paths[:9]]
    for path, copy in zip(picture_paths, copies, strict=False):
        copy.write_bytes(path.read_bytes())
    top, store = scan(small_net, copies, workers=0), UnitImageStore(tmp_path / "store")
    for count in (3, 2, 2, 0):
        for index, copy in enumerate(copies):
            copy.write_bytes(b"" if index < count else picture_paths[index].read_bytes())
        summary = write_patches(small_net, top, [Unit("fc", 0)], store)
        assert (summary.made, len(summary.problems)) == (1, count)


@pytest.mark.parametrize("kind", ["max_im", "max_deconv"])
def test_an_archives_pictures_are_left_as_they_are_and_units_without_get_theirs(small_net, top, tmp_path, kind):
    store = UnitImageStore(tmp_path)
    published = store.montage_path(kind, Unit("fc", 1))
    published.parent.mkdir(parents=True)
    cv2.imwrite(str(published), np.full((50, 50, 3), 90, np.uint8))
    before = published.read_bytes()
    summary = write_patches(small_net, top, [Unit("fc", 1), Unit("fc", 2)], store)
    assert (summary.made, summary.there) == (1, 1)
    assert published.read_bytes() == before
    assert [path.name for path in tmp_path.rglob("fc_0001*")] == ["fc_0001.jpg"]
    assert store.has("max_im", Unit("fc", 2))


def test_of_a_layer_that_shows_anothers_pictures_those_are_made(small_net, top, tmp_path):
    store = UnitImageStore(tmp_path, shared={"pool": "add"})
    assert write_patches(small_net, top, [Unit("pool", 1)], store).made == 1
    assert store.has("max_im", Unit("pool", 1))
    assert [path.name for path in (tmp_path / "max_im").iterdir()] == ["add"]


def test_a_picture_whose_name_is_not_utf_8_is_scanned_and_cut_out(small_net, picture_paths, tmp_path):
    odd = tmp_path / os.fsdecode(b"latin-\xe9.png")
    try:
        odd.write_bytes(picture_paths[0].read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    top = scan(small_net, [odd, tmp_path / os.fsdecode(b"nothing-\xe9.tar::x.png")], out=tmp_path / "maxes", workers=1)
    store = UnitImageStore(tmp_path / "store")
    assert not write_patches(small_net, TopImages.load(tmp_path / "maxes"), [Unit("fc", 0)], store).problems
    (line,) = info_path(store, Unit("fc", 0)).read_text().splitlines()
    assert json.loads(line)["picture"] == str(odd)
    assert list(top.skipped) == [1]


def test_a_store_with_another_networks_pictures_is_left_alone(small_net, top, picture_paths, tmp_path, monkeypatch):
    store = UnitImageStore(tmp_path)
    write_patches(small_net, top, [Unit("fc", 0)], store)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    changed = make()
    changed.fc.weight.data.mul_(2)
    monkeypatch.setattr("small_convnet.make", lambda: changed)
    other = load_network("small_convnet:make", device="cpu", input_size=16, mean=127, std=64)
    others_top = scan(other, picture_paths[:11], workers=0)
    with pytest.raises(ToolboxError, match="holds the unit images of other weights"):
        write_patches(other, others_top, [Unit("fc", 0), Unit("fc", 1)], store)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_scan_of_the_other_engine_is_called_that(small_net, picture_paths, tmp_path):
    top = scan(small_net, picture_paths[:2], layers=["fc"], workers=0)
    top.manifest["identity"]["network"]["engine"] = "caffe"
    with pytest.raises(ToolboxError, match="made with --engine caffe, not torch"):
        write_patches(small_net, top, [Unit("fc", 0)], UnitImageStore(tmp_path))


def test_the_password_of_an_address_is_not_kept_and_the_host_is_asked_only_where_the_user_names_it(
    small_net, picture_paths, tmp_path, monkeypatch
):
    monkeypatch.setattr(picture_reader, "read_url", lambda url: (asked.append(url), picture_paths[0].read_bytes())[1])
    asked: list[str] = []
    pictures = PictureList(("a.png", "b.png"), (-1, -1), "s3://key:geheim@bucket/pictures")
    scan(small_net, pictures, layers=["fc"], out=tmp_path / "maxes", workers=0)
    assert asked[0] == "s3://key:geheim@bucket/pictures/a.png"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "maxes").iterdir())
    assert b"geheim" not in kept
    assert b'"s3://bucket/pictures"' in kept
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "maxes").iterdir()}
    asked.clear()
    scan(small_net, pictures, layers=["fc"], out=tmp_path / "maxes", workers=0)
    assert not asked
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "maxes").iterdir()} == files
    top, store = TopImages.load(tmp_path / "maxes"), UnitImageStore(tmp_path / "store")
    with pytest.raises(ToolboxError, match=r"on a host \(.s3://bucket/pictures/a\.png.*--images"):
        write_patches(small_net, top, [Unit("fc", 0)], store)
    assert not asked
    top.pictures = top.pictures.moved_to("s3://key:geheim@bucket/pictures")
    assert not write_patches(small_net, top, [Unit("fc", 0)], store).problems
    assert asked


def test_a_list_of_addresses_with_passwords_is_not_kept(small_net, tmp_path):
    pictures = PictureList(("s3://key:geheim@bucket/a.png",), (-1,))
    with pytest.raises(ToolboxError, match=r"picture .s3://bucket/a\.png. holds a name or a password"):
        scan(small_net, pictures, out=tmp_path / "maxes", workers=0)
    assert not (tmp_path / "maxes").exists()


def test_half_written_files_of_a_killed_run_are_removed_from_where_the_next_one_writes(small_net, top, tmp_path):
    store = UnitImageStore(tmp_path)
    half = store.layer_folder("max_im", "fc") / f".{'0123456789abcdef' * 2}.partial.jpg"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    write_patches(small_net, top, [Unit("fc", 0)], store)
    assert not half.exists()
