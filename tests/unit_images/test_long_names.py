"""Names of layers and models longer than a file's name may be: shortened, and still one for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepvis_toolbox.unit_images import file_name_of
from deepvis_toolbox.unit_images.file_names import LONGEST


@pytest.mark.parametrize("name", ["层" * 90, "a" * 300, "." * 200, "a/" * 120, "é" * 99, "\udcff" * 60])
def test_a_long_name_is_cut_to_one_that_no_other_has(name: str, tmp_path: Path) -> None:
    file_name, other = file_name_of(name), file_name_of(name + "x")
    assert len(file_name.encode()) <= LONGEST
    assert file_name != other
    assert (tmp_path / f"{file_name}_0000_p10000-10000_s0000_best.png").write_bytes(b"x")


def test_a_name_of_the_usual_length_stays() -> None:
    assert file_name_of("a" * LONGEST) == "a" * LONGEST
    assert file_name_of("层" * 11) == "%E5%B1%82" * 11
