"""Turns the bytes of any usual picture file into RGB, the way a person would see it; refuses the rest by reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.regular_file import open_regular, read_regular
from deepvis_toolbox.sources import picture_budget
from deepvis_toolbox.sources.bands import Rows, from_bands
from deepvis_toolbox.sources.bare_pixels import without_remarks
from deepvis_toolbox.sources.deep_pixels import deep_rows, eight_bits, grey_level
from deepvis_toolbox.sources.gif_canvas import covered_part, with_nothing_beside
from deepvis_toolbox.sources.many_bands import array_bands, is_array
from deepvis_toolbox.sources.picture_budget import MAX_FILE_BYTES, MAX_PIXELS
from deepvis_toolbox.sources.tiff_samples import (
    TiffColours,
    colour_map,
    is_known_tiff,
    is_tiff,
    opened_tiff,
    read_tags,
    rgb_of_lab,
    tiff_bands,
    tiff_colours,
)

Bands = NDArray[Any]
"""uint8, uint16 or float32, H×W×C."""
Decoded = TypeVar("Decoded", bound=Bands)
AnyPixels = TypeVar("AnyPixels", bound=Bands)

PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo"),
    *(".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf"),
)
"""Lower case; what a folder is searched for."""

# Only formats that Pillow decodes itself: EPS, for one, would start another program.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
_NEUTRAL = 128  # the grey behind transparent pixels
_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT, _SAMPLE_FORMAT = 256, 257, 339
_TIFF_MODES_WITH_PALETTE = ("P", "PA")


class UnreadablePicture(ToolboxError):  # noqa: N818 - named for what it is about, as the rest of its family
    """A file that is no picture, is damaged, or is too large. `reason` is the short form for a status line."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} cannot be read as a picture: {reason}")
        self.reason = reason


def decode_picture(source: str | Path | bytes) -> NDArray[np.uint8]:
    """Return the picture in a file, or in the bytes of one, as RGB uint8 H×W×3, upright: the program's one reader.

    EXIF orientation is applied; 16 bits become 8 by value / 257; transparent pixels lie on mid grey; of an animation
    the first frame is taken. `UnreadablePicture` for everything that cannot be shown.
    """
    return _decoded_by(_decoded_picture, source)


def decode_bands(source: str | Path | bytes) -> Bands:
    """Return the bands of a file that has others than red, green and blue, as they are, uint8, uint16 or float32
    H×W×C: of an array of NumPy, or a TIFF. What has none is decoded as by `decode_picture`."""
    return _decoded_by(_decoded_bands, source)


def _decoded_by(decode: Callable[[bytes], Decoded], source: str | Path | bytes) -> Decoded:
    what = "the picture" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else _read_bytes(Path(source))
        try:
            return decode(data)
        except (_Refused, MemoryError):
            raise
        except ToolboxError as error:
            raise _Refused(str(error)) from None
        # Damaged files make the decoders raise nearly anything: ValueError, SyntaxError, struct.error, zlib.error, ...
        except Exception:
            bare = without_remarks(data)  # the pixels may be sound though what is written about them is not
            if bare is None:
                raise
            return decode(bare)
    except _Refused as error:
        raise UnreadablePicture(what, str(error)) from None
    except Exception as error:
        raise UnreadablePicture(what, _reason(error)) from error


def begins_like_a_picture(source: Path | IO[bytes]) -> bool:
    """Return whether a file, whatever its name, has the head of a picture. Reads no further than that."""
    try:
        with open_regular(source) if isinstance(source, Path) else source as file:
            if file.seek(0, io.SEEK_END) > MAX_FILE_BYTES:  # of some formats, Pillow takes all of it for the head
                return False
            file.seek(0)
            with Image.open(file, formats=_FORMATS):
                return True
    except Exception:  # no file, or a damaged head, which raises nearly anything
        return False


class _Refused(Exception):  # noqa: N818
    """Not damaged, but not to be decoded."""


def _read_bytes(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise _Refused("no such file") from None
    except PermissionError:
        raise _Refused("no permission to read it") from None
    except OSError as error:
        raise _Refused(os_reason_of(error)) from None


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _Refused(f"{width}×{height} is more than the {MAX_PIXELS // 1_000_000} million pixels allowed")


def _check_scans(picture: Image.Image, data: bytes) -> None:
    if picture.format in ("JPEG", "MPO") and not picture_budget.is_quickly_scanned(data, picture.size):
        raise _Refused("a progressive JPEG of so many scans that it would take minutes")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture format that is known here"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the {MAX_PIXELS // 1_000_000} million pixels allowed"
    text = reason_of(error)
    if isinstance(error, MemoryError) or "memory" in text.lower():
        return "it takes more memory to decode than a picture may, or than is free"
    return "truncated" if "truncated" in text.lower() else f"damaged ({text})"


def _decoded_bands(data: bytes) -> Bands:
    if is_array(data):
        bands = _array_bands(data)
        return _decoded_picture(data) if bands.shape[2] in (1, 3) else bands
    if is_tiff(data):
        tags = _checked_tags(data)
        samples = tiff_bands(data, tags)
        if samples is not None and samples.nbytes > 3 * MAX_PIXELS:
            raise _Refused(f"its bands are larger than {3 * MAX_PIXELS >> 20} MiB")
        if samples is not None and not np.isfinite(samples).all():
            raise _Refused("it holds values that are not finite")
        if samples is not None:
            return _turned_upright(samples, tags.get(_EXIF_ORIENTATION, 1))
    return _decoded_picture(data)


def _array_bands(data: bytes) -> Bands:
    try:
        return array_bands(data)
    except ValueError as error:
        raise _Refused(str(error)) from None


def _picture_of_array(data: bytes) -> NDArray[np.uint8]:
    bands = _array_bands(data)
    if bands.shape[2] not in (1, 3):
        raise _Refused(f"it has {bands.shape[2]} bands, for a network of as many channels")
    if bands.dtype == np.float32:
        raise _Refused("its values are floats, of which nobody says which is white; save it as uint8 or uint16")
    shown = bands if bands.dtype == np.uint8 else eight_bits(bands)
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


def _decoded_picture(data: bytes) -> NDArray[np.uint8]:
    if is_array(data):
        return _picture_of_array(data)
    tags = _checked_tags(data) if is_tiff(data) else None
    colours = tiff_colours(data, tags) if tags is not None else None
    if tags is not None and colours is not None:
        size = (int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT]))
        pixels = from_bands(size, lambda top, bottom: _laid_on_grey(colours(top, bottom)))
        return _turned_upright(pixels, tags.get(_EXIF_ORIENTATION, 1))
    try:
        with opened_tiff(data, tags, _FORMATS) if tags else Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_size(picture.size)
            _check_scans(picture, data)
            pixels = _to_rgb(picture, data, tags)
            # Asked for after decoding: a TIFF was turned while it was decoded, and then says so.
            return _turned_upright(pixels, _orientation(picture))
    except UnidentifiedImageError:
        if tags is None:
            raise
        raise _Refused("an arrangement of TIFF that is not known here; save it with 8 or 16 bits") from None


def _checked_tags(data: bytes) -> Any:
    if not is_known_tiff(data):
        raise _Refused("a BigTIFF whose higher bytes come first; save it as an ordinary TIFF")
    tags = read_tags(data)
    _check_size((int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])))
    if 2 in np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1)):
        raise _Refused("its signed values have no agreed range; save it with 8 or 16 bits")
    return tags


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # broken metadata, which raises nearly anything: the pixels are sound, and shown as they lie
        return 1


def _to_rgb(picture: Image.Image, data: bytes, tags: Any) -> NDArray[np.uint8]:
    if picture.mode == "F" or (picture.mode == "I" and picture.format == "TIFF"):
        raise _Refused("its 32-bit values have no agreed range; save it with 8 or 16 bits")
    rows = deep_rows(picture, data) or _shallow_rows(_with_sound_palette(picture, tags), data)
    return from_bands(picture.size, lambda top, bottom: _on_neutral_ground(rows(top, bottom)))


def _with_sound_palette(picture: Image.Image, tags: Any) -> Image.Image:
    """Return the picture with a TIFF's palette as it is meant, where it was written with 8 bits instead of 16."""
    palette = colour_map(tags) if tags is not None and picture.mode in _TIFF_MODES_WITH_PALETTE else None
    if palette is not None:
        picture.load()
        picture.putpalette((palette >> 8).astype(np.uint8).tobytes())  # 255 is written as 65535, or as 65280
    return picture


def _shallow_rows(picture: Image.Image, data: bytes) -> Rows:
    """Return what gives the rows, (rows, W, 3 or 4), of a picture with up to 8 bits a channel."""
    if picture.mode == "LAB":
        return lambda top, bottom: rgb_of_lab(picture.crop((0, top, picture.width, bottom)))
    part = covered_part(picture)
    level = grey_level(picture, data)
    if level is not None:
        picture.info["transparency"] = level
    with_alpha = picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info
    if picture.format in ("BMP", "DIB") and picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (0, 0):
        with_alpha = False  # programs that know no transparency leave these bits empty
    mode = "RGBA" if with_alpha else "RGB"
    picture.load()

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        pixels = np.asarray(picture.crop((0, top, picture.width, bottom)).convert(mode))
        return with_nothing_beside(part, pixels, top) if part else pixels

    return rows


def _laid_on_grey(tiff: TiffColours) -> NDArray[np.uint8]:
    """Return a TIFF's colours laid on grey where they are transparent, rounded once (in 32 bits)."""
    most = np.iinfo(tiff.colours.dtype).max
    if tiff.alpha is None:
        return eight_bits(tiff.colours, most)
    colours, alpha = tiff.colours.astype(np.uint32), tiff.alpha.astype(np.uint32)
    shown = np.minimum(colours, alpha) * most if tiff.premultiplied else colours * alpha
    shown += most * _NEUTRAL // 255 * (most - alpha)
    return eight_bits((shown + most // 2) // most, most)


def _on_neutral_ground(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if rgba.shape[2] == 3:
        return rgba
    colour, alpha = rgba[:, :, :3].astype(np.uint16), rgba[:, :, 3:].astype(np.uint16)
    return ((colour * alpha + _NEUTRAL * (255 - alpha) + 127) // 255).astype(np.uint8)


def _turned_upright(image: AnyPixels, orientation: int) -> AnyPixels:
    """Undo the eight EXIF orientations: 5 to 8 lie on their side, 2, 4, 5 and 7 are mirrored as well."""
    quarter_turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0)
    turned = np.rot90(image, quarter_turns)
    mirrored = turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned
    return cast(AnyPixels, np.require(mirrored, requirements=["C_CONTIGUOUS", "WRITEABLE"]))
