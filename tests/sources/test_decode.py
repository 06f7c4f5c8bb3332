"""Every kind of picture file is shown as a person would see it; the rest is refused by reason."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_picture
from deepvis_toolbox.sources.picture_budget import MAX_PIXELS

# As when the toolbox runs: pytest switches the filters of modules off.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
SMOOTH = cv2.resize(RNG.integers(0, 256, (3, 4, 3), dtype=np.uint8), (48, 32), interpolation=cv2.INTER_CUBIC)


def saved(image: Image.Image, file_format: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **settings)
    return stream.getvalue()


def encoded(array: np.ndarray, suffix: str) -> bytes:
    ok, data = cv2.imencode(suffix, array)
    assert ok
    return data.tobytes()


def to_eight_bits(deep: np.ndarray) -> np.ndarray:
    return np.rint(deep / 257.0).astype(np.uint8)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_colour_comes_back_exactly(file_format: str) -> None:
    np.testing.assert_array_equal(decode_picture(saved(Image.fromarray(COLOUR), file_format)), COLOUR)


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "JPEG2000", "AVIF"])
def test_lossy_colour_comes_back_nearly_and_in_the_right_order(file_format: str) -> None:
    decoded = decode_picture(saved(Image.fromarray(SMOOTH), file_format, quality=95))
    assert decoded.shape == SMOOTH.shape
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - SMOOTH).mean() < 4


def test_a_photograph_decodes_as_opencv_decodes_it(shared: Path) -> None:
    path = sorted((shared / "images").glob("*.jpg"))[7]
    ours, theirs = decode_picture(path), cv2.imread(str(path))[:, :, ::-1]
    assert np.abs(ours.astype(int) - theirs).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_applied_as_pillow_applies_it(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(SMOOTH), file_format, exif=exif)
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(decode_picture(data), expected)
    assert expected.shape == ((48, 32, 3) if orientation > 4 else (32, 48, 3))


def test_a_rotated_sixteen_bit_picture_is_turned_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = encoded(DEEP[:, :, ::-1], ".png")
    payload = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(payload)) + b"eXIf" + payload + struct.pack(">I", zlib.crc32(b"eXIf" + payload))
    np.testing.assert_array_equal(decode_picture(plain[:33] + chunk + plain[33:]), np.rot90(to_eight_bits(DEEP), 3))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_sixteen_bit_tiff_is_turned_once(orientation: int, channels: int) -> None:
    deep = DEEP[:, :, :channels]
    ok, data = cv2.imencode(".tif", deep[:, :, ::-1])
    assert ok
    # OpenCV writes no orientation; a directory entry that readers do not need makes room for one.
    entry = bytes(data).rindex(struct.pack("<HHI", 284, 3, 1))
    tagged = bytes(data[:entry]) + struct.pack("<HHIHH", 274, 3, 1, orientation, 0) + bytes(data[entry + 12 :])
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.open(io.BytesIO(saved(Image.fromarray(to_eight_bits(DEEP)), "PNG", exif=exif)))
    expected = np.asarray(ImageOps.exif_transpose(upright))[:, :, :channels]
    np.testing.assert_array_equal(decode_picture(tagged), np.broadcast_to(expected, (*expected.shape[:2], 3)))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_sixteen_bit_colour_is_scaled_not_cut(suffix: str) -> None:
    decoded = decode_picture(encoded(DEEP[:, :, ::-1], suffix))
    tolerance = 1 if suffix == ".ppm" else 0
    assert np.abs(decoded.astype(int) - to_eight_bits(DEEP)).max() <= tolerance


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bit_grey_is_scaled_to_three_equal_channels(suffix: str) -> None:
    decoded = decode_picture(encoded(DEEP[:, :, 0], suffix))
    np.testing.assert_array_equal(decoded, np.stack([to_eight_bits(DEEP[:, :, 0])] * 3, axis=-1))


def test_sixteen_bit_colour_with_transparency_lies_on_grey() -> None:
    rgba = np.dstack([DEEP, np.zeros((20, 30), np.uint16)])
    rgba[:, :15, 3] = 65535
    decoded = decode_picture(encoded(rgba[:, :, [2, 1, 0, 3]], ".png"))
    np.testing.assert_array_equal(decoded[:, :15], to_eight_bits(DEEP[:, :15]))
    assert (decoded[:, 15:] == 128).all()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP"])
def test_grey_and_black_and_white_become_three_equal_channels(file_format: str) -> None:
    grey = COLOUR[:, :, 0]
    np.testing.assert_array_equal(
        decode_picture(saved(Image.fromarray(grey), file_format)), np.stack([grey] * 3, axis=-1)
    )
    bits = Image.fromarray(grey > 127)
    np.testing.assert_array_equal(
        decode_picture(saved(bits, file_format)), np.stack([np.where(grey > 127, 255, 0)] * 3, axis=-1)
    )


def test_a_palette_is_resolved() -> None:
    palette = Image.fromarray(COLOUR).quantize(16)
    np.testing.assert_array_equal(decode_picture(saved(palette, "PNG")), np.asarray(palette.convert("RGB")))


def test_a_transparent_palette_colour_lies_on_grey() -> None:
    palette = Image.fromarray(COLOUR).quantize(16)
    decoded = decode_picture(saved(palette, "PNG", transparency=3))
    expected = np.asarray(palette.convert("RGB")).copy()
    expected[np.asarray(palette) == 3] = 128
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_transparency_is_blended_with_neutral_grey(file_format: str) -> None:
    alpha = RNG.integers(0, 256, (20, 30, 1), dtype=np.uint8)
    data = saved(Image.fromarray(np.dstack([COLOUR, alpha])), file_format)
    opacity = alpha / 255.0
    expected = np.rint(COLOUR * opacity + 128 * (1 - opacity))
    assert np.abs(decode_picture(data) - expected).max() <= 1


def test_grey_with_transparency_is_blended_too() -> None:
    pixels = np.dstack([np.full((4, 4), 200, np.uint8), np.tile(np.array([0, 255], np.uint8), (4, 2))])
    decoded = decode_picture(saved(Image.fromarray(pixels, "LA"), "PNG"))
    np.testing.assert_array_equal(decoded[0, :, 0], [128, 200, 128, 200])


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_is_converted_by_its_definition(file_format: str) -> None:
    cmyk = np.dstack([SMOOTH, np.full((32, 48), 60, np.uint8)])
    settings = {"quality": 100} if file_format == "JPEG" else {}
    decoded = decode_picture(saved(Image.fromarray(cmyk, "CMYK"), file_format, **settings))
    expected = (255.0 - cmyk[:, :, :3]) * (255.0 - 60) / 255
    assert np.abs(decoded - expected).mean() < 2


def test_a_cmyk_jpeg_as_photoshop_writes_it_is_not_a_negative() -> None:
    white = saved(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG", quality=95)
    assert b"Adobe" in white[:64]  # the marker that says: stored inverted
    assert (decode_picture(white) > 250).all()


def png(colour_type: int, depth: int, row: bytes, width: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of one row, written by hand; `chunks` lie before the pixels."""
    header = (b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0))
    whole = [header, *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in whole
    )


def test_the_transparent_grey_of_a_sixteen_bit_png_lies_on_grey_and_its_neighbours_do_not() -> None:
    row = struct.pack(">4H", 0x1234, 0x12FF, 0xFFFF, 0x1234)
    decoded = decode_picture(png(0, 16, row, 4, (b"tRNS", struct.pack(">H", 0x1234))))
    np.testing.assert_array_equal(decoded[0, :, 0], [128, 0x12FF // 257 + 1, 255, 128])


def test_the_transparent_colour_of_a_sixteen_bit_png_lies_on_grey_and_its_neighbours_do_not() -> None:
    row = struct.pack(">6H", 0x1234, 5, 6, 0x12FF, 5, 6)
    decoded = decode_picture(png(2, 16, row, 2, (b"tRNS", struct.pack(">3H", 0x1234, 5, 6))))
    np.testing.assert_array_equal(decoded[0], [[128] * 3, [0x12FF // 257 + 1, 0, 0]])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_grey_of_a_png_of_few_bits_lies_on_grey(depth: int) -> None:
    count, most = 8 // depth, (1 << depth) - 1
    values = [(0b00011011 >> (8 - depth * (index + 1))) & most for index in range(count)]
    decoded = decode_picture(png(0, depth, bytes([0b00011011]), count, (b"tRNS", struct.pack(">H", values[-1]))))
    expected = [128 if value == values[-1] else value * 255 // most for value in values]
    np.testing.assert_array_equal(decoded[0, :, 0], expected)


BROKEN_EXIF = {"garbage": bytes(range(40)), "cut": b"II*\0\x08\0\0\0\x09\0\x12\x01", "none": b"\0\0\0\0\0\0\0\0"}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("broken", BROKEN_EXIF.values(), ids=BROKEN_EXIF.keys())
def test_broken_exif_does_not_hide_sound_pixels(file_format: str, broken: bytes) -> None:
    sound = Image.Exif()
    sound[0x010E] = "x" * 64
    payload = sound.tobytes().removeprefix(b"Exif\0\0")
    data = saved(Image.fromarray(SMOOTH), file_format, exif=sound)
    assert data.count(payload) == 1
    damaged = data.replace(payload, broken.ljust(len(payload), b"\xff"))
    if file_format == "PNG":  # with the right checksum
        start = damaged.index(b"eXIf")
        end = start + 4 + int.from_bytes(damaged[start - 4 : start], "big")
        damaged = damaged[:end] + struct.pack(">I", zlib.crc32(damaged[start:end])) + damaged[end + 4 :]
    np.testing.assert_array_equal(decode_picture(damaged), decode_picture(data))


@pytest.mark.parametrize("damage", ["checksum", "too much text", "too large a profile"])
def test_broken_remarks_of_a_png_do_not_hide_sound_pixels(damage: str) -> None:
    plain = saved(Image.fromarray(COLOUR), "PNG")
    body, name = b"Comment\0hello", b"tEXt"
    if damage == "too much text":
        body, name = b"Comment\0\0" + zlib.compress(bytes(80 << 20)), b"zTXt"
    if damage == "too large a profile":
        body, name = b"ICC\0\0" + zlib.compress(bytes(80 << 20)), b"iCCP"
    checksum = zlib.crc32(name + body) ^ (damage == "checksum")
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
    np.testing.assert_array_equal(decode_picture(plain[:33] + chunk + plain[33:]), COLOUR)


def test_a_bitmap_whose_transparency_was_left_empty_is_not_hidden() -> None:
    rgba = np.dstack([COLOUR, np.zeros((20, 30), np.uint8)])
    np.testing.assert_array_equal(decode_picture(encoded(rgba[:, :, [2, 1, 0, 3]], ".bmp")), COLOUR)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame(file_format: str) -> None:
    frames = [Image.new("RGB", (24, 16), colour) for colour in ("red", "blue", "lime")]
    settings = {"lossless": True} if file_format == "WEBP" else {}
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], **settings)
    np.testing.assert_array_equal(decode_picture(data), np.full((16, 24, 3), (255, 0, 0)))


def test_the_first_of_a_telephones_several_pictures_in_one_file_is_shown() -> None:
    frames = [Image.new("RGB", (24, 16), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert (decode_picture(data)[:, :, 0] > 250).all()


def test_the_result_is_contiguous_and_can_be_written_to() -> None:
    decoded = decode_picture(saved(Image.fromarray(COLOUR), "PNG"))
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


def claimed_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge, with a sound checksum."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(bytes(100))}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 12_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_size(side: int) -> None:
    with pytest.raises(UnreadablePicture, match="million pixels"):
        decode_picture(claimed_size(side, side))


def test_a_large_but_allowed_size_is_not_refused_for_its_size() -> None:
    with pytest.raises(UnreadablePicture) as caught:
        decode_picture(claimed_size(9000, 9000))
    assert "pixels" not in caught.value.reason


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_picture_is_refused(file_format: str) -> None:
    data = saved(Image.fromarray(RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8)), file_format)
    for length in (len(data) // 2, 40, 5):
        with pytest.raises(UnreadablePicture) as caught:
            decode_picture(data[:length])
        assert caught.value.reason
        assert "\n" not in caught.value.reason


def test_a_truncated_sixteen_bit_picture_is_refused() -> None:
    data = encoded(RNG.integers(0, 65536, (100, 100, 3), dtype=np.uint16), ".png")
    with pytest.raises(UnreadablePicture):
        decode_picture(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePicture, match="cannot be read as a picture"):
        decode_picture(data)


def test_bytes_flipped_at_random_never_raise_anything_else() -> None:
    for file_format in ("JPEG", "PNG", "GIF", "TIFF", "WEBP"):
        data = bytearray(saved(Image.fromarray(SMOOTH), file_format))
        for _ in range(150):
            broken = bytearray(data)
            for position in RNG.integers(0, len(data), 4):
                broken[position] = RNG.integers(0, 256)
            with contextlib.suppress(UnreadablePicture):
                assert decode_picture(bytes(broken)).shape[2] == 3


def test_float_pixels_are_refused_with_what_to_do() -> None:
    with pytest.raises(UnreadablePicture, match="save it with 8 or 16 bits"):
        decode_picture(saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"))


def test_files_that_are_not_there_or_not_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture) as caught:
        decode_picture(tmp_path / "none.png")
    assert caught.value.reason == "no such file"
    assert str(tmp_path / "none.png") in str(caught.value)
    assert isinstance(caught.value, ToolboxError)
    with pytest.raises(UnreadablePicture, match="not a file"):
        decode_picture(tmp_path)


@pytest.mark.parametrize("local", [False, True], ids=["palette of all", "palette of its own"])
@pytest.mark.parametrize("transparent", [None, 1], ids=["opaque", "with holes"])
def test_what_a_gifs_first_picture_leaves_free_is_grey_and_no_colour_of_a_palette(
    local: bool, transparent: int | None
) -> None:
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)
    own = np.array([(9, 9, 9), (20, 30, 40), (1, 2, 3), (4, 5, 6)], np.uint8)
    bits = "".join(format(code, "03b")[::-1] for code in [4, 1] * 9 + [5])  # LZW that begins anew at each pixel
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    control = b"" if transparent is None else b"!\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    head = b"GIF89a" + struct.pack("<HHBBB", 8, 6, 0x81, 2, 0) + colours.tobytes() + control
    place = b"," + struct.pack("<HHHHB", 2, 1, 3, 3, 0x81 if local else 0) + (own.tobytes() if local else b"")
    shown = decode_picture(head + place + b"\x02" + bytes([len(packed)]) + packed + b"\0;")
    expected = np.full((6, 8, 3), 128, np.uint8)
    if transparent is None:
        expected[1:4, 2:5] = (own if local else colours)[1]
    np.testing.assert_array_equal(shown, expected)
