"""Files of weights that are no vector of numbers: one sentence, before memory is taken for what they claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.cli.target_flags import _read_weights


@pytest.mark.parametrize("values", [
    np.zeros(3, [("a", "f4")]), np.array([1, 2, 3], "M8[s]"), np.array([1, "a", None], object), np.array(["a", "b"]),
    np.ones(3, np.complex64), np.zeros(3, "V8"),
], ids=["fields", "dates", "objects", "texts", "complex", "bytes"])  # fmt: skip
def test_what_is_no_vector_of_real_numbers_is_refused(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "mix.npy", values, allow_pickle=True)
    with pytest.raises(ToolboxError, match=r"mix\.npy"):
        _read_weights(tmp_path / "mix.npy")


@pytest.mark.parametrize("shape", ["(99999999999,)", "(-3,)", "(" + "9" * 9000 + ",)"])
def test_a_header_that_claims_more_than_there_is_is_refused(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "mix.npy").write_bytes(start + header + bytes(12))
    with pytest.raises(ToolboxError, match=r"mix\.npy"):
        _read_weights(tmp_path / "mix.npy")
