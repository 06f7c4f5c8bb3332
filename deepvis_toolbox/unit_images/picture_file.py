"""One picture file of the store: read with its size checked before it is decoded, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from deepvis_toolbox.atomic_files import write_bytes
from deepvis_toolbox.errors import ToolboxError, reason_of, sentence_of
from deepvis_toolbox.words.images import RGBImage

JPEG_QUALITY = 88
FORMATS = ("JPEG", "PNG")
"""All that is ever written; a file of another kind under such a name is not handed to its decoder."""
MAX_PIXELS = 100_000_000
"""More than any montage or whole-layer picture needs; a file that claims more is refused before it is decoded."""
_JPEG = b"\xff\xd8\xff"
_COMMENT = b"deepvis-toolbox"
_SIGNATURE = b"\xff\xfe" + (len(_COMMENT) + 2).to_bytes(2, "big") + _COMMENT
"""A JPEG comment in every picture that is written here; it tells them from an archive's, which nothing may replace."""
_HEAD_BYTES = 64


def read_picture(path: Path) -> RGBImage:
    """The picture, RGB uint8 H×W×3. `ToolboxError` where it is missing, unreadable, no picture or too large."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ToolboxError(f'"{path}" claims {width}×{height} pixels; unit images have at most {MAX_PIXELS:,}')
            return np.asarray(image.convert("RGB"), np.uint8)
    except ToolboxError:
        raise
    except UnidentifiedImageError:
        raise ToolboxError(
            f'cannot read the picture "{path}": it is damaged, or no JPEG or PNG; remove it and make it again'
        ) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ToolboxError(
            f'cannot read the picture "{path}": {reason_of(error)}; remove it and make it again'
        ) from error


def problem_with(error: Exception) -> str:
    """A sentence about what kept somebody from reading pictures."""
    if isinstance(error, OSError) and error.strerror:
        return f'cannot read "{error.filename}": {error.strerror}'
    return sentence_of(error)


def write_picture(path: Path, image: RGBImage) -> None:
    """Writes an RGB uint8 H×W×3 picture as its suffix says (.jpg or .png). `ToolboxError` where that is impossible."""
    suffix = path.suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in (".jpg", ".jpeg") else []
    written, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)
    if not written:
        raise ToolboxError(f'cannot write "{path}": the picture does not fit the format {suffix}')
    write_bytes(path, _signed(data.tobytes()) if options else data.tobytes())


def is_published(path: Path) -> bool:
    """Whether this is a JPEG file that `write_picture` did not write: one of an archive."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(_JPEG) and _SIGNATURE not in head


def _signed(jpeg: bytes) -> bytes:
    """The JPEG file with the comment behind its first segment, where every decoder expects one."""
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:end] + _SIGNATURE + jpeg[end:]
