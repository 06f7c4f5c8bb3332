"""The pieces of work that are done: arrays in files, each whole or not there, so that a killed run goes on behind the
last of them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter

from deepvis_toolbox.atomic_files import write_bytes, write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.identity import first_difference
from deepvis_toolbox.npz_file import ArrayForm, read_arrays
from deepvis_toolbox.paper.figure import Arrays, Piece
from deepvis_toolbox.unit_images.file_names import file_name_of

LARGEST_RECORD = 1 << 20
FOLDER = "pieces"


_Size = Annotated[int, Field(ge=0, le=1 << 40)]


class _Record(BaseModel):
    """What is written beside a piece's arrays."""

    figure: str
    piece: str
    network: dict[str, Any]
    work: Any
    """What the piece is made of, in its figure's own words; compared as a whole, not read."""
    arrays: dict[str, tuple[str, tuple[_Size, ...]]]


_RECORD = TypeAdapter(_Record)


class KeptPieces:
    """The pieces of one figure below `folder`, the run's; `network`: what tells the network from others."""

    def __init__(self, folder: Path, figure: str, network: Mapping[str, Any]) -> None:
        self._folder = folder / FOLDER / f"figure-{figure}"
        self._figure, self._network = figure, network

    def read(self, piece: Piece) -> Arrays | None:
        """Return what a piece gave, arrays (…) by name; None where it is not done, was another one, or is damaged."""
        arrays, record = self._paths(piece)
        with suppress(OSError, ValueError, ToolboxError):
            there = read_checked(record, LARGEST_RECORD, _RECORD)
            if first_difference(there.model_dump(), self._identity(piece)) is None:
                forms = {name: ArrayForm(dtype, shape) for name, (dtype, shape) in there.arrays.items()}
                return read_arrays(arrays, forms)
        return None

    def keep(self, piece: Piece, found: Arrays) -> None:
        """Write what a piece gave; its record comes last, and says that it is done."""
        arrays, record = self._paths(piece)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **dict(found))
        forms = {name: [str(values.dtype), list(values.shape)] for name, values in found.items()}
        write_bytes(arrays, buffer.getvalue())
        write_json(record, {**self._identity(piece), "arrays": forms})

    def _identity(self, piece: Piece) -> dict[str, Any]:
        return {"figure": self._figure, "piece": piece.name, "network": self._network, "work": piece.identity}

    def _paths(self, piece: Piece) -> tuple[Path, Path]:
        name = file_name_of(piece.name)
        return self._folder / f"{name}.npz", self._folder / f"{name}.json"
