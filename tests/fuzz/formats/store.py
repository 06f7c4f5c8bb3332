"""The store of unit images, which may have come as an archive from anybody."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.unit_images.claim import NetworkIdentity
from deepvis_toolbox.unit_images.layer_tiles import TilesJob
from deepvis_toolbox.unit_images.montage import montage_for_jpeg, whole_layer
from deepvis_toolbox.unit_images.numbers import JudgeNumbers, UnitNumbers, add_numbers, numbers_of, picture_hash
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS, UnitImageKind
from tests.fuzz.harness import Files, Harness, harness, in_memory, read_case, tried

_CLAIM = {"name": "tiny", "engine": "torch", "weights_sha256": "ab" * 32, "answer": {"fc": [0.5, -1.0, 2.0]}}
_US = NetworkIdentity("tiny", "torch", "ab" * 32, {"fc": [0.5, -1.0, 2.0]})
_UNITS = (Unit("conv", 0), Unit("a/b", 1))
_PIXELS = np.random.RandomState(0).randint(0, 255, (8, 8, 3), np.uint8)


@harness("store")
class Stores(Harness):
    """A store of unit images: `network.json`, `numbers.json`, montages, single pictures, whole layers."""

    def seeds(self) -> list[Files]:
        with tempfile.TemporaryDirectory() as scratch:
            store = UnitImageStore(Path(scratch))
            for unit in _UNITS:
                store.write_montage("max_im", unit, montage_for_jpeg([_PIXELS] * 9), "deconv:raw")
                store.write_montage("regularized_opt", unit, montage_for_jpeg([_PIXELS] * 3))
            store.write_single("regularized_opt", Unit("conv", 1), "s0000_best_X", _PIXELS, ".png")
            add_numbers(store, {unit: _numbers(store, unit) for unit in _UNITS})
            store.write_whole_layer("max_im", "conv", whole_layer([_PIXELS] * 4))
            claim = {"network.json": json.dumps(_CLAIM).encode()}
            return [read_case(Path(scratch)) | claim]

    def use(self, folder: Path) -> None:
        store = UnitImageStore(folder, "2x2", {"shown": "conv"}, network=lambda: _US)
        tried(*(lambda kind=kind: _look_through(store, kind) for kind in UNIT_IMAGE_KINDS))
        with tempfile.TemporaryDirectory(dir=in_memory()) as packed:
            pack(UnitImageStore(folder), UnitImageStore(packed), 8)

    def former_failures(self) -> Mapping[str, Files]:
        (whole,) = self.kept_seeds
        huge = json.dumps({**_CLAIM, "answer": {"fc": [10**400] * 3}}).encode()
        return {
            "a claim that is nested deeply": {**whole, "network.json": b'{"a":' * 100_000},
            "something is said that is no text": {
                name: content.replace(b"deconv:raw", b"de\xff\0v:raw") for name, content in whole.items()
            },
            "a claim with huge numbers": {**whole, "network.json": huge},
        }


def _numbers(store: UnitImageStore, unit: Unit) -> UnitNumbers:
    judged = {"tiny": JudgeNumbers(rank=1, probability=0.5, said="ant")}
    picture = picture_hash(store.montage_path("regularized_opt", unit))
    return UnitNumbers(picture_sha256=picture, reached=2, natural=1.5, transfer=judged, path_similarity=0.5)


def _look_through(store: UnitImageStore, kind: UnitImageKind) -> None:
    """Read all that the window reads of a kind of pictures."""
    for layer in store.layers(kind):
        job = TilesJob(store, kind, layer, 4, 8)
        while not job.done:
            job.advance()
        tried(lambda layer=layer: store.read_whole_layer(kind, layer, 4))
        for unit in store.units(kind, layer):
            store.has(kind, unit), store.holds_published(kind, unit), store.said(kind, unit)
            numbers = numbers_of(store, unit)
            assert numbers is None or len(numbers.short) < 60
            tried(lambda unit=unit: store.read(kind, unit), lambda unit=unit: store.read_best(kind, unit))
