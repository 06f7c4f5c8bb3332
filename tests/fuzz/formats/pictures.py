"""Pictures, and what names or holds them: archives, lists, labels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.opening.described import read_labels
from deepvis_toolbox.scan.pictures.picture_list import PictureList, list_pictures
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.sources.decode import begins_like_a_picture, decode_bands, decode_picture
from deepvis_toolbox.sources.file_kind import file_kind
from deepvis_toolbox.sources.listing import read_picture_list
from deepvis_toolbox.words.class_names import ClassNames
from tests.fuzz.harness import Files, Harness, harness, quietly, tried
from tests.fuzz.mutations.tars import tar, tar_gz
from tests.fuzz.mutations.zips import Members, packed
from tests.sources.hand_written_tiff import BLACK_IS_ZERO, RGB, tiff

_RGB = np.random.RandomState(1).randint(0, 255, (12, 16, 3), np.uint8)
_MOST_READ = 8
"""Pictures of an archive that are decoded."""


def _saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    _image(mode).save(file, kind, **options)
    return file.getvalue()


@cache
def _image(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(_RGB[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(_RGB).convert(mode)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def _pictures() -> dict[str, bytes]:
    """Return a picture of each kind that is told apart in decoding, by file name."""
    found = {
        "plain.jpg": _saved("JPEG"),
        "progressive.jpg": _saved("JPEG", progressive=True, exif=_exif()),
        "cmyk.jpg": _saved("JPEG", "CMYK"),
        "grey.jpg": _saved("JPEG", "L"),
        "plain.png": _saved("PNG"),
        "alpha.png": _saved("PNG", "RGBA", exif=_exif()),
        "palette.png": _saved("PNG", "P", transparency=3),
        "deep.png": _saved("PNG", "I;16"),
        "grey.png": _saved("PNG", "LA"),
        "moving.gif": _saved("GIF", "P", save_all=True, append_images=[_image("P")], transparency=1),
        "plain.webp": _saved("WEBP"),
        "lossless.webp": _saved("WEBP", "RGBA", lossless=True),
        "plain.tif": _saved("TIFF"),
        "packed.tif": _saved("TIFF", compression="tiff_lzw"),
        "alpha.tif": _saved("TIFF", "RGBA", compression="tiff_adobe_deflate"),
        "palette.tif": _saved("TIFF", "P"),
        "deep.tif": _saved("TIFF", "I;16"),
        "jpeg.tif": _saved("TIFF", compression="jpeg"),
        "cmyk.tif": _saved("TIFF", "CMYK"),
        "plain.bmp": _saved("BMP"),
        "palette.bmp": _saved("BMP", "P"),
        "plain.ppm": _saved("PPM"),
        "plain.jp2": _saved("JPEG2000"),
    }
    return found | ({"plain.avif": _saved("AVIF")} if features.check("avif") else {})


@harness("picture")
class Pictures(Harness):
    """Pictures in every format, decoded as all of the program does."""

    def seeds(self) -> list[Files]:
        return [{name: content} for name, content in _pictures().items()]

    def use(self, folder: Path) -> None:
        path = next(folder.iterdir())
        begins_like_a_picture(path), file_kind(path)
        pixels = decode_picture(path)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise AssertionError(f"no RGB picture: {pixels.dtype} {pixels.shape}")


@harness("bands")
class PicturesOfBands(Harness):
    """Pictures of many bands: arrays of NumPy, and TIFFs of more samples than colours."""

    def seeds(self) -> list[Files]:
        samples = np.random.RandomState(0).randint(0, 255, (6, 8, 5))
        arrays = [samples.astype(kind) for kind in (np.uint8, np.uint16, np.float32)]
        plain = tiff(samples.astype(np.uint8), RGB, [0, 0])
        packed_apart = tiff(samples.astype(np.uint16), BLACK_IS_ZERO, [0] * 4, apart=True, deflated=True)
        return [{"bands.npy": _array(array)} for array in arrays] + [
            {"bands.tif": each} for each in (plain, packed_apart)
        ]

    def use(self, folder: Path) -> None:
        path = next(folder.iterdir())
        bands = decode_bands(path)
        if bands.dtype not in (np.uint8, np.uint16, np.float32) or bands.ndim != 3 or not bands.size:
            raise AssertionError(f"no bands: {bands.dtype} {bands.shape}")
        channels = f"RGB+{bands.shape[2] - 3}" if bands.shape[2] > 3 else "RGB"
        how = Preprocessing((8, 8), channels, white=255) if bands.shape[2] <= 512 else None
        quietly(lambda: how.to_input(bands) if how else None)


def _array(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@harness("archive")
class Archives(Harness):
    """Archives of pictures (tar, tar.gz, zip), also within each other."""

    def seeds(self) -> list[Files]:
        few: Members = [
            ("n01/1.png", _saved("PNG")),
            ("n01/1.cls", b"7"),
            ("n02/b.jpg", _saved("JPEG")),
            ("read.me", b"x"),
        ]
        nested: Members = [("in.zip", packed(few)), ("a.gif", _saved("GIF", "P")), ("in.tar", tar(few))]
        return [
            *({f"pictures.{ending}": pack(few)} for ending, pack in _PACKERS.items()),
            *({f"pictures.{ending}": pack(nested)} for ending, pack in _PACKERS.items()),
            {"pictures.zip": packed(few, 8)},
        ]

    def use(self, folder: Path) -> None:
        path = next(folder.iterdir())
        tried(lambda: _decode_some(list_pictures(path)), lambda: _decode_some(list_pictures(folder)))

    def former_failures(self) -> Mapping[str, Files]:
        return {"a member without a name": {"pictures.tar": tar([("in.zip", _zip_without_a_name())])}}


def _zip_without_a_name() -> bytes:
    file, member = io.BytesIO(), zipfile.ZipInfo("a.png")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, _saved("PNG"))
        member.filename = ""
    return file.getvalue()


_PACKERS = {"tar": tar, "zip": packed, "tar.gz": tar_gz}


def _decode_some(pictures: PictureList) -> None:
    reader = PictureReader(Preprocessing((8, 8)), decode_picture)
    tried(*(lambda path=path: reader.frame(path) for path in pictures.paths[:_MOST_READ]))
    str((pictures.hash, pictures.notes))


@harness("picture-list")
class PictureLists(Harness):
    """Text files that name pictures, with class indices or without."""

    targets = ("list.txt",)

    def seeds(self) -> list[Files]:
        beside = {"a b.png": _saved("PNG"), "c/ä.jpg": _saved("JPEG"), "in.zip": packed([("d.png", _saved("PNG"))])}
        lists = [b"a b.png 3\nc/\xc3\xa4.jpg 0\n", b"# pictures\n'a b.png'\n\nc/\xc3\xa4.jpg\nin.zip::d.png\n"]
        lists += [b"'a b.png' c/\xc3\xa4.jpg 3\nc/\xc3\xa4.jpg\tin.zip::d.png\n"]
        return [{"list.txt": text, **beside} for text in lists]

    def use(self, folder: Path) -> None:
        path = folder / "list.txt"
        for picture in read_picture_list(path)[:_MOST_READ]:
            quietly(lambda path=picture.path: decode_picture(path))
        _decode_some(list_pictures(folder, path))


@harness("labels")
class Labels(Harness):
    """Names of classes, one a line (`labels: labels.txt`)."""

    def seeds(self) -> list[Files]:
        return [{"labels.txt": text} for text in (b"cat\ndog\ncrane\n", b"\xef\xbb\xbfn01440764 tench, Tinca\nb\nc\n")]

    def use(self, folder: Path) -> None:
        labels = read_labels(folder / "labels.txt")
        names = ClassNames(labels, ("fc",))
        for name in (*labels[:5], "dog", "x"):
            quietly(lambda name=name: names.channel(name, "fc", f"fc:{name}"))

    def former_failures(self) -> Mapping[str, Files]:
        texts: Sequence[str] = ("a\u2028b\nc", "a\x0cb\nc", "a\x85b\nc")
        return {f"another end of a line in a name, {text!a}": {"labels.txt": text.encode()} for text in texts}
