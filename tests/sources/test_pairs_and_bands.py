"""Pairs of pictures and pictures of many bands: as files, in lists, from two sources."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_bands, decode_picture
from deepvis_toolbox.sources.listing import read_picture_list
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.picture_process import decode_bands_apart
from tests.sources.hand_written_tiff import BLACK_IS_ZERO, RGB, tiff

BANDS = np.random.default_rng(0).integers(0, 65536, (10, 12, 13)).astype(np.uint16)
IN_ORDER = SourceOptions(realtime=False)


def _picture(path: Path, colour: int, size: tuple[int, int] = (12, 10)) -> Path:
    Image.new("RGB", size, (colour, 2, 3)).save(path)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, ">u2", ">f4"])
def test_the_bands_of_an_array_are_read_as_they_are(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "bands.npy", BANDS.astype(dtype))
    found = decode_bands_apart(tmp_path / "bands.npy")
    np.testing.assert_array_equal(found, BANDS.astype(dtype))
    assert found.dtype in (np.uint8, np.uint16, np.float32)
    np.testing.assert_array_equal(decode_bands((tmp_path / "bands.npy").read_bytes()), found)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("photometric", "count"), [(BLACK_IS_ZERO, 2), (BLACK_IS_ZERO, 13), (RGB, 4), (RGB, 6)])
def test_the_bands_of_a_tiff_are_read_as_they_are(
    apart: bool, deflated: bool, dtype: type, photometric: int, count: int
) -> None:
    samples = BANDS[..., :count].astype(dtype)
    extra = [0] * (count - (3 if photometric == RGB else 1))
    data = tiff(samples, photometric, extra, apart=apart, deflated=deflated)
    np.testing.assert_array_equal(decode_bands(data), samples)
    assert decode_picture(data).shape == (10, 12, 3)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize(("photometric", "count"), [(BLACK_IS_ZERO, 2), (BLACK_IS_ZERO, 13), (RGB, 4), (RGB, 6)])
def test_the_floats_of_a_tiff_are_read_as_they_are(
    tmp_path: Path, apart: bool, deflated: bool, byte_order: str, photometric: int, count: int
) -> None:
    samples = ((BANDS[..., :count].astype(np.float32) - 20000) / 7).astype(np.float32)
    extra = [0] * (count - (3 if photometric == RGB else 1))
    (tmp_path / "a.tif").write_bytes(tiff(samples, photometric, extra, apart, byte_order, deflated))
    np.testing.assert_array_equal(decode_bands((tmp_path / "a.tif").read_bytes()), samples)
    if not deflated:  # of which it reads no differences by itself
        found = tifffile.imread(tmp_path / "a.tif")
        np.testing.assert_array_equal(np.moveaxis(found, 0, -1) if apart else found, samples)
    with open_source(str(tmp_path / "a.tif")) as source:
        frame = source.read()
        np.testing.assert_array_equal(frame.given_to(lambda bands: bands == count), samples)
        assert frame.image.shape == (10, 12, 3)


@pytest.mark.parametrize("compression", [1, 5, 32946])
def test_opencv_writes_and_reads_the_same_floats(tmp_path: Path, compression: int) -> None:
    samples = np.random.default_rng(0).normal(size=(33, 45, 4)).astype(np.float32)
    for predictor in (1, 3):
        options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
        assert cv2.imwrite(str(tmp_path / "a.tif"), samples, options)
        written = cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(decode_bands(tmp_path / "a.tif")[..., [2, 1, 0, 3]], written)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_floats_that_are_no_numbers_and_halves_are_refused(wrong: float) -> None:
    samples = BANDS[..., :4].astype(np.float32)
    samples[2, 3, 1] = wrong
    with pytest.raises(UnreadablePicture, match="not finite"):
        decode_bands(tiff(samples, RGB, [0]))
    with pytest.raises(UnreadablePicture):
        decode_bands(tiff(BANDS[..., :4].astype(np.float16), RGB, [0]))


def test_transparency_is_no_band_and_pictures_stay_pictures(tmp_path: Path) -> None:
    data = tiff(BANDS[..., :4].astype(np.uint8), RGB, [2])
    np.testing.assert_array_equal(decode_bands(data), decode_picture(data))
    for shape in ((10, 12), (10, 12, 1), (10, 12, 3)):
        np.save(tmp_path / "picture.npy", BANDS[..., : (*shape, 1)[2]].reshape(shape))
        found = decode_bands(tmp_path / "picture.npy")
        np.testing.assert_array_equal(found[..., 0], np.rint(BANDS[..., 0] / 257))
        assert found.shape == (10, 12, 3)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((4, 5, 6, 7), np.uint8), r"its shape is \(4, 5, 6, 7\), and a picture is \(height, width, bands\)"),
        (np.zeros((0, 5, 6), np.uint8), "not an array of NumPy: it has fewer values"),
        (np.zeros((4, 5, 6), np.int64), "its values are int64"),
        (np.full((4, 5, 6), np.nan), "not finite"),
        (np.zeros((4, 5, 3)), "floats, of which nobody says which is white"),
        (np.array([{"a": 1}], object), "not an array of NumPy"),
    ],
)
def test_arrays_that_are_no_pictures_are_told(tmp_path: Path, array: np.ndarray, told: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    for decode in (decode_bands, decode_bands_apart):
        with pytest.raises(UnreadablePicture, match=told):
            decode(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", BANDS)
    with pytest.raises(UnreadablePicture, match="it has 13 bands, for a network of as many channels"):
        decode_picture(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("line", "names", "label"),
    [
        ("a.png b.png", ("a.png", "b.png"), None),
        ("a.png\tb.png\t7", ("a.png", "b.png"), 7),
        ("sub/a 1.png  b 2.JPG 3", ("a 1.png", "b 2.JPG"), 3),
        ("\"a.png b\" 'c d'", ("a.png b", "c d"), None),
        ('"a.png b.png" 4', ("a.png b.png", None), 4),
        ("bands.npy more.npy", ("bands.npy", "more.npy"), None),
        ("my picture.png", ("my picture.png", None), None),
    ],
)
def test_a_line_of_a_list_names_one_picture_or_a_pair(
    tmp_path: Path, line: str, names: tuple[str, str | None], label: int | None
) -> None:
    (tmp_path / "list.txt").write_text(f"# pairs\n{line}\n")
    (listed,) = read_picture_list(tmp_path / "list.txt")
    assert (listed.path.name, listed.second.name if listed.second else None) == names
    assert listed.label == label


@pytest.mark.parametrize("piece", ["a.png ", "a.png", "a.png \t", 'a.png "', "a.png '", " ", "'a.png' ", "a.png 'b "])
@pytest.mark.parametrize("end", ["x", '"', "' x", "b.png"])
def test_a_long_line_of_a_list_takes_no_longer_than_its_length(tmp_path: Path, piece: str, end: str) -> None:
    (tmp_path / "list.txt").write_text(piece * 100_000 + end)
    started = time.process_time()
    with suppress(ToolboxError):
        read_picture_list(tmp_path / "list.txt")
    assert time.process_time() - started < 2


def test_a_list_of_pairs_and_single_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png b.png\nc.png\n")
    with pytest.raises(ToolboxError, match=r"names pairs \(a.png \+ b.png\) and single pictures \(c.png\)"):
        read_picture_list(tmp_path / "list.txt")


def test_a_list_of_pairs_shows_both_and_what_cannot_be_read_is_skipped(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", 10)
    _picture(tmp_path / "b.png", 20, (24, 20))
    (tmp_path / "list.txt").write_text("a.png b.png 5\na.png missing.png\nb.png a.png\n")
    with open_source(str(tmp_path / "list.txt"), IN_ORDER) as source:
        first = source.read()
        assert first.bands.shape == (10, 12, 6)
        assert (first.bands[0, 0, 0], first.bands[0, 0, 3]) == (10, 20)
        assert (first.info.source, first.info.label) == ("a.png + b.png (1 of 3)", 5)
        assert first.given_to(lambda _: False) is first.bands
        source.next()
        second = source.read()
        assert (second.bands.shape, second.bands[0, 0, 0], second.bands[0, 0, 3]) == ((20, 24, 6), 20, 10)
        assert source.note == "skipped a.png + missing.png: no such file"


def test_two_sources_are_read_in_step(tmp_path: Path) -> None:
    for side, colours in {"left+side": (1, 2, 3), "right": (4, 5)}.items():
        (tmp_path / side).mkdir()
        for number, colour in enumerate(colours):
            _picture(tmp_path / side / f"{number}.png", colour)
    with open_source(f"pair:{tmp_path / 'left+side'}+{tmp_path / 'right'}", IN_ORDER) as source:
        seen = []
        for _ in range(4):
            frame = source.read()
            assert source.read() is frame
            seen.append((int(frame.bands[0, 0, 0]), int(frame.bands[0, 0, 3])))
            source.next()
        assert seen == [(1, 4), (2, 5), (3, 4), (1, 5)]
        assert source.is_still
        assert frame.info.source == "0.png (1 of 3) + 1.png (2 of 2)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pair:demo", r"names one source; a pair is written pair:FIRST\+SECOND"),
        ("pair:demo+nowhere", '"nowhere" is no source'),
        ("pair:nowhere+demo", '"nowhere" is no source'),
        ("pair:demo+pair:demo+demo", "a pair in a pair"),
    ],
)
def test_what_is_no_pair_of_sources_is_told(text: str, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        open_source(text)


def test_a_tiff_with_more_bands_is_a_picture_for_other_networks_and_an_array_is_not(tmp_path: Path) -> None:
    samples = BANDS[..., :4].astype(np.uint8)
    (tmp_path / "four.tif").write_bytes(tiff(samples, RGB, [0]))
    np.save(tmp_path / "bands.npy", BANDS)
    with open_source(str(tmp_path / "four.tif")) as source:
        frame = source.read()
        np.testing.assert_array_equal(frame.given_to(lambda bands: bands == 4), samples)
        np.testing.assert_array_equal(frame.given_to(lambda bands: bands == 3), samples[..., :3])
    with open_source(str(tmp_path / "bands.npy")) as source:
        frame = source.read()
        np.testing.assert_array_equal(frame.given_to(lambda bands: bands == 3), BANDS)
        assert frame.image.shape == (10, 12, 3)
        assert np.ptp(frame.image) == 255


def test_a_folder_of_arrays_alone_is_one_of_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", BANDS)
    with open_source(str(tmp_path)) as source:
        assert source.read().info.source == "b.npy"
    _picture(tmp_path / "a.png", 1)
    with open_source(str(tmp_path)) as source:
        assert source.read().info.source == "a.png"
