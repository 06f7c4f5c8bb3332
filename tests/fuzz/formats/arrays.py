"""Arrays of NumPy that a person names: means and directions."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.opening.mean_file import read_mean
from deepvis_toolbox.optimize.cli.target_flags import targets_of
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.objective import Objective
from deepvis_toolbox.optimize.method.targets import objective_of
from tests.fuzz.harness import Files, Harness, harness
from tests.fuzz.mutations.arrays import npy, with_header
from tests.fuzz.mutations.zips import packed
from tests.fuzz.tiny import tiny_network

_VALUES = np.random.RandomState(0).uniform(0, 255, (3, 6, 5))


@harness("mean-npy")
class MeanArrays(Harness):
    """Means in .npy files (`input: {mean: …}`, `--mean`)."""

    def seeds(self) -> list[Files]:
        arrays = [_VALUES.astype(np.float32), _VALUES, _VALUES[0, 0, :3], _VALUES[None].astype(">f4")]
        arrays += [_VALUES.astype(np.uint8), np.asfortranarray(_VALUES), _VALUES[:1].astype(np.float16)]
        return [{"mean.npy": npy(array)} for array in arrays]

    def use(self, folder: Path) -> None:
        mean = read_mean(folder / "mean.npy")
        channels = "gray" if len(mean) == 1 else "RGB"
        Preprocessing((6, 5), channels, mean).to_input(np.full((9, 8, 3), 200, np.uint8))

    def former_failures(self) -> Mapping[str, Files]:
        return {
            "an archive of arrays": {"mean.npy": packed([("a.npy", npy(_VALUES))])},
            "values of no size": {"mean.npy": with_header(_header("'|S0'").replace("(3, 6, 5)", "(-1,)"), b"")},
            "a header of brackets": {"mean.npy": with_header("{" * 300, b"")},
            "a header of brackets and letters": {
                "mean.npy": with_header(f"{'{' * 29}k{'{' * 61}\xfb{'{' * 85}[{'{' * 24}k{'{' * 97}", b"")
            },
            "a type of two parts": {"mean.npy": with_header(_header("[('a', '<f4'), ('b', '<f4')]"), b"\0" * 720)},
        }


@harness("direction")
class Directions(Harness):
    """Directions in .npy and text files (`--direction`)."""

    def seeds(self) -> list[Files]:
        arrays = [np.arange(4, dtype=np.float32), np.arange(4), np.ones((1, 4)), np.array([True, False, True, True])]
        texts = [b"1\n2\n3\n4\n", b"\xef\xbb\xbf0.5 1e-3 -2 4 # weights\n"]
        return [*({"weights.npy": npy(array)} for array in arrays), *({"weights.txt": text} for text in texts)]

    def use(self, folder: Path) -> None:
        direction = str(next(folder.iterdir()))
        given = Namespace(direction=direction, like=None, units=None, layers=["conv"], push_layer=None)
        given.push_channel = given.push_spatial = None
        targets, _ = targets_of(given, tiny_network(), lambda _: None)
        _objective(targets)

    def former_failures(self) -> Mapping[str, Files]:
        return {"complex numbers": {"weights.npy": npy(np.ones(4, np.complex64))}}


def _objective(targets: list) -> Objective:
    return objective_of(targets, tiny_network(), AscentSettings())


def _header(kind: str) -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': (3, 6, 5), }}"
