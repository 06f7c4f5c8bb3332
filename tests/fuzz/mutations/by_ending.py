"""Which changes a file may get, by the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.fuzz.mutations.arrays import npy_changed
from tests.fuzz.mutations.plain_bytes import PLAIN, Mutation
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
    ".npy": [npy_changed] * (2 * _AS_OFTEN),
    ".npz": [zip_changed] * (2 * _AS_OFTEN),
    ".zip": [zip_changed] * (2 * _AS_OFTEN),
}


def mutations_for(name: str) -> Sequence[Mutation]:
    """Return the changes to choose from for a file of this name."""
    ending = "." + name.rpartition(".")[2]
    return [*PLAIN, *_KNOWING.get(ending, ())]
