"""TIFFs of every arrangement are shown as a person would see them, or refused by reason."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.color import lab2rgb

from deepvis_toolbox.sources.decode import UnreadablePicture, decode_picture
from tests.sources.hand_written_tiff import (
    BLACK_IS_ZERO,
    CMYK,
    LAB,
    PALETTE,
    REFERENCE_BLACK_WHITE,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
    tiff,
)

# As when the toolbox runs: pytest switches the filters of modules off.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

RNG = np.random.default_rng(0)
GREY = 128 / 255
DEPTHS = pytest.mark.parametrize("depth", [np.uint8, np.uint16])
ARRANGED = pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
ORDERED = pytest.mark.parametrize("byte_order", ["<", ">"], ids=["little", "big"])
DEFLATED = pytest.mark.parametrize("deflated", [False, True], ids=["plain", "deflated"])


def noise(depth: type, channels: int) -> np.ndarray:
    return RNG.integers(0, np.iinfo(depth).max, (13, 17, channels), depth, endpoint=True)


def shares(samples: np.ndarray) -> np.ndarray:
    return samples / np.iinfo(samples.dtype).max


def assert_shown(data: bytes, expected: np.ndarray) -> None:
    """`expected`: 0 to 1, (H, W, 1 or 3)."""
    assert np.abs(decode_picture(data) - 255.0 * expected).max() <= 1.0


@DEPTHS
@ORDERED
@DEFLATED
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
def test_grey_is_no_negative(depth: type, byte_order: str, deflated: bool, photometric: int) -> None:
    samples = noise(depth, 1)
    expected = 1 - shares(samples) if photometric == WHITE_IS_ZERO else shares(samples)
    assert_shown(tiff(samples, photometric, byte_order=byte_order, deflated=deflated), expected)


@DEPTHS
@ARRANGED
@ORDERED
@DEFLATED
def test_colours_together_or_in_planes_apart_are_the_same_picture(
    depth: type, apart: bool, byte_order: str, deflated: bool
) -> None:
    samples = noise(depth, 3)
    assert_shown(tiff(samples, RGB, (), apart, byte_order, deflated), shares(samples))


@DEPTHS
@ARRANGED
@DEFLATED
@pytest.mark.parametrize("extra", [(0,), (0, 0)])
def test_samples_beyond_the_colours_are_no_transparency(
    depth: type, apart: bool, deflated: bool, extra: tuple[int, ...]
) -> None:
    samples = noise(depth, 3 + len(extra))
    assert_shown(tiff(samples, RGB, extra, apart, deflated=deflated), shares(samples[:, :, :3]))


@DEPTHS
@ARRANGED
@pytest.mark.parametrize("extra", [(2,), (0, 2)])
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO, RGB])
def test_transparency_lies_on_grey_wherever_it_stands(
    depth: type, apart: bool, extra: tuple[int, ...], photometric: int
) -> None:
    colours = 3 if photometric == RGB else 1
    samples = noise(depth, colours + len(extra))
    colour, alpha = shares(samples[:, :, :colours]), shares(samples[:, :, -1:])
    colour = 1 - colour if photometric == WHITE_IS_ZERO else colour
    assert_shown(tiff(samples, photometric, extra, apart), colour * alpha + GREY * (1 - alpha))


@DEPTHS
@ARRANGED
def test_premultiplied_transparency_is_applied_once(depth: type, apart: bool) -> None:
    samples = noise(depth, 4)
    alpha = shares(samples[:, :, 3:])
    samples[:, :, :3] = samples[:, :, :3] * alpha
    assert_shown(tiff(samples, RGB, (1,), apart), shares(samples[:, :, :3]) + GREY * (1 - alpha))


@DEPTHS
def test_four_samples_without_a_word_about_the_fourth_are_transparent_as_opencv_writes_them(depth: type) -> None:
    samples = noise(depth, 4)
    ok, data = cv2.imencode(".tif", samples[:, :, [2, 1, 0, 3]])
    assert ok
    alpha = shares(samples[:, :, 3:])
    assert_shown(data.tobytes(), shares(samples[:, :, :3]) * alpha + GREY * (1 - alpha))


@DEPTHS
@ARRANGED
def test_inks_are_converted_by_their_definition(depth: type, apart: bool) -> None:
    samples = noise(depth, 4)
    inks = shares(samples)
    assert_shown(tiff(samples, CMYK, (), apart), (1 - inks[:, :, :3]) * (1 - inks[:, :, 3:]))


@pytest.mark.parametrize("scale", [257, 256, 1], ids=["sixteen bits", "shifted", "eight bits"])
@ORDERED
def test_a_palette_is_resolved_whether_it_was_written_with_sixteen_bits_or_with_eight(
    scale: int, byte_order: str
) -> None:
    palette = RNG.integers(0, 256, (256, 3))
    indices = noise(np.uint8, 1)
    data = tiff(indices, PALETTE, byte_order=byte_order, tags={320: (palette.T * scale).ravel().tolist()})
    np.testing.assert_array_equal(decode_picture(data), palette[indices[:, :, 0]])


def test_a_palette_of_sixteen_bit_indices_is_resolved() -> None:
    palette = RNG.integers(0, 65536, (3, 65536))
    indices = noise(np.uint16, 1)
    assert_shown(tiff(indices, PALETTE, tags={320: palette.ravel().tolist()}), palette.T[indices[:, :, 0]] / 65535)


@pytest.mark.parametrize("orientation", range(1, 9))
@DEPTHS
def test_planes_apart_are_turned_once(orientation: int, depth: type) -> None:
    samples = noise(depth, 3)
    upright = decode_picture(tiff(samples, RGB))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(upright).save(stream, "PNG", exif=exif)
    expected = decode_picture(stream.getvalue())
    np.testing.assert_array_equal(decode_picture(tiff(samples, RGB, (), True, tags={274: [orientation]})), expected)


def test_twelve_bits_of_grey_are_scaled_by_their_own_white() -> None:
    values = RNG.integers(0, 4096, (6, 8))
    values[0, 0] = 4095
    pairs = values.reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
    rows = packed.astype(np.uint8).reshape(6, 12, 1)
    assert_shown(tiff(rows, BLACK_IS_ZERO, tags={256: [8], 258: [12]}), values[:, :, None] / 4095)


def test_lab_colours_are_converted() -> None:
    lab = np.zeros((4, 4, 3), np.uint8)
    lab[..., 0] = np.linspace(60, 200, 16).reshape(4, 4)
    lab[..., 1:] = np.random.default_rng(0).integers(-20, 20, (4, 4, 2)).astype(np.int8).view(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(lab, "LAB").save(stream, "TIFF")
    expected = lab2rgb(np.dstack([lab[..., 0] * (100 / 255), lab[..., 1:].view(np.int8)]))
    assert np.abs(decode_picture(stream.getvalue()) - 255 * expected).mean() < 2


@ARRANGED
@ORDERED
@DEFLATED
@pytest.mark.parametrize("with_alpha", [False, True])
def test_lab_colours_are_the_same_in_every_arrangement(
    apart: bool, byte_order: str, deflated: bool, with_alpha: bool
) -> None:
    lab = np.zeros((13, 17, 3), np.uint8)
    lab[..., 0] = np.linspace(60, 200, 13 * 17).reshape(13, 17)
    lab[..., 1:] = RNG.integers(-20, 20, (13, 17, 2)).astype(np.int8).view(np.uint8)
    expected = lab2rgb(np.dstack([lab[..., 0] * (100 / 255), lab[..., 1:].view(np.int8)]))
    alpha = noise(np.uint8, 1)
    if with_alpha:
        expected = expected * shares(alpha) + GREY * (1 - shares(alpha))
    samples, extra = (np.dstack([lab, alpha]), (2,)) if with_alpha else (lab, ())
    shown = decode_picture(tiff(samples, LAB, extra, apart, byte_order, deflated))
    assert np.abs(shown - 255 * expected).mean() < 2
    np.testing.assert_array_equal(shown, decode_picture(tiff(samples, LAB, extra)))


@pytest.mark.parametrize("size", [(12, 16), (13, 17)])
@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2)])
@pytest.mark.parametrize("low", [0, 16])
def test_luma_with_chroma_of_fewer_pixels_is_read_also_without_compression(
    size: tuple[int, int], across: int, down: int, low: int
) -> None:
    height, width = size
    rows, columns = -(-height // down), -(-width // across)
    luma = RNG.integers(60, 190, (rows * down, columns * across)).astype(np.uint8)
    chroma = RNG.integers(100, 150, (2, rows, columns)).astype(np.uint8)
    units = luma.reshape(rows, down, columns, across).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    data = np.concatenate([units, chroma[0, ..., None], chroma[1, ..., None]], axis=-1)
    ranges = [low, 235, 128, 240, 128, 240] if low else [0, 255, 128, 255, 128, 255]
    sizes = {256: [width], 257: [height], 258: [8, 8, 8], 277: [3], 278: [height], 530: [across, down]}
    plain = tiff(data.reshape(1, -1, 1), YCBCR, tags={**sizes, REFERENCE_BLACK_WHITE: ranges})
    y = (luma[:height, :width].astype(float) - low) * 255 / (ranges[1] - low)
    wide = chroma.repeat(down, 1).repeat(across, 2)[:, :height, :width].astype(float)
    cb, cr = (wide - 128) * 127 / (ranges[3] - 128)
    expected = np.dstack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb])  # TIFF 6.0, section 21
    shown = decode_picture(plain)
    assert np.abs(shown - expected.clip(0, 255)).max() <= 4  # libtiff computes in whole numbers
    assert np.abs(shown - expected.clip(0, 255)).mean() <= 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(noise(np.uint16, 1), BLACK_IS_ZERO, tags={339: [2]}), "signed"),
        (tiff(noise(np.uint8, 1), BLACK_IS_ZERO, tags={339: [2]}), "signed"),
        (tiff(noise(np.uint8, 1), BLACK_IS_ZERO, tags={258: [7]}), "arrangement of TIFF"),
        (b"MM\0+" + bytes(60), "BigTIFF"),
        (tiff(noise(np.uint16, 3), RGB, apart=True)[:200], "damaged"),
        (tiff(noise(np.uint16, 3), RGB, tags={256: [60_000], 257: [60_000]}), "million pixels"),
    ],
    ids=["signed", "signed of 8 bits", "seven bits", "big", "cut", "huge"],
)
def test_what_cannot_be_shown_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode_picture(data)


def test_bits_flipped_anywhere_in_a_deep_tiff_never_raise_anything_else() -> None:
    for apart, deflated in ((False, False), (True, False), (False, True), (True, True)):
        data = tiff(noise(np.uint16, 4), RGB, (2,), apart, deflated=deflated)
        for _ in range(150):
            broken = bytearray(data)
            for position in RNG.integers(0, len(data), 3):
                broken[position] ^= 1 << int(RNG.integers(0, 8))
            try:
                assert decode_picture(bytes(broken)).shape[2] == 3
            except UnreadablePicture:
                continue
