"""Which changes a file may get, by the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.fuzz.mutations.arrays import npy_changed
from tests.fuzz.mutations.caffe_files import definition_changed, hdf5_changed, message_changed
from tests.fuzz.mutations.picture_files import jpeg_changed, png_changed
from tests.fuzz.mutations.plain_bytes import PLAIN, Mutation
from tests.fuzz.mutations.tars import tar_changed
from tests.fuzz.mutations.text import TEXT
from tests.fuzz.mutations.values import json_changed, json_lines_changed, yaml_changed
from tests.fuzz.mutations.zips import zip_changed

_AS_OFTEN = len(PLAIN)
"""Changes that know the format are made as often as all that do not."""
_KNOWING: Mapping[str, Sequence[Mutation]] = {
    ".json": [json_changed] * (3 * _AS_OFTEN),
    ".jsonl": [json_lines_changed] * (3 * _AS_OFTEN),
    ".yaml": [*[yaml_changed] * (2 * _AS_OFTEN), *TEXT],
    ".txt": [*TEXT, *TEXT],
    ".prototxt": [definition_changed] * (2 * _AS_OFTEN),
    ".caffemodel": [message_changed] * (2 * _AS_OFTEN),
    ".binaryproto": [message_changed] * (2 * _AS_OFTEN),
    ".h5": [hdf5_changed] * _AS_OFTEN,
    ".png": [png_changed] * _AS_OFTEN,
    ".jpg": [jpeg_changed] * (_AS_OFTEN // 2),
    ".tar": [tar_changed] * (2 * _AS_OFTEN),
    ".gz": [tar_changed] * (2 * _AS_OFTEN),
    ".npy": [npy_changed] * (2 * _AS_OFTEN),
    ".npz": [zip_changed] * (2 * _AS_OFTEN),
    ".zip": [zip_changed] * (2 * _AS_OFTEN),
}


def mutations_for(name: str) -> Sequence[Mutation]:
    """Return the changes to choose from for a file of this name."""
    ending = "." + name.rpartition(".")[2]
    return [*PLAIN, *_KNOWING.get(ending, ())]
