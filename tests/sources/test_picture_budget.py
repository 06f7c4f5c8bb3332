"""What a picture may cost: what costs more is refused, before it is decoded or by the process that decodes it."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.sources import bands, picture_budget
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_picture

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (61, 43, 4), dtype=np.uint8)


def saved(picture: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def with_scans(times: int) -> bytes:
    """A progressive JPEG of 64×64 whose last scan is there `times` times more."""
    data = saved(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), "JPEG", progressive=True)
    start, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[start:end] * times + data[end:]


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_budget, "MAX_SCANNED_PIXELS", 64 * 64 * 100)
    assert decode_picture(with_scans(80)).shape == (64, 64, 3)
    with pytest.raises(UnreadablePicture, match="so many scans"):
        decode_picture(with_scans(100))


def test_the_largest_picture_may_have_as_many_scans_as_programs_write() -> None:
    assert 50 * picture_budget.MAX_PIXELS < picture_budget.MAX_SCANNED_PIXELS


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("RGB", "JPEG"), ("L", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("P", "GIF"),
     ("RGBA", "TIFF"), ("CMYK", "TIFF"), ("LAB", "TIFF"), ("I;16", "TIFF"), ("I;16", "PNG"), ("RGBA", "WEBP")],
)  # fmt: skip
def test_bands_give_what_the_whole_gives(mode: str, file_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mode == "I;16":
        picture = Image.fromarray(RNG.integers(0, 65536, (61, 43), dtype=np.uint16))
    elif mode == "LAB":
        picture = Image.frombytes("LAB", (43, 61), COLOUR[:, :, :3].tobytes())
    else:
        picture = Image.fromarray(COLOUR).convert("RGB").convert(mode) if mode != "RGBA" else Image.fromarray(COLOUR)
    data = saved(picture, file_format)
    whole = decode_picture(data)
    monkeypatch.setattr(bands, "_BAND_PIXELS", 200)
    np.testing.assert_array_equal(decode_picture(data), whole)


def in_a_process(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    imports = "import sys\nfrom deepvis_toolbox.sources import picture_budget as budget\n"
    return subprocess.run(
        [sys.executable, "-c", imports + program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux keeps to a limit of addresses")
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_picture_that_takes_too_much_memory_is_skipped_and_the_next_one_is_read(
    file_format: str, tmp_path: Path
) -> None:
    for name, side in (("large", 6000), ("small", 60)):
        (tmp_path / name).write_bytes(saved(Image.new("RGBA", (side, side)), file_format))
    answer = in_a_process(
        "from deepvis_toolbox.sources.decode import decode_picture, UnreadablePicture\n"
        "decode_picture(sys.argv[2])\n"
        "budget.limit_memory(64 << 20)\n"
        "try:\n    decode_picture(sys.argv[1])\n"
        "except UnreadablePicture as error:\n    print(error.reason)\n"
        "print(decode_picture(sys.argv[2]).shape)",
        str(tmp_path / "large"),
        str(tmp_path / "small"),
    )
    assert answer.stdout.splitlines() == [
        "it takes more memory to decode than a picture may, or than is free",
        "(60, 60, 3)",
    ], answer.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such clock")
def test_a_process_ends_where_a_picture_takes_too_long() -> None:
    answer = in_a_process("with budget.within_seconds(0.1):\n    sum(range(1 << 40))")
    assert picture_budget.ran_out_of_time(answer.returncode)
    answer = in_a_process("with budget.within_seconds(0.1):\n    pass\nsum(range(1 << 23))")
    assert not picture_budget.ran_out_of_time(answer.returncode)
    assert answer.returncode == 0
