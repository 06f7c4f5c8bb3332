"""Checks the store: file names, our layout, the authors' archives, sharing, damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepvis_toolbox import load_network
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.description import ModelDescription, UnitImagesDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.unit_images import UnitImageStore, file_name_of, layer_name_of, montage3x3
from deepvis_toolbox.unit_images.claim import CLAIM, NetworkIdentity, write_claim
from deepvis_toolbox.unit_images.file_names import LONGEST
from deepvis_toolbox.unit_images.montage import tiles_of_3x3, tiles_of_whole_layer, whole_layer
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS
from tests.nets import Classic, Residual, opened


def flat_pictures(count: int, height: int = 20, width: int = 28) -> list[np.ndarray]:
    return [np.full((height, width, 3), 20 + 25 * index, np.uint8) for index in range(count)]


def save_jpeg(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])


@given(st.text(min_size=1).filter(lambda name: not any(0xD800 <= ord(char) < 0xE000 for char in name)))
def test_any_layer_name_comes_back_from_a_file_name_that_stays_in_its_folder(name):
    file_name = file_name_of(name)
    assert layer_name_of(file_name) == name or (len(name.encode()) * 3 > LONGEST and "%-" in file_name)
    assert Path(file_name).name == file_name
    assert not file_name.startswith(".")


@pytest.mark.parametrize("name", ["conv1", "features.3", "layer1.0.relu", "inception_3a-1x1", "block2.expand_conv"])
def test_ordinary_layer_names_are_their_file_names(name):
    assert file_name_of(name) == name


def test_the_layout_is_that_of_the_published_archives(tmp_path):
    store = UnitImageStore(tmp_path)
    preferred = tmp_path / "regularized_opt/conv1"
    assert store.montage_path("regularized_opt", Unit("conv1", 37)) == preferred / "conv1_0037_montage.jpg"
    assert store.montage_path("max_im", Unit("conv1", 37)) == tmp_path / "max_im/conv1/conv1_0037.jpg"
    assert store.montage_path("max_deconv", Unit("fc8", 12345)) == tmp_path / "max_deconv/fc8/fc8_12345.jpg"
    assert store.whole_layer_path("regularized_opt", "conv1") == preferred / "whole_layer.jpg"
    assert store.single_path("regularized_opt", Unit("a/b", 3), "0001", ".png").name == "a%2Fb_0003_0001.png"


@pytest.mark.parametrize("layout", ["1x1", "2x2"])
@pytest.mark.parametrize("kind", UNIT_IMAGE_KINDS)
def test_a_written_montage_is_read_back(tmp_path, kind, layout):
    store = UnitImageStore(tmp_path, layout)
    montage = montage3x3(flat_pictures(9))
    store.write_montage(kind, Unit("mixed/3x3:0", 5), montage)
    assert store.units(kind, "mixed/3x3:0") == [Unit("mixed/3x3:0", 5)]
    assert store.layers(kind) == ["mixed/3x3:0"]
    read = store.read(kind, Unit("mixed/3x3:0", 5))
    assert read.shape == montage.shape
    assert np.abs(read.astype(int) - montage).mean() < 2  # JPEG
    assert np.abs(store.read_best(kind, Unit("mixed/3x3:0", 5)).astype(int) - 20).mean() < 2


def test_a_montage_says_what_it_shows_and_an_archives_is_a_deconv(tmp_path):
    store, montage = UnitImageStore(tmp_path), montage3x3(flat_pictures(9))
    store.write_montage("max_deconv", Unit("conv1", 1), montage, "guided:norm-blurred")
    store.write_montage("max_deconv", Unit("conv1", 2), montage)  # as former versions did
    save_jpeg(tmp_path / "max_deconv/conv1/conv1_0003.jpg", montage)
    said = [store.said("max_deconv", Unit("conv1", channel)) for channel in range(5)]
    assert said == ["", "guided:norm-blurred", "", "deconv:raw", ""]
    assert [store.holds_published("max_deconv", Unit("conv1", channel)) for channel in (1, 2, 3)] == [
        False,
        False,
        True,
    ]
    shipped = UnitImageStore(tmp_path / "mine", shared={"pool1": "conv1"}, shipped=tmp_path)
    assert shipped.said("max_deconv", Unit("pool1", 1)) == "guided:norm-blurred"
    with Image.open(store.montage_path("max_deconv", Unit("conv1", 1))) as written:
        assert written.size == montage.shape[1::-1]


def test_of_an_archives_2x2_the_lower_left_montage_is_shown_without_its_border(tmp_path):
    tile, gap, border = 10, 1, 3
    side = 3 * tile + 2 * gap + 2 * border
    archive = np.zeros((2 * side, 2 * side, 3), np.uint8)
    for quarter, value in enumerate((40, 90, 200, 140)):  # upper left, upper right, lower left, lower right
        top, left = (quarter // 2) * side + border, (quarter % 2) * side + border
        archive[top : top + side - 2 * border, left : left + side - 2 * border] = value
    path = tmp_path / "regularized_opt/conv1/conv1_0037_montage.jpg"
    save_jpeg(path, archive)
    shown = UnitImageStore(tmp_path, "2x2").read("regularized_opt", Unit("conv1", 37))
    assert shown.shape == (3 * tile + 2 * gap, 3 * tile + 2 * gap, 3)
    assert np.abs(shown.astype(int) - 200).max() < 20
    assert UnitImageStore(tmp_path, "1x1").read("regularized_opt", Unit("conv1", 37)).shape == archive.shape


def test_an_archives_top_images_are_not_quartered(tmp_path):
    save_jpeg(tmp_path / "max_im/conv1/conv1_0001.jpg", np.full((60, 60, 3), 77, np.uint8))
    assert UnitImageStore(tmp_path, "2x2").read("max_im", Unit("conv1", 1)).shape == (60, 60, 3)


def test_a_layer_can_show_another_layers_pictures(tmp_path):
    store = UnitImageStore(tmp_path, shared={"pool1": "conv1"})
    store.write_montage("max_im", Unit("conv1", 4), montage3x3(flat_pictures(2)))
    store.write_whole_layer("max_im", "conv1", whole_layer(flat_pictures(5)))
    assert store.has("max_im", Unit("pool1", 4))
    assert store.units("max_im", "pool1") == [Unit("pool1", 4)]
    assert np.array_equal(store.read("max_im", Unit("pool1", 4)), store.read("max_im", Unit("conv1", 4)))
    assert store.read_whole_layer("max_im", "pool1", 5).shape == (5, 20, 28, 3)


def test_tiny_single_pictures_are_shown_with_each_pixel_a_square(tmp_path):
    store = UnitImageStore(tmp_path)
    pictures = [np.random.default_rng(seed).integers(0, 256, (3, 3, 3)).astype(np.uint8) for seed in range(9)]
    for seed, picture in enumerate(pictures):
        store.write_single("regularized_opt", Unit("stem", 2), f"{seed:04d}", picture, ".png")
    tiles = tiles_of_3x3(store.read("regularized_opt", Unit("stem", 2)))
    for tile, picture in zip(tiles, pictures, strict=True):
        assert tile.shape == (30, 30, 3)
        np.testing.assert_array_equal(tile, np.kron(picture, np.ones((10, 10, 1), np.uint8)))


def test_a_view_of_a_layer_shows_that_layers_pictures_until_it_has_its_own(tmp_path):
    shipped = UnitImageStore(tmp_path / "shipped")
    shipped.write_montage("max_im", Unit("fc", 4), montage3x3(flat_pictures(2)))
    shipped.write_whole_layer("max_im", "fc", whole_layer(flat_pictures(5)))
    store = UnitImageStore(tmp_path / "made", shipped=tmp_path / "shipped", views={"prob": "fc"})
    assert store.owning_unit(Unit("prob", 4)) == Unit("fc", 4)
    assert store.has("max_im", Unit("prob", 4))
    assert store.units("max_im", "prob") == [Unit("prob", 4)]
    assert np.array_equal(store.read("max_im", Unit("prob", 4)), store.read("max_im", Unit("fc", 4)))
    assert np.array_equal(store.read_best("max_im", Unit("prob", 4)), store.read_best("max_im", Unit("fc", 4)))
    assert store.read_whole_layer("max_im", "prob", 5).shape == (5, 20, 28, 3)
    store.write_montage("regularized_opt", Unit("prob", 3), montage3x3([flat_pictures(9)[8]]))
    assert store.owning_unit(Unit("prob", 4)) == Unit("prob", 4)
    assert store.read_best("regularized_opt", Unit("prob", 3)).mean() > 200
    assert not store.has("max_im", Unit("prob", 4))  # never some of one layer and some of the other
    assert store.read_whole_layer("max_im", "prob", 5) is None


def test_single_pictures_serve_where_no_montage_was_written(tmp_path):
    store = UnitImageStore(tmp_path)
    for seed, picture in enumerate(flat_pictures(3)):
        store.write_single("regularized_opt", Unit("fc8", 10), f"{seed:04d}", picture, ".png")
    store.write_single("regularized_opt", Unit("fc8", 100), "0000", flat_pictures(1)[0], ".png")
    assert [path.name for path in store.singles("regularized_opt", Unit("fc8", 10))] == [
        "fc8_0010_0000.png",
        "fc8_0010_0001.png",
        "fc8_0010_0002.png",
    ]
    shown = store.read("regularized_opt", Unit("fc8", 10))
    height, width = flat_pictures(1)[0].shape[:2]
    assert shown.shape == (2 * height + 1, 2 * width + 1, 3), "few pictures are shown large: 2×2"
    assert [int(shown[y, x].mean()) for y, x in ((2, 2), (2, width + 3), (height + 3, 2))] == [20, 45, 70]
    assert np.array_equal(store.read_best("regularized_opt", Unit("fc8", 10)), flat_pictures(1)[0])
    assert np.array_equal(store.read("regularized_opt", Unit("fc8", 100)), flat_pictures(1)[0])


def test_a_whole_layer_picture_gives_each_units_tile():
    pictures = flat_pictures(7, 6, 6)
    tiles = tiles_of_whole_layer(whole_layer(pictures), 7)
    assert np.array_equal(tiles, np.stack(pictures))


def test_what_is_not_there_is_none(tmp_path):
    store = UnitImageStore(tmp_path / "nowhere")
    assert store.read("max_im", Unit("conv1", 0)) is None
    assert store.read_whole_layer("max_im", "conv1", 96) is None
    assert store.layers("max_im") == []
    assert not store.has("max_im", Unit("conv1", 0))


@pytest.mark.parametrize("damage", [b"", b"this is text", b"\xff\xd8\xff\xe0 cut off"])
def test_a_damaged_picture_is_named_in_the_error(tmp_path, damage):
    store = UnitImageStore(tmp_path)
    path = store.montage_path("max_im", Unit("conv1", 0))
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    with pytest.raises(ToolboxError, match="conv1_0000"):
        store.read("max_im", Unit("conv1", 0))


def test_a_decompression_bomb_is_refused(tmp_path):
    store = UnitImageStore(tmp_path)
    path = store.montage_path("max_im", Unit("conv1", 0))
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path.with_suffix(".png")), np.zeros((20000, 20000), np.uint8))
    path.with_suffix(".png").rename(path)
    with pytest.raises(ToolboxError, match=r"conv1_0000\.jpg.*million pixels"):
        store.read("max_im", Unit("conv1", 0))


def described(folder, pictures, montage="1x1", shared=None):
    """A network's description: the model's own folder, and what its model.yaml says of unit images."""
    layout = UnitImagesDescription(pictures, montage, shared or {})
    return ModelDescription("tiny", Preprocessing((8, 8)), folder=folder, unit_images=layout)


def test_a_models_description_gives_its_store(tmp_path):
    store = UnitImageStore.for_network(described(tmp_path, tmp_path / "unit_images", "2x2", {"pool1": "conv1"}))
    assert store.folder == tmp_path / "unit_images"
    assert (store.montage, store.shared) == ("2x2", {"pool1": "conv1"})


def test_without_a_store_of_its_own_a_network_has_one_by_its_name_in_the_models_layout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unit_images").mkdir()
    written = described(None, None, "2x2", {"pool1": "conv1"})
    store = UnitImageStore.for_network(written)
    assert store.folder == tmp_path / "unit_images" / "tiny"
    assert (store.montage, store.shared) == ("2x2", {"pool1": "conv1"})
    assert UnitImageStore.for_network(written, "elsewhere").folder == tmp_path / "elsewhere"


def test_pictures_under_the_working_directory_did_not_come_with_a_network_that_has_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    UnitImageStore("unit_images").write_montage("max_im", Unit("conv1", 4), montage3x3(flat_pictures(1)))
    assert not UnitImageStore.for_network(described(None, None)).has("max_im", Unit("conv1", 4))


def test_a_layout_that_does_not_exist_is_refused_by_name(tmp_path):
    with pytest.raises(ToolboxError, match="unit_images"):
        UnitImageStore.for_network(described(tmp_path, tmp_path, "9x9"))


def test_pictures_that_came_with_the_model_are_shown_until_others_are_made_and_never_written_to(tmp_path):
    shipped = UnitImageStore(tmp_path / "unit_images")
    shipped.write_montage("max_im", Unit("conv1", 4), montage3x3(flat_pictures(1)))
    store = UnitImageStore.for_network(described(tmp_path, tmp_path / "made", shared={"pool1": "conv1"}))
    assert store.has("max_im", Unit("pool1", 4))
    assert store.layers("max_im") == ["conv1"]
    assert store.read_best("max_im", Unit("pool1", 4)).mean() < 25
    before = shipped.montage_path("max_im", Unit("conv1", 4)).read_bytes()
    store.write_montage("max_im", Unit("conv1", 4), montage3x3([flat_pictures(9)[8]]))
    store.write_montage("max_im", Unit("conv1", 5), montage3x3(flat_pictures(1)))
    assert store.read_best("max_im", Unit("conv1", 4)).mean() > 200
    assert store.units("max_im", "conv1") == [Unit("conv1", 4), Unit("conv1", 5)]
    assert shipped.montage_path("max_im", Unit("conv1", 4)).read_bytes() == before
    own = UnitImageStore.for_network(described(tmp_path, tmp_path / "unit_images"))
    assert own.units("max_im", "conv1") == [Unit("conv1", 4)]


@pytest.mark.parametrize(("weights", "are_shown"), [("a" * 64, True), ("b" * 64, False)])
def test_pictures_that_came_with_the_model_are_not_shown_for_other_weights(tmp_path, weights, are_shown):
    shipped = UnitImageStore(tmp_path / "unit_images")
    shipped.write_montage("max_im", Unit("conv1", 4), montage3x3(flat_pictures(1)))
    claimed = {"name": "small", "engine": "torch", "weights_sha256": "a" * 64, "answer": {}}
    (tmp_path / "unit_images/network.json").write_text(json.dumps(claimed))
    own, unit = described(tmp_path, tmp_path / "made"), Unit("conv1", 4)
    store = UnitImageStore.for_network(own, network=lambda: NetworkIdentity("small", "torch", weights))
    assert store.has("max_im", unit) is are_shown
    assert (store.read("max_im", unit) is not None) is are_shown
    assert (store.read_best("max_im", unit) is not None) is are_shown
    assert bool(store.units("max_im", "conv1")) is are_shown
    assert bool(store.layers("max_im")) is are_shown
    assert UnitImageStore.for_network(own).has("max_im", unit)  # nobody says whose they are asked for


def test_the_shipped_pictures_say_the_weights_that_they_were_made_from():
    net = load_network(device="cpu")
    store = UnitImageStore.for_network(net.description, network=lambda: NetworkIdentity.of(net))
    assert store.shipped is not None
    other = NetworkIdentity(net.name, net.engine, "0" * 64)
    assert UnitImageStore.for_network(net.description, network=lambda: other).shipped is None


def test_what_was_made_here_is_told_from_an_archives_and_is_a_picture_for_everybody(tmp_path):
    store = UnitImageStore(tmp_path)
    montage = montage3x3(flat_pictures(9))
    path = store.write_montage("max_im", Unit("conv1", 1), montage)
    save_jpeg(tmp_path / "max_im/conv1/conv1_0002.jpg", montage)
    assert [store.holds_published("max_im", Unit("conv1", unit)) for unit in (1, 2, 3)] == [False, True, False]
    for read in (cv2.imread(str(path))[..., ::-1], np.asarray(Image.open(path))):
        assert np.abs(read.astype(int) - montage).mean() < 2


def test_an_archives_picture_of_the_wrong_shape_is_named_in_the_error(tmp_path):
    thin = np.zeros((3000, 1, 3), np.uint8)
    for name in ("regularized_opt/conv1/conv1_0001_montage", "max_im/conv1/conv1_0001", "max_im/conv1/whole_layer"):
        save_jpeg(tmp_path / f"{name}.jpg", thin)
    store = UnitImageStore(tmp_path, "2x2")
    with pytest.raises(ToolboxError, match=r"conv1_0001_montage\.jpg.* no 2×2"):
        store.read("regularized_opt", Unit("conv1", 1))
    with pytest.raises(ToolboxError, match=r"conv1_0001\.jpg.* too small"):
        store.read_best("max_im", Unit("conv1", 1))
    with pytest.raises(ToolboxError, match=r"whole_layer\.jpg.* does not hold 96 units"):
        store.read_whole_layer("max_im", "conv1", 96)


ONE, OTHER = (NetworkIdentity(name, "torch", 64 * name[0]) for name in ("alexnet", "vgg"))


def test_pictures_made_from_other_weights_are_not_shown(tmp_path):
    write_claim(tmp_path, lambda: ONE)
    UnitImageStore(tmp_path).write_montage("max_im", Unit("conv1", 1), montage3x3(flat_pictures(1)))
    assert UnitImageStore(tmp_path, network=lambda: ONE).read("max_im", Unit("conv1", 1)) is not None
    others = UnitImageStore(tmp_path, network=lambda: OTHER)
    reads = [lambda: others.read("max_im", Unit("conv1", 2)), lambda: others.read_best("max_im", Unit("conv1", 2))]
    for read in (*reads, lambda: others.read_whole_layer("max_im", "conv1", 2)):
        with pytest.raises(ToolboxError, match=r"other weights \(alexnet, aaaaaaaa\)"):
            read()


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_a_store_that_does_not_say_whose_it_is_is_read_as_it_is(tmp_path, text):
    if text is not None:
        (tmp_path / CLAIM).write_text(text)
    UnitImageStore(tmp_path).write_montage("max_im", Unit("conv1", 1), montage3x3(flat_pictures(1)))
    assert UnitImageStore(tmp_path, network=lambda: OTHER).read("max_im", Unit("conv1", 1)) is not None


def test_one_network_is_the_same_whichever_engine_computes_it():
    assert ONE.is_same(NetworkIdentity("alexnet", "caffe", 64 * "c"))
    assert not ONE.is_same(NetworkIdentity("vgg", "caffe", 64 * "c"))
    assert ONE.is_same(NetworkIdentity("renamed", "torch", ONE.weights_sha256))


def test_the_first_network_that_writes_to_a_store_owns_it_and_an_archive_stays_anybodys(tmp_path):
    net, other = opened(Classic()), opened(Residual())
    UnitImageStore(tmp_path / "new").claim(net)
    with pytest.raises(ToolboxError, match="other weights"):
        UnitImageStore(tmp_path / "new").claim(other)
    save_jpeg(tmp_path / "archive/max_im/conv1/conv1_0001.jpg", np.full((60, 60, 3), 77, np.uint8))
    UnitImageStore(tmp_path / "archive").claim(net)
    UnitImageStore(tmp_path / "archive").claim(other)
    assert not (tmp_path / "archive" / CLAIM).exists()


def test_montages_of_other_places_are_no_single_pictures(tmp_path):
    store = UnitImageStore(tmp_path)
    image = np.full((8, 8, 3), 90, np.uint8)
    single = store.write_single("regularized_opt", Unit("conv1", 3), "mean_s0000_best_Xpm", image)
    store.write_single("regularized_opt", Unit("conv1", 3), "mean_montage", montage3x3([image]))
    assert store.singles("regularized_opt", Unit("conv1", 3)) == [single]


def test_what_is_no_layers_folder_or_no_units_picture_is_left_aside(tmp_path):
    store = UnitImageStore(tmp_path)
    store.write_single("regularized_opt", Unit("conv1", 3), "a", np.full((8, 8, 3), 9, np.uint8))
    picture = store.single_path("regularized_opt", Unit("conv1", 3), "a").read_bytes()
    (tmp_path / "regularized_opt" / "%ff").mkdir()
    (tmp_path / "regularized_opt" / "thumbs.jpg").write_bytes(picture)
    for name in ("conv1_٠٠٠١_a.jpg", f"conv1_{'9' * 200}_a.jpg", "conv1_12_a.jpg"):
        (tmp_path / "regularized_opt" / "conv1" / name).write_bytes(picture)
    assert store.layers("regularized_opt") == ["conv1"]
    assert store.units("regularized_opt", "conv1") == [Unit("conv1", 3)]
