"""Turns the bytes of any usual picture file into RGB, the way a person would see it; refuses the rest by reason."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deepvis_toolbox.errors import ToolboxError, reason_of

PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".gif", ".bmp", ".dib", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"),
)
"""Lower case; what a folder is searched for."""
MAX_PIXELS = 89_000_000
"""Larger pictures are refused before they are decoded: a few kilobytes can claim to be terabytes."""
MAX_FILE_BYTES = 1 << 29

# Only formats that Pillow decodes itself: EPS, for one, would start another program.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
_NEUTRAL = 128  # the grey behind transparent pixels
_EXIF_ORIENTATION = 0x0112
_TIFF_BITS_PER_SAMPLE = 258

# Sizes are checked here, by MAX_PIXELS, and refused with a reason; Pillow's warning would only add noise.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Remarks about metadata that nobody reads, thousands of them in a scan of a data set.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UnreadablePicture(ToolboxError):  # noqa: N818 - named for what it is about, as the rest of its family
    """A file that is no picture, is damaged, or is too large. `reason` is the short form for a status line."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} cannot be read as a picture: {reason}")
        self.reason = reason


def decode_picture(source: str | Path | bytes) -> NDArray[np.uint8]:
    """The picture in a file, or in the bytes of one, as RGB uint8 H×W×3, upright.

    EXIF orientation is applied; 16 bits become 8 by value / 257; transparent pixels lie on mid grey; of an animation
    the first frame is taken. `UnreadablePicture` for everything that cannot be shown.
    """
    what = "the picture" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else _read_bytes(Path(source))
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_size(picture.size)
            pixels = _to_rgb(picture, data)
            # Asked for after decoding: a TIFF was turned while it was decoded, and then says so.
            return _turned_upright(pixels, picture.getexif().get(_EXIF_ORIENTATION, 1))
    except _Refused as error:
        raise UnreadablePicture(what, str(error)) from None
    # Damaged files make the decoders raise nearly anything: ValueError, SyntaxError, struct.error, zlib.error, ...
    except Exception as error:
        raise UnreadablePicture(what, _reason(error)) from error


class _Refused(Exception):  # noqa: N818
    """Not damaged, but not to be decoded."""


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():  # a folder, a pipe or a device would fail late or wait forever
        raise _Refused("it is not a file" if path.exists() else "no such file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise _Refused(f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return path.read_bytes()


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _Refused(f"{width}×{height} is more than the {MAX_PIXELS // 1_000_000} million pixels allowed")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture format that is known here"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the {MAX_PIXELS // 1_000_000} million pixels allowed"
    text = reason_of(error)
    return "truncated" if "truncated" in text.lower() else f"damaged ({text})"


def _to_rgb(picture: Image.Image, data: bytes) -> NDArray[np.uint8]:
    pixels = _deep_pixels(picture, data)
    if pixels is None:
        with_alpha = picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info
        mode = "RGBA" if with_alpha else "RGB"
        pixels = np.asarray(picture if picture.mode == mode else picture.convert(mode))
    return _on_neutral_ground(pixels) if pixels.shape[2] == 4 else pixels


def _deep_pixels(picture: Image.Image, data: bytes) -> NDArray[np.uint8] | None:
    """H×W×3 or ×4 of a picture with more than 8 bits a channel; None for the others."""
    if picture.mode == "F" or (picture.mode == "I" and picture.format == "TIFF"):
        raise _Refused("its 32-bit values have no agreed range; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):
        return _eight_bits(np.stack([np.asarray(picture)] * 3, axis=-1))
    if not _has_sixteen_bits(picture, data):
        return None
    picture.load()  # Pillow notices damage that OpenCV paints over; OpenCV keeps the 16 bits that Pillow cuts
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    return _eight_bits(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])


def _has_sixteen_bits(picture: Image.Image, data: bytes) -> bool:
    if picture.format == "PNG":
        return data[24:25] == b"\x10"  # the bit depth in the IHDR chunk
    if picture.format == "TIFF":
        return 16 in picture.tag_v2.get(_TIFF_BITS_PER_SAMPLE, ())  # type: ignore[attr-defined]
    return False


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """0–65535 to 0–255, both ends exact, rounded to the nearest."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _on_neutral_ground(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colour, alpha = rgba[:, :, :3].astype(np.uint16), rgba[:, :, 3:].astype(np.uint16)
    return ((colour * alpha + _NEUTRAL * (255 - alpha) + 127) // 255).astype(np.uint8)


def _turned_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undoes the eight EXIF orientations: 5 to 8 lie on their side, 2, 4, 5 and 7 are mirrored as well."""
    quarter_turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0)
    turned = np.rot90(image, quarter_turns)
    mirrored = turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned
    return np.require(mirrored, requirements=["C_CONTIGUOUS", "WRITEABLE"])
